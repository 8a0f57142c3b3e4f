//! A request, with the body its payloads lie in.

use codec::json::request::{Request, seen};
use engine::command::Trim;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::Arc;

/// A validated request to one partition. Immutable; made by `Parser` only.
#[pyclass(frozen, module = "hanzo_queues._core")]
pub struct Command {
    /// Shared with the steps and replies that came of it.
    pub request: Arc<Request>,
    /// Keeps the payloads' bytes alive, and says where among them its body begins; None for a request that brings none.
    body: Option<(Py<PyBytes>, usize)>,
}

impl Command {
    /// A command whose request was read from `bytes`, from `start` to their end.
    pub fn new(request: Request, bytes: &Bound<'_, PyBytes>, start: usize) -> Command {
        let body = (request.blobs.count() > 0).then(|| (bytes.clone().unbind(), start));
        Command {
            request: Arc::new(request),
            body,
        }
    }

    /// A command that brings no bytes.
    pub fn bare(request: Request) -> Command {
        Command {
            request: Arc::new(request),
            body: None,
        }
    }

    /// The bytes the request's blobs lie in.
    pub fn body_bytes<'py>(&'py self, py: Python<'py>) -> &'py [u8] {
        let body = self.body.as_ref();
        body.map_or(&[], |(bytes, start)| &bytes.as_bytes(py)[*start..])
    }
}

/// The next step of a sweep.
#[pyfunction]
pub fn step_sweep(sweep: u64) -> Command {
    Command::bare(codec::json::request::step_sweep(sweep, None))
}

/// What of the journal may go.
#[pyfunction]
pub fn trim_journal(
    first_lsn: u64,
    journal_bytes: u64,
    horizon_lsn: u64,
    is_moving: bool,
) -> Command {
    Command::bare(codec::json::request::trim(Trim {
        first_lsn,
        journal_bytes,
        horizon_lsn,
        is_moving,
    }))
}

/// What refers to batches that the journal lost goes, a part of it.
#[pyfunction]
pub fn drop_lost(before_lsn: u64, from_slot: u32) -> Command {
    Command::bare(codec::json::request::drop_lost(before_lsn, from_slot))
}

#[pymethods]
impl Command {
    /// Upper bound of the journal bytes this command can cause.
    #[getter]
    fn batch_bytes_max(&self) -> usize {
        self.request.batch_bytes_max
    }

    /// For a sweep that asks for messages of an age, some of which may never have died: at least and at most how old.
    #[getter]
    fn ages_ms(&self) -> Option<(Option<u64>, Option<u64>)> {
        self.request.ages()
    }

    /// The same sweep, for messages that were accepted with batches `first` to `last`.
    fn accepted(&self, first: u64, last: u64) -> Command {
        Command::bare(self.request.accepted(first, last))
    }

    /// Whether it changes a queue's settings.
    #[getter]
    fn is_update(&self) -> bool {
        self.request.is_update()
    }

    /// Whether it is an enqueue, of one message or a batch.
    #[getter]
    fn is_enqueue(&self) -> bool {
        self.request.is_enqueue()
    }

    /// For a receive of a member: the command that tells that its poll has ended.
    fn seen(&self) -> Option<Command> {
        seen(&self.request.ask).map(Command::bare)
    }

    /// Messages, or queues, that the command touches at most.
    #[getter]
    fn messages_max(&self) -> usize {
        self.request.ask.messages_max()
    }
}
