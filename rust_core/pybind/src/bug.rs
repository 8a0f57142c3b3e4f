//! Bugs: an assertion of the engine that failed. A panic becomes an ordinary exception here, because the one
//! PyO3 makes of it is no `Exception` and passes every handler.

use pyo3::create_exception;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

create_exception!(
    hanzo_queues._core,
    EngineBug,
    PyRuntimeError,
    "An assertion of the engine failed: a bug. The state can't be trusted."
);

/// What `work` returns; Err when it panics, with what the panic says. What it was changing must not be used again.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| text(&*panic))
}

/// As `caught`, for work whose panic is nothing but a bug.
pub fn caught_bug<T>(work: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    caught(work).unwrap_or_else(|text| Err(EngineBug::new_err(text)))
}

fn text(panic: &(dyn Any + Send)) -> String {
    let literal = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let formatted = || panic.downcast_ref::<String>().cloned();
    literal
        .or_else(formatted)
        .unwrap_or_else(|| "a panic without a text".to_owned())
}
