//! Requests from Python: path, query and body in, a command out.

use crate::bug::caught_bug;
use crate::command::Command;
use crate::errors;
use crate::whole::{Whole, whole};
use codec::json::request::{Peek, Receive, Request, Requests};
use codec::json::{Invalid, Limits};
use engine::config::QueueConfig;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyMapping, PySet};

/// Turns requests into commands.
#[pyclass(frozen, module = "hanzo_queues._core")]
pub struct Parser {
    requests: Requests,
}

/// A whole number of the query. One that exceeds 64 bits is as far out of range as the farthest that fits.
struct Saturated(i64);

impl<'py> FromPyObject<'_, 'py> for Saturated {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let number = value.cast::<PyInt>()?;
        match number.extract::<i64>() {
            Ok(number) => Ok(Saturated(number)),
            Err(_) => Ok(Saturated(if number.lt(0)? { i64::MIN } else { i64::MAX })),
        }
    }
}

fn saturated(value: Option<Saturated>) -> Option<i64> {
    value.map(|number| number.0)
}

fn with_body(body: &Bound<'_, PyBytes>, request: Result<Request, Invalid>) -> PyResult<Command> {
    let request = request.map_err(|invalid| errors::invalid(body.py(), &invalid))?;
    Ok(Command::new(request, body, 0))
}

fn bare(py: Python<'_>, request: Result<Request, Invalid>) -> PyResult<Command> {
    request
        .map(Command::bare)
        .map_err(|invalid| errors::invalid(py, &invalid))
}

fn limits(table: &Bound<'_, PyMapping>) -> PyResult<Limits> {
    let get = |name: &str| table.get_item(name).ok()?.extract::<u64>().ok();
    Limits::from_table(get).map_err(|missing| {
        PyValueError::new_err(format!(
            "the limits lack {}: each is a whole number, 0 or more",
            missing.join(", ")
        ))
    })
}

#[pymethods]
impl Parser {
    #[new]
    #[pyo3(signature = (limits, *, visibility_timeout_ms, max_retries, payload_limit_source="HANZO_MAX_PAYLOAD"))]
    fn new(
        limits: &Bound<'_, PyMapping>,
        visibility_timeout_ms: u64,
        max_retries: u32,
        payload_limit_source: &str,
    ) -> PyResult<Self> {
        let requests = Requests {
            limits: self::limits(limits)?,
            config_default: QueueConfig::new(visibility_timeout_ms, max_retries),
            payload_limit_source: payload_limit_source.to_owned(),
        };
        Ok(Parser { requests })
    }

    fn create_queue(&self, body: &Bound<'_, PyBytes>) -> PyResult<Command> {
        with_body(body, self.requests.create_queue(body.as_bytes()))
    }

    fn update_queue(&self, queue: &str, body: &Bound<'_, PyBytes>) -> PyResult<Command> {
        with_body(body, self.requests.update_queue(queue, body.as_bytes()))
    }

    fn pause_queue(&self, queue: &str, body: &Bound<'_, PyBytes>) -> PyResult<Command> {
        with_body(body, self.requests.pause_queue(queue, body.as_bytes()))
    }

    fn resume_queue(&self, queue: &str, body: &Bound<'_, PyBytes>) -> PyResult<Command> {
        with_body(body, self.requests.resume_queue(queue, body.as_bytes()))
    }

    fn purge_queue(&self, py: Python<'_>, queue: &str) -> PyResult<Command> {
        bare(py, self.requests.purge_queue(queue))
    }

    fn delete_queue(&self, py: Python<'_>, queue: &str) -> PyResult<Command> {
        bare(py, self.requests.delete_queue(queue))
    }

    fn get_queue(&self, py: Python<'_>, queue: &str) -> PyResult<Command> {
        bare(py, self.requests.get_queue(queue))
    }

    #[pyo3(signature = (after, limit, *, prefix=None))]
    fn list_queues(
        &self,
        py: Python<'_>,
        after: Option<&str>,
        limit: Option<Saturated>,
        prefix: Option<&str>,
    ) -> PyResult<Command> {
        let limit = saturated(limit);
        bare(py, self.requests.list_queues(prefix, after, limit))
    }

    fn create_group(&self, queue: &str, body: &Bound<'_, PyBytes>) -> PyResult<Command> {
        with_body(body, self.requests.create_group(queue, body.as_bytes()))
    }

    fn list_groups(&self, py: Python<'_>, queue: &str) -> PyResult<Command> {
        bare(py, self.requests.list_groups(queue))
    }

    fn get_group(&self, py: Python<'_>, queue: &str, group: &str) -> PyResult<Command> {
        bare(py, self.requests.get_group(queue, group))
    }

    fn delete_group(&self, py: Python<'_>, queue: &str, group: &str) -> PyResult<Command> {
        bare(py, self.requests.delete_group(queue, group))
    }

    fn heartbeat(
        &self,
        py: Python<'_>,
        queue: &str,
        group: &str,
        consumer: &str,
    ) -> PyResult<Command> {
        bare(py, self.requests.heartbeat(queue, group, consumer))
    }

    fn leave(&self, py: Python<'_>, queue: &str, group: &str, consumer: &str) -> PyResult<Command> {
        bare(py, self.requests.leave(queue, group, consumer))
    }

    fn enqueue(&self, queue: &str, body: &Bound<'_, PyBytes>) -> PyResult<Command> {
        with_body(body, self.requests.enqueue(queue, body.as_bytes()))
    }

    fn enqueue_batch(&self, queue: &str, body: &Bound<'_, PyBytes>) -> PyResult<Command> {
        with_body(body, self.requests.enqueue_batch(queue, body.as_bytes()))
    }

    #[allow(clippy::too_many_arguments)] // Python names them
    #[pyo3(signature = (queue, *, group, consumer, messages_max, visibility_timeout_ms, wait_ms=0, attempt=None))]
    fn receive(
        &self,
        py: Python<'_>,
        queue: &str,
        group: Option<&str>,
        consumer: Option<&str>,
        messages_max: Option<Saturated>,
        visibility_timeout_ms: Option<Saturated>,
        wait_ms: u64,
        attempt: Option<&str>,
    ) -> PyResult<Command> {
        let (messages_max, visibility_timeout_ms) =
            (saturated(messages_max), saturated(visibility_timeout_ms));
        let receive = Receive {
            group,
            consumer,
            wait_ms,
            attempt,
            messages_max,
            visibility_timeout_ms,
        };
        bare(py, self.requests.receive(queue, receive))
    }

    fn ack(&self, message_id: &str, body: &Bound<'_, PyBytes>) -> PyResult<Command> {
        with_body(body, self.requests.ack(message_id, body.as_bytes()))
    }

    fn nack(&self, message_id: &str, body: &Bound<'_, PyBytes>) -> PyResult<Command> {
        with_body(body, self.requests.nack(message_id, body.as_bytes()))
    }

    fn extend(&self, message_id: &str, body: &Bound<'_, PyBytes>) -> PyResult<Command> {
        with_body(body, self.requests.extend(message_id, body.as_bytes()))
    }

    fn release(&self, message_id: &str, body: &Bound<'_, PyBytes>) -> PyResult<Command> {
        with_body(body, self.requests.release(message_id, body.as_bytes()))
    }

    fn settle(&self, queue: &str, body: &Bound<'_, PyBytes>) -> PyResult<Command> {
        with_body(body, self.requests.settle(queue, body.as_bytes()))
    }

    fn redrive(&self, queue: &str, body: &Bound<'_, PyBytes>) -> PyResult<Command> {
        with_body(body, self.requests.redrive(queue, body.as_bytes()))
    }

    fn sweep(&self, queue: &str, body: &Bound<'_, PyBytes>) -> PyResult<Command> {
        with_body(body, self.requests.sweep(queue, body.as_bytes()))
    }

    fn get_sweep(&self, py: Python<'_>, sweep_id: &str) -> PyResult<Command> {
        bare(py, self.requests.get_sweep(sweep_id))
    }

    #[pyo3(signature = (after, limit))]
    fn list_sweeps(
        &self,
        py: Python<'_>,
        after: Option<&str>,
        limit: Option<Saturated>,
    ) -> PyResult<Command> {
        bare(py, self.requests.list_sweeps(after, saturated(limit)))
    }

    fn cancel_sweep(&self, py: Python<'_>, sweep_id: &str) -> PyResult<Command> {
        bare(py, self.requests.cancel_sweep(sweep_id))
    }

    fn get_message(&self, py: Python<'_>, message_id: &str) -> PyResult<Command> {
        bare(py, self.requests.get_message(message_id))
    }

    #[pyo3(signature = (message_id, *, group, consumer))]
    fn explain_message(
        &self,
        py: Python<'_>,
        message_id: &str,
        group: Option<&str>,
        consumer: Option<&str>,
    ) -> PyResult<Command> {
        let explain = self.requests.explain_message(message_id, group, consumer);
        bare(py, explain)
    }

    fn change_message(&self, message_id: &str, body: &Bound<'_, PyBytes>) -> PyResult<Command> {
        with_body(
            body,
            self.requests.change_message(message_id, body.as_bytes()),
        )
    }

    fn delete_message(&self, py: Python<'_>, message_id: &str) -> PyResult<Command> {
        bare(py, self.requests.delete_message(message_id))
    }

    #[pyo3(signature = (queue, *, state, after, limit, ordering_key=None, fairness_key=None, reason=None, group=None))]
    #[allow(clippy::too_many_arguments)] // one for each parameter of the query
    fn peek(
        &self,
        py: Python<'_>,
        queue: &str,
        state: Option<&str>,
        after: Option<&str>,
        limit: Option<Saturated>,
        ordering_key: Option<&str>,
        fairness_key: Option<&str>,
        reason: Option<&str>,
        group: Option<&str>,
    ) -> PyResult<Command> {
        let peek = Peek {
            group,
            state,
            after,
            limit: saturated(limit),
            ordering_key,
            fairness_key,
            reason,
        };
        bare(py, self.requests.peek(queue, peek))
    }

    /// The request that `data` is, when it is a whole one of a hot path, in the plainest way HTTP has, from somebody who
    /// was let in before.
    fn whole<'py>(
        &self,
        data: &Bound<'py, PyBytes>,
        admitted: &Bound<'py, PySet>,
    ) -> PyResult<Option<Whole<'py>>> {
        caught_bug(|| whole(&self.requests, data, admitted))
    }

    /// The `name` of a create-queue body: what the router needs. Raises Invalid.
    fn queue_of_body(&self, body: &Bound<'_, PyBytes>) -> PyResult<String> {
        let name = self.requests.queue_of_body(body.as_bytes());
        name.map(String::from)
            .map_err(|invalid| errors::invalid(body.py(), &invalid))
    }
}

/// The partition a message id or a receipt names. Raises Invalid (`message_id_invalid`).
#[pyfunction]
pub fn partition_of_message(py: Python<'_>, message_id: &str) -> PyResult<u16> {
    let partition = codec::json::partition_of_message(message_id);
    partition
        .map(|partition| partition.0)
        .map_err(|invalid| errors::invalid(py, &invalid))
}
