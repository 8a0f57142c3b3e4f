//! The answer to one command.

use crate::bug::caught_bug;
use crate::command::Command;
use crate::errors;
use crate::fresh::Fresh;
use codec::json::answer::{self, Answer, Batches, Json};
use codec::json::request::{give_back, step_sweep};
use codec::out::Out;
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMapping};

/// The answer to one command.
#[pyclass(frozen, module = "hanzo_queues._core")]
pub struct Reply {
    pub answer: Answer,
}

/// What one reply needs of one journal batch.
#[pyclass(frozen, module = "hanzo_queues._core")]
pub struct Excerpt {
    excerpt: answer::Excerpt,
}

/// A batch as `render` takes it.
enum Given<'py> {
    Batch(Bound<'py, PyBytes>),
    Excerpt(Bound<'py, Excerpt>),
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

    /// For an empty receive that a limit held back, or an enqueue that a limit refused: when to try again.
    #[getter]
    fn retry_after_ms(&self) -> Option<u64> {
        self.answer.retry_after_ms()
    }

    /// For an empty receive: whether its consumer's own rate limit held it back.
    #[getter]
    fn limited_by_consumer(&self) -> bool {
        self.answer.limited_by_consumer()
    }

    /// The journal batches `render` needs, ascending, each once.
    #[getter]
    fn lsns(&self) -> Vec<u64> {
        self.answer.lsns()
    }

    /// What `render` needs of the batch at `lsn`.
    fn excerpt(&self, lsn: u64, batch: &Bound<'_, PyBytes>) -> PyResult<Excerpt> {
        let excerpt = answer::Excerpt::take(&self.answer, lsn, batch.as_bytes());
        excerpt
            .map(|excerpt| Excerpt { excerpt })
            .map_err(|fault| errors::batch(batch.py(), fault))
    }

    /// The answer's JSON.
    fn render<'py>(
        &self,
        py: Python<'py>,
        batches: &Bound<'py, PyMapping>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let given = self.given(batches)?;
        let json = self.json(py, &given)?;
        let mut bytes = Fresh::new(py, json.length())?;
        caught_bug(|| {
            json.write(&mut bytes);
            Ok(bytes.finish())
        })
    }

    /// The whole HTTP answer, when it is a success and `batches` has what it needs: `created` or `ok` (the head up to the
    /// request's id), the id, the rest of the head, and the JSON. None for any other. Raises as `render`.
    fn answer_bytes<'py>(
        &self,
        created: &Bound<'py, PyBytes>,
        ok: &Bound<'py, PyBytes>,
        request_id: &[u8],
        batches: &Bound<'py, PyMapping>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let is_held = |lsn: &u64| batches.contains(*lsn).unwrap_or(false);
        if self.answer.rejection().is_some() || !self.answer.lsns().iter().all(is_held) {
            return Ok(None);
        }
        let given = self.given(batches)?;
        let json = self.json(batches.py(), &given)?;
        let head = if self.answer.created() { created } else { ok };
        let length = format!("\r\ncontent-length: {}\r\n\r\n", json.length());
        let parts = [head.as_bytes(), request_id, length.as_bytes()];
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        let mut bytes = Fresh::new(batches.py(), bytes + json.length())?;
        caught_bug(|| {
            parts.iter().for_each(|part| bytes.put(part));
            json.write(&mut bytes);
            Ok(Some(bytes.finish()))
        })
    }

    /// The sweep this answer is about.
    #[getter]
    fn sweep(&self) -> Option<u64> {
        self.answer.sweep()
    }

    /// After a step of a sweep: milliseconds until the next one; None when it is over.
    #[getter]
    fn sweep_wait_ms(&self) -> Option<u64> {
        self.answer.sweep_wait_ms()
    }

    /// The next step of `sweep`, after this one. Raises as `render`.
    fn next_step(
        &self,
        py: Python<'_>,
        sweep: u64,
        batches: &Bound<'_, PyMapping>,
    ) -> PyResult<Command> {
        let given = self.given(batches)?;
        let views = views(py, &given)?;
        let choice = self.answer.sweep_choice(&views);
        let choice = choice.map_err(|fault| errors::batch(py, fault))?;
        Ok(Command::bare(step_sweep(sweep, choice)))
    }

    /// After a `trim_journal`: the first batch that is needed for its blobs, and whether to ask again.
    #[getter]
    fn trimming(&self) -> Option<(u64, bool)> {
        let trimming = self.answer.trimming()?;
        Some((trimming.oldest_live_lsn, trimming.more))
    }

    /// The command that writes again what is in the journal's way; None when this names nothing. Raises as `render`.
    fn moves(&self, py: Python<'_>, batches: &Bound<'_, PyMapping>) -> PyResult<Option<Command>> {
        let given = self.given(batches)?;
        let views = views(py, &given)?;
        let moves = self.answer.moves(&views);
        let moves = moves.map_err(|fault| errors::batch(py, fault))?;
        Ok(moves.map(Command::bare))
    }

    /// For a receive that leased messages: the command that gives them back, no attempt counted.
    fn release(&self) -> Option<Command> {
        let leases = self.answer.give_backs();
        (!leases.is_empty()).then(|| Command::bare(give_back(leases)))
    }
}

/// Batches by LSN, as Python holds them.
type AllGiven<'py> = Vec<(u64, Given<'py>)>;

impl Reply {
    fn json<'a>(&self, py: Python<'_>, given: &'a AllGiven<'_>) -> PyResult<Json<'a>> {
        let views = views(py, given)?;
        caught_bug(|| {
            let json = self.answer.render(&views);
            json.map_err(|fault| errors::batch(py, fault))
        })
    }

    /// Those of `batches` that this answer needs. Raises KeyError for one that is missing.
    fn given<'py>(&self, batches: &Bound<'py, PyMapping>) -> PyResult<AllGiven<'py>> {
        let mut given = Vec::new();
        for lsn in self.answer.lsns() {
            let batch = batches
                .get_item(lsn)
                .map_err(|_| PyKeyError::new_err(lsn))?;
            let batch = match batch.cast_into::<Excerpt>() {
                Ok(excerpt) if excerpt.get().excerpt.lsn() != lsn => {
                    return Err(PyKeyError::new_err(lsn));
                }
                Ok(excerpt) => Given::Excerpt(excerpt),
                Err(other) => Given::Batch(other.into_inner().cast_into::<PyBytes>()?),
            };
            given.push((lsn, batch));
        }
        Ok(given)
    }
}

fn views<'a>(py: Python<'_>, given: &'a AllGiven<'_>) -> PyResult<Batches<'a>> {
    let mut views = Batches::default();
    for (lsn, batch) in given {
        match batch {
            Given::Excerpt(excerpt) => views.add_excerpt(&excerpt.get().excerpt),
            Given::Batch(batch) => views
                .add(*lsn, batch.as_bytes())
                .map_err(|fault| errors::batch(py, fault))?,
        }
    }
    Ok(views)
}
