//! Bytes and text of Hanzo Queues: journal batches, checkpoints, message envelopes, ids and receipts, and the JSON of REST.
//!
//! Everything here is a pure function of its arguments: no I/O, no clock, no randomness, no Python. Decoders
//! take any bytes at all: they answer with a value or an error, never with a panic, and allocate nothing on
//! the word of a length that was not checked against the bytes at hand.

pub mod batch;
pub mod blob;
pub mod chain;
pub mod checkpoint;
mod digits;
pub mod envelope;
pub mod hash;
pub mod http;
pub mod id;
pub mod instant;
pub mod json;
pub mod out;
pub mod receipt;
pub mod record;
pub mod varint;
