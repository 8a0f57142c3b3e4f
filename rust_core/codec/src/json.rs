//! The JSON of REST: requests to commands, replies to answers.
//!
//! Bodies are read in one pass that never builds a tree. A payload is found, checked and left where it lies;
//! its bytes reach the journal, and later the consumer, exactly as they were sent.

pub mod answer;
mod array;
mod faults;
mod invalid;
mod limits;
mod names;
mod object;
mod raw;
pub mod request;
mod scalar;

pub use invalid::{Invalid, Problem};
pub use limits::Limits;
pub use names::partition_of_message;
