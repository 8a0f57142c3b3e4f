//! The codec's errors as Python exceptions, with their parts as attributes.

use pyo3::create_exception;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

create_exception!(
    hanzo_queues._core,
    Invalid,
    PyValueError,
    "A request that can't be understood or breaks a limit."
);
create_exception!(
    hanzo_queues._core,
    BatchError,
    PyValueError,
    "A journal batch that can't be trusted."
);

create_exception!(
    hanzo_queues._core,
    CheckpointError,
    PyValueError,
    "A part of a checkpoint that can't be trusted."
);

/// `Invalid` with `code`, `detail` and `errors`.
pub fn invalid(py: Python<'_>, invalid: &codec::json::Invalid) -> PyErr {
    let error = Invalid::new_err(invalid.to_string());
    match set_parts(py, error.value(py).as_any(), invalid) {
        Ok(()) => error,
        Err(failure) => failure,
    }
}

fn set_parts(
    py: Python<'_>,
    error: &Bound<'_, PyAny>,
    invalid: &codec::json::Invalid,
) -> PyResult<()> {
    let problems = PyList::empty(py);
    for problem in &invalid.problems {
        let entry = PyDict::new(py);
        entry.set_item("pointer", &problem.pointer)?;
        entry.set_item("detail", &problem.detail)?;
        problems.append(entry)?;
    }
    error.setattr("code", invalid.code)?;
    error.setattr("detail", &*invalid.detail)?;
    error.setattr("errors", problems)
}

/// `BatchError` with `reason`.
pub fn batch(py: Python<'_>, fault: codec::batch::Fault) -> PyErr {
    with_reason(py, fault, fault.to_string())
}

fn with_reason(py: Python<'_>, fault: codec::batch::Fault, text: String) -> PyErr {
    let error = BatchError::new_err(text);
    match error.value(py).setattr("reason", fault.reason()) {
        Ok(()) => error,
        Err(failure) => failure,
    }
}

/// `BatchError` for records that contradict the batches before theirs.
pub fn contradiction(py: Python<'_>, what: &str) -> PyErr {
    let fault = codec::batch::Fault::Malformed("it contradicts the batches before it");
    with_reason(py, fault, format!("{fault}: {what}"))
}

/// `CheckpointError` with `reason`.
pub fn checkpoint(py: Python<'_>, fault: &codec::checkpoint::Fault) -> PyErr {
    let error = CheckpointError::new_err(fault.to_string());
    match error.value(py).setattr("reason", fault.reason()) {
        Ok(()) => error,
        Err(failure) => failure,
    }
}

/// `CheckpointError` for parts that are what was written and do not fit each other.
pub fn contradicting_checkpoint(py: Python<'_>, what: &str) -> PyErr {
    let error = CheckpointError::new_err(format!("its parts contradict each other: {what}"));
    match error.value(py).setattr("reason", "malformed") {
        Ok(()) => error,
        Err(failure) => failure,
    }
}
