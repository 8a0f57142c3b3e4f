//! From the bytes a socket gave to a command, without a stop in between: for the hot paths, when all is plain and the
//! key is one that was let in before. Nobody else has a body parsed here.

use crate::command::Command;
use codec::http::Post;
use codec::json::request::{Request, Requests};
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

/// The command, whose it is, and X-Request-Id.
pub type Posted<'py> = (Command, Owner, Option<Bound<'py, PyBytes>>);

/// The request that `bytes` are, if its Authorization header is one of `admitted`; None for any that the general path
/// must look at: it may be wrong.
pub fn posted<'py>(
    requests: &Requests,
    bytes: &Bound<'py, PyBytes>,
    admitted: &Bound<'py, PySet>,
) -> PyResult<Option<Posted<'py>>> {
    let data = bytes.as_bytes();
    let Some(post) = Post::whole(data) else {
        return Ok(None);
    };
    let new_bytes = |value| PyBytes::new(bytes.py(), value);
    if !admitted.contains(new_bytes(post.authorization))? {
        return Ok(None);
    }
    let parsed = request_of(requests, post.target, &data[post.body.clone()]);
    let Some((owner, Ok(request))) = parsed else {
        return Ok(None);
    };
    let command = Command::new(request, bytes, post.body.start);
    Ok(Some((command, owner, post.request_id.map(new_bytes))))
}

type Parsed = (Owner, Result<Request, Invalid>);

/// The hot paths. spec/openapi.yaml lists all.
fn request_of(requests: &Requests, target: &str, body: &[u8]) -> Option<Parsed> {
    if let Some(rest) = target.strip_prefix("/v1/queues/") {
        let (queue, verb) = rest.split_once('/')?;
        let request = match verb {
            "messages" => requests.enqueue(queue, body),
            "messages/batch" => requests.enqueue_batch(queue, body),
            "settle" => requests.settle(queue, body),
            _ => return None,
        };
        return Some((Owner::Queue(queue.to_owned()), request));
    }
    let message = target.strip_prefix("/v1/messages/")?.strip_suffix("/ack")?;
    let partition = partition_of_message(message).ok()?;
    Some((Owner::Partition(partition.0), requests.ack(message, body)))
}
