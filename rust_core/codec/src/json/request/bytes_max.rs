//! Upper bounds of the journal bytes a request can cause, blobs included.

use super::complete::ack_bytes_max;
use super::{Request, Requests, Settle};
use crate::record::bound;
use engine::command::{Command, ConfigPatch, GiveBack, NewMessage};

/// Further groups that any version let a queue have: they are there still, whatever the limit is now.
const GROUPS_EVER_MAX: usize = 32;

impl Requests {
    fn queue_record(&self) -> usize {
        bound::queue(self.limits.queue_name_bytes_max as usize)
    }

    /// A queue, with `weights` of its fairness keys, and the dead-letter queue made with it.
    pub(super) fn queue_bytes_max(&self, weights: usize) -> usize {
        let key_bytes_max = self.limits.key_bytes_max as usize;
        2 * self.queue_record() + bound::weights(weights, key_bytes_max)
    }

    /// A changed queue keeps the weights it has when the change names none.
    pub(super) fn queue_change_bytes_max(&self, patch: &ConfigPatch) -> usize {
        let named = patch.fairness_weights.as_ref().map(Vec::len);
        self.queue_bytes_max(named.unwrap_or(self.limits.fairness_weights_max as usize))
    }

    /// Messages whose blobs have `blob_bytes` bytes.
    pub(super) fn enqueue_bytes_max(&self, messages: &[NewMessage], blob_bytes: usize) -> usize {
        messages.len() * bound::BROUGHT + backoffs_bytes_max(messages.iter()) + blob_bytes
    }

    /// A record about each group's copy of one message.
    pub(super) fn copies_bytes_max(&self) -> usize {
        let groups = (self.limits.groups_max as usize).max(GROUPS_EVER_MAX);
        (1 + groups) * bound::CHANGE
    }

    /// By a nack or a release a message comes back, and dies if its time is over; that can bring its dead-letter queue
    /// into being.
    pub(super) fn return_bytes_max(&self) -> usize {
        2 * bound::CHANGE + self.queue_record()
    }

    /// Every verb of a settle.
    pub(super) fn settle_bytes_max(&self, settle: &Settle, blob_bytes: usize) -> usize {
        let acks = settle.acks.iter().flatten();
        let acks: usize = acks.map(|ack| ack_bytes_max(&ack.verb)).sum();
        let returns = settle.nacks.len() + settle.releases.len();
        let returns = returns * self.return_bytes_max();
        acks + returns + settle.extends.len() * bound::CHANGE + blob_bytes
    }
}

/// Handing out `messages` messages to a consumer that may join.
pub fn receive(consumer_bytes: usize, messages: usize) -> usize {
    bound::leased(consumer_bytes, messages) + bound::member(consumer_bytes)
}

/// The command that gives leases back.
pub fn give_back(leases: Vec<GiveBack>) -> Request {
    let bytes = leases.len() * bound::CHANGE;
    Request::plain(Command::GiveBack { leases }, bytes)
}

/// Of the messages that have a backoff of their own.
pub(super) fn backoffs_bytes_max<'a>(messages: impl Iterator<Item = &'a NewMessage>) -> usize {
    let own = messages.filter(|message| message.backoff.is_some());
    own.count() * bound::BACKOFF
}
