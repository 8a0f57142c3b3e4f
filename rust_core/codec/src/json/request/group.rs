//! Requests about consumer groups.

use super::{Ask, Request, Requests};
use crate::json::faults::Faults;
use crate::json::invalid::Invalid;
use crate::json::object::{Schema, read_fields};
use crate::json::scalar::any_text;
use crate::record::bound;
use engine::command::Command;

struct NewGroup;

impl Schema for NewGroup {
    const WHAT: &'static str = "a consumer group";
    const FIELDS: &'static [&'static str] = &["name"];
    const REQUIRED: u32 = 1;
}

impl Requests {
    /// `POST /v1/queues/{queue}/groups`
    pub fn create_group(&self, queue: &str, body: &[u8]) -> Result<Request, Invalid> {
        let queue = self.queue_name(queue)?;
        let mut faults = Faults::default();
        let fields = read_fields::<NewGroup>(body, &mut faults)?;
        let name = fields.read(0, &mut faults, |raw, faults| self.new_group(raw, faults));
        let command = Command::CreateGroup {
            queue,
            group: faults.finish(name)?,
            groups_max: self.limits.groups_max,
        };
        let bytes_max = bound::group(self.limits.queue_name_bytes_max as usize);
        Ok(Request::plain(command, bytes_max))
    }

    /// `GET /v1/queues/{queue}/groups`
    pub fn list_groups(&self, queue: &str) -> Result<Request, Invalid> {
        let queue = self.queue_name(queue)?;
        Ok(Request::plain(Command::ListGroups { queue }, 0))
    }

    /// `GET /v1/queues/{queue}/groups/{group}`
    pub fn get_group(&self, queue: &str, group: &str) -> Result<Request, Invalid> {
        let (queue, group) = (self.queue_name(queue)?, self.group_name(group)?);
        Ok(Request::plain(Command::GetGroup { queue, group }, 0))
    }

    /// `DELETE /v1/queues/{queue}/groups/{group}`
    pub fn delete_group(&self, queue: &str, group: &str) -> Result<Request, Invalid> {
        let (queue, group) = (self.queue_name(queue)?, self.group_name(group)?);
        let command = Command::DeleteGroup { queue, group };
        Ok(Request::plain(command, bound::QUEUE_DELETED))
    }

    /// `PUT /v1/queues/{queue}/groups/{group}/members/{consumer}`
    pub fn heartbeat(&self, queue: &str, group: &str, consumer: &str) -> Result<Request, Invalid> {
        let command = Command::Heartbeat {
            queue: self.queue_name(queue)?,
            group: self.group_name(group)?,
            consumer: self.consumer(consumer)?,
            members_max: self.limits.members_max,
        };
        Ok(Request::plain(command, bound::member(consumer.len())))
    }

    /// `DELETE /v1/queues/{queue}/groups/{group}/members/{consumer}`
    pub fn leave(&self, queue: &str, group: &str, consumer: &str) -> Result<Request, Invalid> {
        let command = Command::Leave {
            queue: self.queue_name(queue)?,
            group: self.group_name(group)?,
            consumer: self.consumer(consumer)?,
        };
        Ok(Request::plain(command, bound::member(consumer.len())))
    }

    /// The name in a path.
    pub(super) fn group_name(&self, name: &str) -> Result<Box<str>, Invalid> {
        if self.limits.is_queue_name(name) {
            return Ok(name.into());
        }
        Err(Invalid::new("group_name_invalid", self.group_name_rule()))
    }

    /// The consumer in a path.
    fn consumer(&self, consumer: &str) -> Result<Box<str>, Invalid> {
        self.bounded(consumer)
            .map_err(|wrong| Invalid::new("request_invalid", format!("the consumer's id {wrong}")))
    }

    fn new_group(&self, raw: &str, faults: &mut Faults) -> Option<Box<str>> {
        let name = any_text(raw, faults)?;
        if self.limits.is_queue_name(&name) {
            return Some(name.into());
        }
        faults.add_coded("group_name_invalid", self.group_name_rule());
        None
    }

    fn group_name_rule(&self) -> String {
        self.limits.name_rule("a consumer group's name")
    }
}

/// The command that tells that a poll of a member has ended; None when nobody in particular asked.
pub fn seen(ask: &Ask) -> Option<Request> {
    let Ask::Plain(Command::Receive {
        queue,
        group,
        consumer,
        ..
    }) = ask
    else {
        return None;
    };
    let command = Command::Seen {
        queue: queue.clone(),
        group: group.clone(),
        consumer: consumer.clone(),
    };
    (!consumer.is_empty()).then(|| Request::plain(command, 0))
}
