//! Requests that only look.

use super::{Request, Requests};
use crate::hash;
use crate::json::invalid::Invalid;
use crate::json::names;
use engine::command::{Command, PeekFilter, PeekState};
use engine::record::DeathReason;

/// Entries of a peek when the request names no limit.
const PEEK_LIMIT_DEFAULT: u64 = 10;

/// The parameters of a peek; None where the query has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peek<'a> {
    /// Consumer group; None: `default`.
    pub group: Option<&'a str>,
    /// None: `ready`.
    pub state: Option<&'a str>,
    /// An id. None: from the beginning.
    pub after: Option<&'a str>,
    /// None: 10.
    pub limit: Option<i64>,
    /// Only messages of this key.
    pub ordering_key: Option<&'a str>,
    /// Only messages of this fairness key.
    pub fairness_key: Option<&'a str>,
    /// Only messages that died of this.
    pub reason: Option<&'a str>,
}

impl Requests {
    /// `GET /v1/messages/{id}`
    pub fn get_message(&self, id: &str) -> Result<Request, Invalid> {
        let (_, message) = names::message(id)?;
        Ok(Request::plain(Command::GetMessage { message }, 0))
    }

    /// `GET /v1/messages/{id}/explain`
    pub fn explain_message(
        &self,
        id: &str,
        group: Option<&str>,
        consumer: Option<&str>,
    ) -> Result<Request, Invalid> {
        let (_, message) = names::message(id)?;
        let text = |name, text: Option<&str>| {
            let read = text.map(|text| self.parameter_text(name, text));
            read.transpose()
        };
        let command = Command::ExplainMessage {
            message,
            group: text("consumerGroup", group)?,
            consumer: text("consumerId", consumer)?,
        };
        Ok(Request::plain(command, 0))
    }

    /// `GET /v1/queues/{queue}/peek`
    pub fn peek(&self, queue: &str, peek: Peek<'_>) -> Result<Request, Invalid> {
        let state = peek_state(peek.state.unwrap_or("ready"))?;
        let after = peek.after.map(names::message).transpose()?;
        let command = Command::Peek {
            queue: self.queue_name(queue)?,
            group: self.parameter_text("consumerGroup", peek.group.unwrap_or("default"))?,
            state,
            filter: self.filter(state, peek)?,
            after: after.map(|(_, message)| message),
            limit: self.limit(peek.limit, PEEK_LIMIT_DEFAULT)?,
            answer_bytes_max: self.limits.answer_bytes_max,
        };
        Ok(Request::plain(command, 0))
    }

    fn filter(&self, state: PeekState, peek: Peek<'_>) -> Result<PeekFilter, Invalid> {
        if state == PeekState::Dead && peek.ordering_key.is_some() {
            return Err(Invalid::parameter(
                "orderingKey",
                "does not go with state dead: a dead message has left its key".into(),
            ));
        }
        let key = |name, key: Option<&str>| {
            let key = key.map(|key| self.parameter_text(name, key)).transpose()?;
            Ok::<_, Invalid>(key.map(|key| hash::key(&key)))
        };
        Ok(PeekFilter {
            ordering_key: key("orderingKey", peek.ordering_key)?,
            fairness_key: key("fairnessKey", peek.fairness_key)?,
            reason: peek.reason.map(reason).transpose()?,
        })
    }
}

fn reason(name: &str) -> Result<DeathReason, Invalid> {
    names::death_reason(name).ok_or_else(|| {
        let known = names::DEATH_REASONS.map(|(name, _)| name).join(", ");
        Invalid::parameter("reason", format!("must be one of {known}"))
    })
}

fn peek_state(name: &str) -> Result<PeekState, Invalid> {
    match name {
        "ready" => Ok(PeekState::Ready),
        "blocked" => Ok(PeekState::Blocked),
        "delayed" => Ok(PeekState::Delayed),
        "leased" => Ok(PeekState::Leased),
        "dead" => Ok(PeekState::Dead),
        _ => Err(Invalid::parameter(
            "state",
            "must be ready, blocked, delayed, leased or dead".into(),
        )),
    }
}
