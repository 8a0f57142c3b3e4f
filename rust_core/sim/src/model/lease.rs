//! Who holds what: is this the lease that a message has now?

use engine::ids::LeaseId;
use engine::rejection::Rejection;
use engine::reply::State;

use super::message::Ending;
use super::{Message, Model};

impl Model {
    /// Where the message is that this lease holds.
    pub(super) fn held(&self, lease: LeaseId) -> Result<usize, Rejection> {
        let at = self.find(lease.message).ok_or(Rejection::LeaseLost)?;
        let message = &self.messages[at];
        let is_held = message.state == State::Leased
            && message.deliveries == lease.delivery
            && self.group_of(message.home).number == lease.group.0;
        if is_held {
            Ok(at)
        } else {
            Err(Rejection::LeaseLost)
        }
    }

    /// Whether this lease holds a message.
    pub fn holds(&self, lease: LeaseId) -> bool {
        self.held(lease).is_ok()
    }

    pub(super) fn check_queue(&self, lease: LeaseId, queue: Option<&str>) -> Result<(), Rejection> {
        let Some((at, name)) = self.find(lease.message).zip(queue) else {
            return Ok(());
        };
        if *self.queue_of(&self.messages[at]).name == *name {
            return Ok(());
        }
        self.saw(Some(self.messages[at].state), "settle", "other queue");
        Err(Rejection::ReceiptOfOtherQueue { queue: name.into() })
    }

    /// A successor gave the lease, and an owner that does not know it was deposed never named the message: the engine
    /// alone knows that it lies there, in another queue.
    pub(super) fn learn_other(&mut self, lease: LeaseId, rejection: &Rejection) {
        let is_it = |message: &Message| {
            let group = self.group_of(message.home).number;
            let same = (message.number, group) == (lease.message.number, lease.group.0);
            same && message.slot.is_none()
        };
        let is_other = matches!(rejection, Rejection::ReceiptOfOtherQueue { .. });
        let unnamed = self.messages.iter().position(is_it);
        if let Some(at) = unnamed.filter(|_| is_other) {
            self.learn_slot(at, lease.message);
        }
    }

    /// The state of a lease's message, as far as a settlement is concerned.
    pub(super) fn state_of(&self, lease: LeaseId) -> Option<State> {
        self.find(lease.message).map(|at| self.messages[at].state)
    }

    pub(super) fn ended_by(&self, lease: LeaseId, acked: bool) -> bool {
        self.ending(lease, acked).is_some()
    }

    /// How this very lease ended its message.
    pub(super) fn ending(&self, lease: LeaseId, acked: bool) -> Option<&Ending> {
        let of_lease = (lease.message.number, lease.group.0, lease.delivery, acked);
        let mut endings = self.endings.iter();
        endings
            .find(|ending| (ending.number, ending.group, ending.delivery, ending.acked) == of_lease)
    }
}
