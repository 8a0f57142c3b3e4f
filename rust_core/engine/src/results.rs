//! What was kept with an ack: the message is gone, its result is remembered until its time is over. Only a message with
//! a result costs memory here. How many go is recorded, so a replay keeps step.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{Location, MessageId, QueueNumber};

/// One message that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// Of its id.
    pub slot: u32,
    pub queue: QueueNumber,
    pub done_at_ms: u64,
    pub expires_at_ms: u64,
    pub result: Location,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Results {
    /// By message number. Of several groups' results the last one stays.
    done: BTreeMap<u64, Done>,
    expiries: BTreeSet<(u64, u64)>,
}

impl Results {
    pub fn put(&mut self, number: u64, done: Done) {
        if let Some(earlier) = self.done.insert(number, done) {
            self.expiries.remove(&(earlier.expires_at_ms, number));
        }
        self.expiries.insert((done.expires_at_ms, number));
    }

    pub fn find(&self, id: MessageId, now_ms: u64) -> Option<&Done> {
        self.done
            .get(&id.number)
            .filter(|done| done.slot == id.slot && done.expires_at_ms > now_ms)
    }

    /// How many are over, counted up to `max`.
    pub fn due(&self, now_ms: u64, max: usize) -> usize {
        let over = |(expires_at_ms, _): &&(u64, u64)| *expires_at_ms <= now_ms;
        self.expiries.iter().take_while(over).take(max).count()
    }

    /// The first `count`, which are over.
    pub fn forget(&mut self, count: u32) {
        for _ in 0..count {
            let (_, number) = self.expiries.pop_first().expect("a result is there");
            self.done.remove(&number);
        }
    }

    pub fn fold(&self, fold: &mut impl FnMut(&[u8])) {
        self.done
            .iter()
            .for_each(|entry| fold(format!("{entry:?}").as_bytes()));
    }
}
