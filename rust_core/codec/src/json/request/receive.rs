//! A receive: all of it comes in the query.

use super::queue::parameter;
use super::{Request, Requests, bytes_max};
use crate::hash;
use crate::http::once;
use crate::json::invalid::Invalid;
use engine::command::Command;
use std::ops::RangeInclusive;

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

impl<'a> Receive<'a> {
    /// What `query` says, when it is plain: known names, each once, and values that mean themselves. None for any other
    /// one, which may be right or wrong.
    pub fn plain(query: &'a str) -> Option<Self> {
        let mut receive = Receive::default();
        let mut wait_ms = None;
        let pairs = (!query.is_empty()).then(|| query.split('&'));
        for pair in pairs.into_iter().flatten() {
            let (name, value) = pair.split_once('=')?;
            let text = Some(value).filter(|text| !text.is_empty() && !text.contains('='));
            match name {
                "maxMessages" => once(&mut receive.messages_max, digits(value, 1..=15)?)?,
                "waitTime" => once(&mut wait_ms, milliseconds(value)?)?,
                "visibilityTimeout" => {
                    once(&mut receive.visibility_timeout_ms, milliseconds(value)?)?
                }
                "consumerGroup" => once(&mut receive.group, text?)?,
                "consumerId" => once(&mut receive.consumer, text?)?,
                "attemptId" => once(&mut receive.attempt, text?)?,
                _ => return None,
            }
        }
        receive.wait_ms = wait_ms.unwrap_or(0) as u64;
        Some(receive)
    }
}

/// A whole number of so many digits, 15 at most.
fn digits(text: &str, count: RangeInclusive<usize>) -> Option<i64> {
    let are_digits = count.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    are_digits.then(|| text.parse().ok()).flatten()
}

/// Seconds with up to three decimals.
fn milliseconds(text: &str) -> Option<i64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let scale = 10i64.pow(3u32.checked_sub(decimals.len() as u32)?);
    Some(digits(whole, 1..=12)? * 1000 + digits(decimals, 1..=3)? * scale)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_query_is_read() {
        let query = "maxMessages=100&waitTime=20&visibilityTimeout=0.25&consumerGroup=g.1&consumerId=c_1&attemptId=a-1";
        let read = Receive::plain(query).expect("it is plain");
        assert_eq!(
            (read.messages_max, read.wait_ms, read.visibility_timeout_ms),
            (Some(100), 20_000, Some(250))
        );
        let texts = (read.group, read.consumer, read.attempt);
        assert_eq!(texts, (Some("g.1"), Some("c_1"), Some("a-1")));
        let none = Receive::plain("").expect("nothing is plain");
        assert_eq!(
            (none.messages_max, none.wait_ms, none.group),
            (None, 0, None)
        );
    }

    #[test]
    fn seconds_have_three_decimals_at_most() {
        let known = [("1", 1000), ("0.5", 500), ("007.05", 7050), ("1.234", 1234)];
        for (text, ms) in known {
            assert_eq!(milliseconds(text), Some(ms), "{text}");
        }
        for text in [
            "", ".5", "1.", "1.2345", "1.2.3", "-1", "+1", "1e3", "1_0", "1.x",
        ] {
            assert_eq!(milliseconds(text), None, "{text}");
        }
        assert_eq!(milliseconds("1234567890123"), None);
    }

    #[test]
    fn whatever_else_a_query_says_is_not_plain() {
        for query in [
            "&",
            "maxMessages",
            "maxMessages=",
            "maxMessages=1&",
            "&maxMessages=1",
            "maxMessages=1&&waitTime=1",
            "maxMessages=1&maxMessages=1",
            "waitTime=0&waitTime=0",
            "maxMessages=1234567890123456",
            "maxMessages=-1",
            "maxMessages=1.0",
            "MaxMessages=1",
            "consumerId=",
            "consumerId=a=b",
            "attemptId=a&attemptId=b",
            "unknown=1",
            "=1",
        ] {
            assert!(Receive::plain(query).is_none(), "{query}");
        }
    }
}
