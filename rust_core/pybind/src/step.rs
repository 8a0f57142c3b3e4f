//! What a step decided.

use std::sync::Arc;

use crate::reply::Reply;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

/// What a step decided.
#[pyclass(frozen, module = "hanzo_queues._core")]
pub struct Step {
    pub batch: Option<Py<PyBytes>>,
    pub lsn: u64,
    pub replies: Vec<Py<Reply>>,
    pub next_deadline_ms: Option<u64>,
    pub woken: Vec<(Arc<str>, u64)>,
    pub woken_members: Vec<(Arc<str>, Arc<str>, u64)>,
}

#[pymethods]
impl Step {
    /// The framed batch to append with expected last sequence `lsn - 1`; None when nothing changed.
    #[getter]
    fn batch<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.batch.as_ref().map(|batch| batch.bind(py).clone())
    }

    /// The batch's LSN; the engine's last one when there is no batch.
    #[getter]
    fn lsn(&self) -> u64 {
        self.lsn
    }

    /// One reply a command, in order. Release them only when `batch` is durable.
    #[getter]
    fn replies<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.replies.iter().map(|reply| reply.bind(py)))
    }

    /// Call `step` at this instant, also without commands.
    #[getter]
    fn next_deadline_ms(&self) -> Option<u64> {
        self.next_deadline_ms
    }

    /// Queues in which messages became ready, and how many are ready now.
    #[getter]
    fn woken(&self) -> Vec<(&str, u64)> {
        self.woken
            .iter()
            .map(|(queue, ready)| (&**queue, *ready))
            .collect()
    }

    /// Members of groups whose ordering keys have messages that became ready, and how many are ready now.
    #[getter]
    fn woken_members(&self) -> Vec<(&str, &str, u64)> {
        self.woken_members
            .iter()
            .map(|(queue, consumer, ready)| (&**queue, &**consumer, *ready))
            .collect()
    }
}
