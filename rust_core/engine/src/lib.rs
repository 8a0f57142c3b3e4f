//! The queue engine: pure, deterministic, in memory.
//!
//! It knows no clock, no randomness, no I/O, no threads and no floats. Commands and the instant come in, records
//! and replies go out; replaying the records rebuilds the state.
#![forbid(unsafe_code)]
#![deny(
    clippy::float_arithmetic,
    clippy::disallowed_types,
    clippy::disallowed_methods
)]
#![deny(clippy::disallowed_macros)]

mod apply;
mod assignment;
mod attempts;
mod backoff;
mod batch;
pub mod budget;
pub mod checkpoint;
mod chunked;
pub mod command;
pub mod config;
mod copies;
mod deadlines;
mod dedup;
mod dispatch;
mod expiries;
mod fills;
mod flows;
mod fold;
mod group;
mod history;
pub mod ids;
mod keys;
mod lanes;
mod list;
mod lists;
mod live;
mod members;
mod message;
pub mod partition;
mod queue;
mod queues;
mod rate;
mod ready;
pub mod record;
pub mod rejection;
pub mod reply;
mod results;
mod retention;
mod segmented;
mod sessions;
mod settled;
mod slab;
mod slots;
mod sparse;
mod state;
mod survey;
pub mod sweep;
mod sweeps;
mod timing;
#[cfg(test)]
mod twin;
mod verbs;
mod view;
pub mod woken;

pub use partition::{Partition, Step};
pub use verbs::timers::REAPED_PER_STEP_MAX;
