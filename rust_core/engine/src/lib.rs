//! The queue engine: pure, deterministic, in memory.
#![forbid(unsafe_code)]

pub mod command;
pub mod config;
pub mod ids;
pub mod record;
pub mod rejection;
pub mod reply;
