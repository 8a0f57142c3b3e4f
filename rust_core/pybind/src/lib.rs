//! The Python extension `hanzo_queues._core`: the engine and the codec under the names of `_core.pyi`.
//!
//! It owns the translation between Python's values and Rust's, and no rule: what it decides, the engine or the
//! codec decided. A panic of the engine reaches Python as `EngineBug`. The interpreter's lock is kept throughout: a
//! step takes microseconds.

mod bug;
mod checkpoint;
mod command;
mod describe;
mod engine;
mod errors;
mod fresh;
mod parser;
mod reply;
mod step;
mod whole;

use pyo3::prelude::*;

/// The Rust core: one partition's engine, its batch codec, and the JSON of the REST API.
#[pymodule]
mod _core {
    #[pymodule_export]
    use super::bug::EngineBug;
    #[pymodule_export]
    use super::checkpoint::{BlockEntry, Manifest, Restoration};
    #[pymodule_export]
    use super::command::{Command, drop_lost, step_sweep, trim_journal};
    #[pymodule_export]
    use super::describe::{Description, batch_link, describe_batch};
    #[pymodule_export]
    use super::engine::{Engine, batch_now_ms, step_batch_bytes_min, verify_batch};
    #[pymodule_export]
    use super::errors::{BatchError, CheckpointError, Invalid};
    #[pymodule_export]
    use super::parser::{Parser, partition_of_message};
    #[pymodule_export]
    use super::reply::{Excerpt, Reply};
    #[pymodule_export]
    use super::step::Step;

    #[pymodule_export]
    #[allow(non_upper_case_globals)] // Python's name for it
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
