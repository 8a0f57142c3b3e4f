//! The answer to one command.

use crate::bug::caught_bug;
use crate::command::Command;
use crate::errors;
use codec::json::answer::{Answer, Batches};
use codec::json::request::release;
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMapping};

/// The answer to one command.
#[pyclass(frozen, module = "hanzo_queues._core")]
pub struct Reply {
    pub answer: Answer,
}

#[pymethods]
impl Reply {
    /// (code, detail) when the rules said no.
    #[getter]
    fn rejection(&self) -> Option<(&'static str, String)> {
        self.answer
            .rejection()
            .map(|(code, detail)| (code, detail.into_owned()))
    }

    /// True when something new was stored by a create-queue or a single enqueue.
    #[getter]
    fn created(&self) -> bool {
        self.answer.created()
    }

    /// How many messages a receive leased; 0 for every other reply.
    #[getter]
    fn message_count(&self) -> usize {
        self.answer.message_count()
    }

    /// For an empty receive that a limit held back: when to try again.
    #[getter]
    fn retry_after_ms(&self) -> Option<u64> {
        self.answer.retry_after_ms()
    }

    /// The journal batches `render` needs, ascending, each once.
    #[getter]
    fn lsns(&self) -> Vec<u64> {
        self.answer.lsns()
    }

    /// The answer's JSON.
    fn render<'py>(
        &self,
        py: Python<'py>,
        batches: &Bound<'py, PyMapping>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let mut given = Vec::new();
        for lsn in self.answer.lsns() {
            let batch = batches
                .get_item(lsn)
                .map_err(|_| PyKeyError::new_err(lsn))?;
            given.push((lsn, batch.cast_into::<PyBytes>()?));
        }
        let mut views = Batches::default();
        for (lsn, batch) in &given {
            views
                .add(*lsn, batch.as_bytes())
                .map_err(|fault| errors::batch(py, fault))?;
        }
        let json = caught_bug(|| {
            let json = self.answer.render(&views);
            json.map_err(|fault| errors::batch(py, fault))
        })?;
        Ok(PyBytes::new(py, &json))
    }

    /// For a receive that leased messages: the command that gives them back, no attempt counted.
    fn release(&self) -> Option<Command> {
        let leases = self.answer.releases();
        (!leases.is_empty()).then(|| Command::bare(release(leases)))
    }
}
