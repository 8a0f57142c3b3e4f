//! Requests that manage what is there: pausing and purging queues, changing and deleting messages.

use super::{Request, Requests};
use crate::json::faults::Faults;
use crate::json::invalid::Invalid;
use crate::json::names;
use crate::json::object::{Schema, read_fields};
use crate::json::scalar::{boolean, integer, seconds};
use crate::record::bound;
use engine::command::Command;
use engine::record::Paused;

struct Pause;

impl Schema for Pause {
    const WHAT: &'static str = "what to pause";
    const FIELDS: &'static [&'static str] = &["enqueue", "receive"];
}

struct MessageChange;

impl Schema for MessageChange {
    const WHAT: &'static str = "a change of a message";
    const FIELDS: &'static [&'static str] = &["delay", "priority"];
}

impl Requests {
    /// `POST /v1/queues/{queue}/pause`
    pub fn pause_queue(&self, queue: &str, body: &[u8]) -> Result<Request, Invalid> {
        let name = self.queue_name(queue)?;
        let receiving = Paused {
            enqueue: false,
            receive: true,
        };
        let what = ends(body, receiving)?;
        let command = Command::PauseQueue { name, what };
        Ok(Request::plain(command, bound::QUEUE_PAUSED))
    }

    /// `POST /v1/queues/{queue}/resume`
    pub fn resume_queue(&self, queue: &str, body: &[u8]) -> Result<Request, Invalid> {
        let name = self.queue_name(queue)?;
        let both = Paused {
            enqueue: true,
            receive: true,
        };
        let what = ends(body, both)?;
        let command = Command::ResumeQueue { name, what };
        Ok(Request::plain(command, bound::QUEUE_PAUSED))
    }

    /// `POST /v1/queues/{queue}/purge`
    pub fn purge_queue(&self, queue: &str) -> Result<Request, Invalid> {
        let name = self.queue_name(queue)?;
        let command = Command::PurgeQueue { name };
        let sweeps = self.limits.sweeps_running_max as usize;
        let bytes_max = bound::QUEUE_PURGED + sweeps * bound::SWEEP_ENDED;
        Ok(Request::plain(command, bytes_max))
    }

    /// `PATCH /v1/messages/{id}`
    pub fn change_message(&self, id: &str, body: &[u8]) -> Result<Request, Invalid> {
        let (_, message) = names::message(id)?;
        let (mut faults, delay_ms_max) = (Faults::default(), self.limits.delay_ms_max);
        let fields = read_fields::<MessageChange>(body, &mut faults)?;
        let delay_ms = fields.read(0, &mut faults, |raw, faults| {
            seconds(raw, 0, delay_ms_max, faults)
        });
        let priority = fields.read(1, &mut faults, |raw, faults| integer(raw, 0, 255, faults));
        if faults.is_empty() && delay_ms.is_none() && priority.is_none() {
            faults.add("must name a delay, a priority, or both");
        }
        let command = Command::ChangeMessage {
            message,
            delay_ms,
            priority,
        };
        let command = faults.finish(Some(command))?;
        Ok(Request::plain(command, self.copies_bytes_max()))
    }

    /// `DELETE /v1/messages/{id}`
    pub fn delete_message(&self, id: &str) -> Result<Request, Invalid> {
        let (_, message) = names::message(id)?;
        let command = Command::DeleteMessage { message };
        Ok(Request::plain(command, self.copies_bytes_max()))
    }
}

/// Which ends of a queue a body names; what it leaves out is as in `default`.
fn ends(body: &[u8], default: Paused) -> Result<Paused, Invalid> {
    let mut faults = Faults::default();
    let fields = read_fields::<Pause>(body, &mut faults)?;
    let enqueue = fields.read(0, &mut faults, boolean);
    let receive = fields.read(1, &mut faults, boolean);
    faults.finish(Some(Paused {
        enqueue: enqueue.unwrap_or(default.enqueue),
        receive: receive.unwrap_or(default.receive),
    }))
}
