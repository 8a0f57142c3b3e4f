//! Which copies of a message the groups of its queue hold. All copies have the message's number and each its own
//! slot; the id everybody knows is the first one's, as long as any group holds a copy.
//!
//! Only messages of queues that had further groups are here; the others pay nothing.

use crate::checkpoint::Tracked;
use crate::ids::{MessageId, QueueNumber};
use crate::message::NONE;

/// One group's copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Copy {
    pub queue: QueueNumber,
    /// [`NONE`]: that group is done with it.
    pub slot: u32,
}

/// A message's copies.
#[derive(Clone, Debug)]
pub(crate) struct Copied {
    /// The slot its id names.
    pub first: u32,
    /// The group `default` first.
    pub copies: Box<[Copy]>,
}

impl Copied {
    fn left(&self) -> usize {
        self.copies.iter().filter(|copy| copy.slot != NONE).count()
    }

    /// Only further groups hold it.
    fn is_orphan(&self) -> bool {
        self.copies[0].slot == NONE && self.left() > 0
    }
}

/// What a copy's leaving changed in the number of messages that only further groups hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Orphans {
    More,
    Fewer,
    AsBefore,
}

/// See the module.
pub(crate) struct Copies {
    /// By message number.
    pub copied: Tracked<Copied>,
    /// Copies beside one of each message.
    extra: u64,
}

impl Copies {
    pub fn new() -> Self {
        Copies {
            copied: Tracked::default(),
            extra: 0,
        }
    }

    /// Index entries that are no messages of their own.
    pub fn extra(&self) -> u64 {
        self.extra
    }

    pub fn put(&mut self, id: MessageId, copies: Box<[Copy]>) -> Orphans {
        let copied = Copied {
            first: id.slot,
            copies,
        };
        self.extra += copied.left() as u64 - 1;
        let orphans = if copied.is_orphan() {
            Orphans::More
        } else {
            Orphans::AsBefore
        };
        let earlier = self.copied.insert(id.number, copied);
        assert!(earlier.is_none(), "a message is copied twice");
        orphans
    }

    /// What follows from the copies of a checkpoint.
    pub fn load(&mut self) {
        let extra = self.copied.iter().map(|(_, copied)| copied.left() as u64);
        self.extra = extra.map(|left| left.saturating_sub(1)).sum();
    }

    pub fn find(&self, number: u64) -> Option<&Copied> {
        self.copied.get(number)
    }

    /// Whether no other group holds the message that this is, or is a copy of.
    pub fn is_last(&self, id: MessageId) -> bool {
        self.find(id.number).is_none_or(|copied| copied.left() == 1)
    }

    /// The copies of the message that this id names, if it has any.
    pub fn of(&self, id: MessageId) -> Option<&Copied> {
        self.find(id.number)
            .filter(|copied| copied.first == id.slot)
    }

    /// The id by which everybody knows the message that this is, or is a copy of.
    pub fn known_as(&self, id: MessageId) -> MessageId {
        let slot = self.find(id.number).map_or(id.slot, |copied| copied.first);
        MessageId { slot, ..id }
    }

    /// A group is done with its copy.
    pub fn leave(&mut self, id: MessageId) -> Orphans {
        let Some(copied) = self.copied.get_mut(id.number) else {
            return Orphans::AsBefore;
        };
        let before = copied.is_orphan();
        let mut copies = copied.copies.iter_mut();
        let copy = copies.find(|copy| copy.slot == id.slot);
        copy.expect("a copy leaves that isn't there").slot = NONE;
        let (left, after) = (copied.left(), copied.is_orphan());
        if left == 0 {
            self.copied.remove(id.number);
        } else {
            self.extra -= 1;
        }
        match (before, after) {
            (false, true) => Orphans::More,
            (true, false) => Orphans::Fewer,
            _ => Orphans::AsBefore,
        }
    }

    pub fn fold(&self, id: MessageId, fold: &mut impl FnMut(&[u8])) {
        if let Some(copied) = self.find(id.number) {
            fold(format!("{copied:?}").as_bytes());
        }
    }
}

#[cfg(test)]
impl Copies {
    pub fn len(&self) -> usize {
        self.copied.len()
    }
}
