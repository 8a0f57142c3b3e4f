//! A receive: all of it comes in the query.

use super::queue::parameter;
use super::{Request, Requests, bytes_max};
use crate::hash;
use crate::json::invalid::Invalid;
use engine::command::Command;

/// The parameters of a receive; None where the query has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Receive<'a> {
    /// Consumer group; None: `default`.
    pub group: Option<&'a str>,
    /// Who asks; None: nobody in particular.
    pub consumer: Option<&'a str>,
    /// How long it waits when there is nothing.
    pub wait_ms: u64,
    /// None: 1.
    pub messages_max: Option<i64>,
    /// Repeated, it gets the same leases.
    pub attempt: Option<&'a str>,
    /// None: the queue's.
    pub visibility_timeout_ms: Option<i64>,
}

impl Requests {
    /// `GET /v1/queues/{queue}/messages`
    pub fn receive(&self, queue: &str, receive: Receive<'_>) -> Result<Request, Invalid> {
        let limits = &self.limits;
        let timeout = |ms: i64| {
            let max_ms = limits.visibility_timeout_ms_max;
            let fits = u64::try_from(ms)
                .ok()
                .filter(|ms| (1..=max_ms).contains(ms));
            fits.ok_or_else(|| {
                let (max, found) = (max_ms as f64 / 1000.0, ms as f64 / 1000.0);
                let rule = format!("must be a number of seconds, 0.001 to {max}; found {found}");
                Invalid::parameter("visibilityTimeout", rule)
            })
        };
        let messages_max = parameter(
            "maxMessages",
            receive.messages_max.unwrap_or(1),
            1,
            limits.batch_entries_max,
        )?;
        let consumer = self.parameter_text("consumerId", receive.consumer.unwrap_or(""))?;
        let command = Command::Receive {
            queue: self.queue_name(queue)?,
            group: self.parameter_text("consumerGroup", receive.group.unwrap_or("default"))?,
            messages_max: messages_max as u32,
            visibility_timeout_ms: receive.visibility_timeout_ms.map(timeout).transpose()?,
            consumer: consumer.clone(),
            members_max: limits.members_max,
            wait_ms: receive.wait_ms,
            answer_bytes_max: limits.answer_bytes_max,
            attempt: receive
                .attempt
                .map(|id| self.attempt(&consumer, id))
                .transpose()?,
        };
        Ok(Request::plain(
            command,
            bytes_max::receive(consumer.len(), messages_max as usize),
        ))
    }

    fn attempt(&self, consumer: &str, id: &str) -> Result<u128, Invalid> {
        if id.is_empty() {
            return Err(Invalid::parameter("attemptId", "must not be empty".into()));
        }
        let id = self.parameter_text("attemptId", id)?;
        Ok(hash::attempt(consumer, &id))
    }

    pub(super) fn parameter_text(&self, name: &str, value: &str) -> Result<Box<str>, Invalid> {
        self.bounded(value)
            .map_err(|detail| Invalid::parameter(name, detail))
    }

    /// Text outside the body; or what is wrong with it.
    pub(super) fn bounded(&self, value: &str) -> Result<Box<str>, String> {
        let (bytes, max) = (value.len() as u64, self.limits.key_bytes_max);
        if bytes <= max {
            return Ok(value.into());
        }
        Err(format!("has {bytes} bytes; at most {max} are allowed"))
    }
}
