//! What was kept with an ack: the message is gone, its result is remembered until its time is over, or until newer ones
//! take its place. Only a message with a result costs memory here. How many go is recorded, so a replay keeps step.

use std::collections::BTreeSet;

use crate::checkpoint::Tracked;
use crate::ids::{GROUP_DEFAULT, GroupNumber, Location, MessageId, QueueNumber};
use crate::live::Live;

/// What the shortest result counts, of the bytes that may be kept: so those bound their number as well. It may be changed.
const RESULT_BYTES_MIN: u64 = 1024;

/// One message that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// Of its id.
    pub slot: u32,
    pub queue: QueueNumber,
    /// Whose result it is.
    pub group: GroupNumber,
    pub done_at_ms: u64,
    pub expires_at_ms: u64,
    pub result: Location,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Results {
    /// By message number.
    pub done: Tracked<Done>,
    expiries: BTreeSet<(u64, u64)>,
    /// In the order in which they came, by when and by number.
    order: BTreeSet<(u64, u64)>,
    bytes: u64,
}

/// Of the bytes that may be kept.
fn bytes(length: u32) -> u64 {
    u64::from(length).max(RESULT_BYTES_MIN)
}

impl Results {
    pub fn put(&mut self, number: u64, done: Done, live: &mut Live) {
        self.remove(number, live);
        live.take(done.result, true);
        self.done.insert(number, done);
        self.count_in(number, &done);
    }

    fn count_in(&mut self, number: u64, done: &Done) {
        self.expiries.insert((done.expires_at_ms, number));
        self.order.insert((done.done_at_ms, number));
        self.bytes += bytes(done.result.length);
    }

    fn remove(&mut self, number: u64, live: &mut Live) {
        if let Some(done) = self.done.remove(number) {
            live.drop(done.result, true);
            self.expiries.remove(&(done.expires_at_ms, number));
            self.order.remove(&(done.done_at_ms, number));
            self.bytes -= bytes(done.result.length);
        }
    }

    /// How many of the oldest make room for another one of that length; None: there is none for it.
    pub fn too_many(&self, length: u32, bytes_max: u64) -> Option<u32> {
        let max = bytes_max.checked_sub(bytes(length))?;
        let (mut left, mut count) = (self.bytes, 0);
        let mut oldest = self.order.iter();
        while left > max {
            let &(_, number) = oldest.next().expect("its bytes are counted");
            let done = self.done.get(number).expect("it is in order");
            left -= bytes(done.result.length);
            count += 1;
        }
        Some(count)
    }

    /// How many came up to the last of those that are `lost`.
    pub fn up_to_last(&self, lost: impl Fn(Location) -> bool) -> u32 {
        let numbers = self.order.iter().map(|&(_, number)| number);
        let found = numbers
            .map(|number| self.done.get(number).expect("it is in order"))
            .rposition(|done| lost(done.result));
        found.map_or(0, |index| index as u32 + 1)
    }

    /// Whether the group `default` left a result that is kept: no other group's takes its place.
    pub fn has_default_s(&self, id: MessageId, now_ms: u64) -> bool {
        let done = self.find(id, now_ms);
        done.is_some_and(|done| done.group == GROUP_DEFAULT)
    }

    /// What follows from the results of a checkpoint.
    pub fn load(&mut self) {
        let done: Vec<(u64, Done)> = self
            .done
            .iter()
            .map(|(number, done)| (number, *done))
            .collect();
        for (number, done) in done {
            self.count_in(number, &done);
        }
    }

    pub fn find(&self, id: MessageId, now_ms: u64) -> Option<&Done> {
        self.done
            .get(id.number)
            .filter(|done| done.slot == id.slot && done.expires_at_ms > now_ms)
    }

    /// How many are over, counted up to `max`.
    pub fn due(&self, now_ms: u64, max: usize) -> usize {
        let over = |(expires_at_ms, _): &&(u64, u64)| *expires_at_ms <= now_ms;
        self.expiries.iter().take_while(over).take(max).count()
    }

    /// The first `count`, which are over.
    pub fn forget(&mut self, count: u32, live: &mut Live) {
        for _ in 0..count {
            let &(_, number) = self.expiries.first().expect("a result is there");
            self.remove(number, live);
        }
    }

    /// The first `count` that came, whether or not they are over.
    pub fn evict(&mut self, count: u32, live: &mut Live) {
        for _ in 0..count {
            let &(_, number) = self.order.first().expect("a result is there");
            self.remove(number, live);
        }
    }

    pub fn fold(&self, fold: &mut impl FnMut(&[u8])) {
        self.done
            .iter()
            .for_each(|entry| fold(format!("{entry:?}").as_bytes()));
    }
}
