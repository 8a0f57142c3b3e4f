//! Requests about queues.

use super::{Request, Requests};
use crate::json::faults::Faults;
use crate::json::invalid::Invalid;
use crate::json::object::{Schema, read_fields};
use crate::json::scalar::any_text;
use engine::command::Command;

struct NewQueue;

impl Schema for NewQueue {
    const WHAT: &'static str = "a queue";
    const FIELDS: &'static [&'static str] = &["name", "config"];
    const REQUIRED: u32 = 1;
}

struct QueuePatch;

impl Schema for QueuePatch {
    const WHAT: &'static str = "a change of a queue";
    const FIELDS: &'static [&'static str] = &["config"];
    const REQUIRED: u32 = 1;
}

/// Entries of a page when the request names no limit.
const LIST_LIMIT_DEFAULT: u64 = 100;

impl Requests {
    /// `POST /v1/queues`
    pub fn create_queue(&self, body: &[u8]) -> Result<Request, Invalid> {
        let mut faults = Faults::default();
        let fields = read_fields::<NewQueue>(body, &mut faults)?;
        let name = fields.read(0, &mut faults, |raw, faults| self.new_name(raw, faults));
        let patch = fields.read(1, &mut faults, |raw, faults| self.config(raw, faults));
        let name = faults.finish(name)?;
        let config = patch.unwrap_or_default().over(&self.config_default);
        let bytes_max = self.queue_bytes_max(config.fairness.weights.len());
        Ok(Request::plain(
            Command::CreateQueue {
                name,
                config: config.into(),
            },
            bytes_max,
        ))
    }

    /// The name in a create-queue body; its other fields are not looked at.
    pub fn queue_of_body(&self, body: &[u8]) -> Result<Box<str>, Invalid> {
        let mut faults = Faults::default();
        let fields = read_fields::<NewQueue>(body, &mut faults)?;
        let name = fields.read(0, &mut faults, |raw, faults| self.new_name(raw, faults));
        match name {
            Some(name) => Ok(name),
            None => faults.finish(None),
        }
    }

    fn new_name(&self, raw: &str, faults: &mut Faults) -> Option<Box<str>> {
        let name = any_text(raw, faults)?;
        if self.limits.is_queue_name(&name) {
            return Some(name.into());
        }
        faults.add_coded("queue_name_invalid", self.limits.queue_name_rule());
        None
    }

    /// `PATCH /v1/queues/{queue}`
    pub fn update_queue(&self, queue: &str, body: &[u8]) -> Result<Request, Invalid> {
        let name = self.queue_name(queue)?;
        let mut faults = Faults::default();
        let fields = read_fields::<QueuePatch>(body, &mut faults)?;
        let patch = fields.read(0, &mut faults, |raw, faults| self.config(raw, faults));
        let patch = faults.finish(patch)?;
        let bytes_max = self.queue_change_bytes_max(&patch);
        Ok(Request::plain(
            Command::UpdateQueue {
                name,
                patch: patch.into(),
            },
            bytes_max,
        ))
    }

    /// `DELETE /v1/queues/{queue}`
    pub fn delete_queue(&self, queue: &str) -> Result<Request, Invalid> {
        let command = Command::DeleteQueue {
            name: self.queue_name(queue)?,
        };
        Ok(Request::plain(command, crate::record::bound::QUEUE_DELETED))
    }

    /// `GET /v1/queues/{queue}`
    pub fn get_queue(&self, queue: &str) -> Result<Request, Invalid> {
        Ok(Request::plain(
            Command::GetQueue {
                name: self.queue_name(queue)?,
            },
            0,
        ))
    }

    /// `GET /v1/queues`
    pub fn list_queues(
        &self,
        prefix: Option<&str>,
        after: Option<&str>,
        limit: Option<i64>,
    ) -> Result<Request, Invalid> {
        let prefix = prefix.map(|prefix| self.queue_name(prefix)).transpose()?;
        let after = after.map(|after| self.queue_name(after)).transpose()?;
        let limit = self.limit(limit, LIST_LIMIT_DEFAULT)?;
        Ok(Request::plain(
            Command::ListQueues {
                prefix: prefix.unwrap_or_default(),
                after,
                limit,
            },
            0,
        ))
    }

    /// The name in a path.
    pub(super) fn queue_name(&self, name: &str) -> Result<Box<str>, Invalid> {
        if self.limits.is_queue_name(name) {
            return Ok(name.into());
        }
        Err(Invalid::new(
            "queue_name_invalid",
            self.limits.queue_name_rule(),
        ))
    }

    /// A page's length.
    pub(super) fn limit(&self, limit: Option<i64>, default: u64) -> Result<u32, Invalid> {
        let max = self.limits.list_limit_max;
        parameter("limit", limit.unwrap_or(default.min(max) as i64), 1, max)
            .map(|limit| limit as u32)
    }
}

/// A whole number of the query.
pub(super) fn parameter(name: &str, value: i64, min: u64, max: u64) -> Result<u64, Invalid> {
    match u64::try_from(value) {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        _ => Err(Invalid::parameter(
            name,
            format!("must be a whole number, {min} to {max}; found {value}"),
        )),
    }
}
