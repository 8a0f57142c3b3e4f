//! The JSON of REST: requests to commands, replies to answers.
//!
//! Bodies are read in one pass that never builds a tree. A payload is found, checked and left where it lies;
//! its bytes reach the journal, and later the consumer, exactly as they were sent. Two readers give the same of a body:
//! `plain` is quick and knows only that something may be wrong, `careful` says what it is.

pub mod answer;
mod array;
mod careful;
mod faults;
mod invalid;
mod limits;
mod names;
mod object;
mod plain;
mod raw;
pub mod request;
mod scalar;

pub use invalid::{Invalid, Problem};
pub use limits::Limits;
pub use names::partition_of_message;
