//! Requests that only look.

use super::{Request, Requests};
use crate::json::invalid::Invalid;
use crate::json::names;
use engine::command::{Command, PeekState};

/// Entries of a peek when the request names no limit.
const PEEK_LIMIT_DEFAULT: u64 = 10;

impl Requests {
    /// `GET /v1/messages/{id}`
    pub fn get_message(&self, id: &str) -> Result<Request, Invalid> {
        let (_, message) = names::message(id)?;
        Ok(Request::plain(Command::GetMessage { message }, 0))
    }

    /// `GET /v1/queues/{queue}/peek`
    pub fn peek(
        &self,
        queue: &str,
        state: Option<&str>,
        after: Option<&str>,
        limit: Option<i64>,
    ) -> Result<Request, Invalid> {
        let command = Command::Peek {
            queue: self.queue_name(queue)?,
            state: peek_state(state.unwrap_or("ready"))?,
            after: after
                .map(|id| names::message(id).map(|(_, message)| message))
                .transpose()?,
            limit: self.limit(limit, PEEK_LIMIT_DEFAULT)?,
            answer_bytes_max: self.limits.answer_bytes_max,
        };
        Ok(Request::plain(command, 0))
    }
}

fn peek_state(name: &str) -> Result<PeekState, Invalid> {
    match name {
        "ready" => Ok(PeekState::Ready),
        "delayed" => Ok(PeekState::Delayed),
        "leased" => Ok(PeekState::Leased),
        "dead" => Ok(PeekState::Dead),
        _ => Err(Invalid::parameter(
            "state must be ready, delayed, leased or dead".into(),
        )),
    }
}
