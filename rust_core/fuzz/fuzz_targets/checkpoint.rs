//! Fuzzes `entries::checkpoint`.
#![no_main]

#[allow(dead_code)]
#[path = "../../codec/tests/entries/mod.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entries::checkpoint(bytes));
