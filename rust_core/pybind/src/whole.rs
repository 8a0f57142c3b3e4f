//! From the bytes a socket gave to a command, without a stop in between: for the hot paths, when all is plain and the
//! key is one that was let in before. Nobody else has a body parsed here.

use crate::command::Command;
use codec::http::{Plain, Verb};
use codec::json::request::{Receive, Request, Requests};
use codec::json::{Invalid, partition_of_message};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PySet};

/// Whose request it is, before it is known whether they have it.
#[derive(IntoPyObject)]
pub enum Owner {
    /// The partition of this queue.
    Queue(String),
    /// The partition of this number.
    Partition(u16),
}

/// Of a receive: the queue as the engine wakes it, milliseconds it waits, and its consumer, empty when it has none.
pub type Poll = (String, u64, String);

/// The command, whose it is, X-Request-Id, and what is known of a receive alone.
pub type Whole<'py> = (Command, Owner, Option<Bound<'py, PyBytes>>, Option<Poll>);

/// The request that `bytes` are, if its Authorization header is one of `admitted`; None for any that the general path
/// must look at: it may be wrong.
pub fn whole<'py>(
    requests: &Requests,
    bytes: &Bound<'py, PyBytes>,
    admitted: &Bound<'py, PySet>,
) -> PyResult<Option<Whole<'py>>> {
    let data = bytes.as_bytes();
    let Some(plain) = Plain::whole(data) else {
        return Ok(None);
    };
    let new_bytes = |value| PyBytes::new(bytes.py(), value);
    if !admitted.contains(new_bytes(plain.authorization))? {
        return Ok(None);
    }
    let read = match plain.verb {
        Verb::Post => posted(requests, plain.path, &data[plain.body.clone()]),
        Verb::Get(query) => received(requests, plain.path, query),
    };
    let Some((owner, Ok(request), poll)) = read else {
        return Ok(None);
    };
    let command = Command::new(request, bytes, plain.body.start);
    Ok(Some((
        command,
        owner,
        plain.request_id.map(new_bytes),
        poll,
    )))
}

type Read = (Owner, Result<Request, Invalid>, Option<Poll>);

/// The hot paths, as spec/openapi.yaml lists them.
fn posted(requests: &Requests, path: &str, body: &[u8]) -> Option<Read> {
    if let Some(rest) = path.strip_prefix("/v1/queues/") {
        let (queue, verb) = rest.split_once('/')?;
        let request = match verb {
            "messages" => requests.enqueue(queue, body),
            "messages/batch" => requests.enqueue_batch(queue, body),
            "settle" => requests.settle(queue, body),
            _ => return None,
        };
        return Some((Owner::Queue(queue.to_owned()), request, None));
    }
    let message = path.strip_prefix("/v1/messages/")?.strip_suffix("/ack")?;
    let partition = partition_of_message(message).ok()?;
    let request = requests.ack(message, body);
    Some((Owner::Partition(partition.0), request, None))
}

fn received(requests: &Requests, path: &str, query: &str) -> Option<Read> {
    let queue = path
        .strip_prefix("/v1/queues/")?
        .strip_suffix("/messages")?;
    let receive = Receive::plain(query)?;
    let line = match receive.group {
        None | Some("default") => queue.to_owned(),
        Some(group) => format!("{queue}/{group}"),
    };
    let consumer = receive.consumer.unwrap_or_default().to_owned();
    let poll = (line, receive.wait_ms, consumer);
    let request = requests.receive(queue, receive);
    Some((Owner::Queue(queue.to_owned()), request, Some(poll)))
}
