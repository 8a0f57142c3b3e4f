//! The sweeps of a partition: those under way, and the last ones that ended.
//!
//! A sweep goes through messages by their number, so each has one turn, whatever happens to it meanwhile, and the
//! number reached says where to go on. Which ones come next is found by looking at every slot, a part at a time
//! (`Scan`): that is no state, it only says where to look, and is found again after a takeover.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::sync::Arc;

use crate::checkpoint::SweepImage;
use crate::ids::{MessageId, QueueNumber};
use crate::sweep::{
    SWEEP_ACTED_MAX, SWEEP_SAMPLE_MAX, SweepAction, SweepEnd, SweepPlan, SweepTally, SweepView,
};

/// One sweep.
pub(crate) struct Sweep {
    pub number: u64,
    pub queue: QueueNumber,
    pub queue_name: Arc<str>,
    pub plan: SweepPlan,
    pub created_at_ms: u64,
    /// The last message number given when it began: what came later is not its business.
    pub numbered: u64,
    /// Messages it could concern then, at most. None: it began before they were counted.
    pub total: Option<u64>,
    /// Messages up to this number had their turn.
    pub cursor: u64,
    pub tally: SweepTally,
    pub sample: Vec<MessageId>,
    /// When its rate lets it go on.
    pub next_at_ms: u64,
    pub ended: Option<(SweepEnd, u64)>,
    /// Not part of the state.
    pub scan: Scan,
}

impl Sweep {
    pub fn view(&self) -> SweepView {
        SweepView {
            number: self.number,
            queue: (*self.queue_name).into(),
            plan: self.plan.clone(),
            total: self.total,
            tally: self.tally,
            created_at_ms: self.created_at_ms,
            ended: self.ended,
            sample: self.sample.clone(),
        }
    }

    /// It takes dead letters, and what is dead, from this queue, and has not ended.
    pub fn redrives(&self, queue: QueueNumber) -> bool {
        let is_redrive = matches!(self.plan.action, SweepAction::Redrive { .. });
        is_redrive && !self.plan.dry_run && self.queue == queue && self.ended.is_none()
    }

    /// What a checkpoint keeps of it.
    fn image(&self) -> SweepImage {
        SweepImage {
            view: self.view(),
            queue: self.queue,
            numbered: self.numbered,
            cursor: self.cursor,
            next_at_ms: self.next_at_ms,
        }
    }

    /// Messages it may still act on.
    pub fn messages_left(&self) -> u64 {
        let done = if self.plan.dry_run {
            self.tally.matched - self.tally.failures()
        } else {
            self.tally.moved
        };
        match self.plan.messages_max {
            0 => u64::MAX,
            max => max.saturating_sub(done),
        }
    }

    pub fn advance(&mut self, cursor: u64, tally: &SweepTally, sample: &[MessageId], now_ms: u64) {
        assert!(
            self.ended.is_none() && cursor > self.cursor,
            "a sweep goes forward until it ends"
        );
        self.cursor = cursor;
        self.tally.add(tally);
        self.sample.extend_from_slice(sample);
        assert!(self.sample.len() <= SWEEP_SAMPLE_MAX, "a sample is short");
        if let Some(rate) = self.plan.rate {
            let ms = u128::from(tally.moved) * u128::from(rate.per_ms);
            let ms = ms.div_ceil(u128::from(rate.messages));
            self.next_at_ms = now_ms.saturating_add(u64::try_from(ms).unwrap_or(u64::MAX));
        }
    }

    /// What it was to look for is of no more use.
    pub fn end(&mut self, end: SweepEnd, now_ms: u64) {
        assert!(self.ended.is_none(), "a sweep ends once");
        self.ended = Some((end, now_ms));
        self.plan.ids = self.plan.ids.take().map(|_| Vec::new());
        self.plan.filter = Default::default();
        self.scan = Scan::default();
    }
}

/// Messages found at once: what bounds a scan's memory. A sweep of more looks again.
const FOUND_MAX: usize = 1 << 16;

/// The next messages of a sweep, as found by looking at all slots.
#[derive(Default)]
pub(crate) struct Scan {
    /// The next slot to look at; all were looked at when it is past the last.
    next_slot: u32,
    /// The lowest numbers until now, the highest first.
    lowest: BinaryHeap<(u64, u32)>,
    /// The lowest of those that were too many. What else has this number waits with it.
    more_from: Option<u64>,
    /// All slots were looked at: these are left, the lowest first. Never sorted at once: that would take long.
    found: BinaryHeap<Reverse<(u64, u32)>>,
    /// The first ones of them, ascending.
    next: VecDeque<(u64, u32)>,
    complete: bool,
}

impl Scan {
    /// The slots to look at next; None when all were.
    pub fn slots(&self, count: u32, slots_max: u32) -> Option<std::ops::Range<u32>> {
        let end = self.next_slot.saturating_add(slots_max).min(count);
        (!self.complete).then_some(self.next_slot..end)
    }

    /// Whether a message of this number may be among the lowest ones: a quick look, before a closer one.
    pub fn wants(&mut self, number: u64) -> bool {
        let highest = self
            .lowest
            .peek()
            .filter(|_| self.lowest.len() == FOUND_MAX);
        let is_low = highest.is_none_or(|&(highest, _)| number < highest);
        if !is_low {
            self.leave(number);
        }
        is_low
    }

    fn leave(&mut self, number: u64) {
        self.more_from = Some(self.more_from.map_or(number, |more| more.min(number)));
    }

    /// Takes a message that matched.
    pub fn take(&mut self, id: MessageId) {
        self.lowest.push((id.number, id.slot));
        if self.lowest.len() > FOUND_MAX {
            let (number, _) = self.lowest.pop().expect("there are too many");
            self.leave(number);
        }
    }

    /// The slots up to `end`, of `count`, were looked at.
    pub fn looked_at(&mut self, end: u32, count: u32) {
        self.next_slot = end;
        if end == count {
            let more_from = self.more_from.unwrap_or(u64::MAX);
            let mut found = std::mem::take(&mut self.lowest).into_vec();
            found.retain(|&(number, _)| number < more_from);
            self.found = found.into_iter().map(Reverse).collect();
            self.complete = true;
        }
    }

    /// Drops what had its turn. True when nothing is left of all there was.
    pub fn pass(&mut self, cursor: u64) -> bool {
        let passed = |&(number, _): &(u64, u32)| number <= cursor;
        while self.next.front().is_some_and(passed) {
            self.next.pop_front();
        }
        while self.next.len() < SWEEP_ACTED_MAX {
            match self.found.pop() {
                Some(Reverse(found)) if passed(&found) => {}
                Some(Reverse(found)) => self.next.push_back(found),
                None => break,
            }
        }
        if self.complete && self.next.is_empty() && self.more_from.is_some() {
            *self = Scan::default();
        }
        self.complete && self.next.is_empty()
    }

    /// The next ones, ascending.
    pub fn iter(&self) -> impl Iterator<Item = MessageId> + '_ {
        let id = |&(number, slot): &(u64, u32)| MessageId { number, slot };
        self.next.iter().map(id)
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct Sweeps {
    sweeps: BTreeMap<u64, Sweep>,
    /// The last number given.
    pub numbered: u64,
    /// By number.
    running: BTreeSet<u64>,
    /// Since the last checkpoint began. They are few, so it takes all of them or none.
    changed: bool,
    begun: bool,
    taken: Option<Vec<(u64, SweepImage)>>,
}

impl Sweeps {
    /// A checkpoint begins.
    pub fn begin(&mut self) {
        self.begun = std::mem::take(&mut self.changed);
        let images = self
            .sweeps
            .iter()
            .map(|(&number, sweep)| (number, sweep.image()));
        self.taken = self.begun.then(|| images.collect());
    }

    /// The checkpoint's only block.
    pub fn next(&mut self) -> Option<Vec<(u64, SweepImage)>> {
        self.taken.take()
    }

    /// The checkpoint came to nothing.
    pub fn abandon(&mut self) {
        self.changed |= std::mem::take(&mut self.begun);
        self.taken = None;
    }

    /// Blocks that changed: one at most.
    pub fn changed(&self) -> usize {
        usize::from(self.changed)
    }

    /// Sweeps of that.
    pub fn changed_entries(&self) -> usize {
        self.changed() * self.len()
    }

    pub fn len(&self) -> usize {
        self.sweeps.len()
    }

    /// Has them written with the next checkpoint.
    pub fn rewrite(&mut self, _block: u64) {
        self.changed = true;
    }

    /// As a checkpoint has it.
    pub fn load(&mut self, sweep: Sweep) {
        if sweep.ended.is_none() {
            self.running.insert(sweep.number);
        }
        self.sweeps.insert(sweep.number, sweep);
    }

    pub fn next_number(&self) -> u64 {
        self.numbered + 1
    }

    pub fn get(&self, number: u64) -> Option<&Sweep> {
        self.sweeps.get(&number)
    }

    pub fn get_mut(&mut self, number: u64) -> Option<&mut Sweep> {
        self.changed = true;
        self.sweeps.get_mut(&number)
    }

    /// One that has not ended.
    pub fn running(&self, number: u64) -> Option<&Sweep> {
        self.get(number).filter(|sweep| sweep.ended.is_none())
    }

    pub fn running_count(&self) -> usize {
        self.running.len()
    }

    /// The numbers of those of this queue that are under way.
    pub fn running_of(&self, queue: QueueNumber) -> Vec<u64> {
        let running = self.running.iter().copied();
        running
            .filter(|number| self.sweeps[number].queue == queue)
            .collect()
    }

    /// Whether a redrive of this queue is under way.
    pub fn redrives(&self, queue: QueueNumber) -> bool {
        let mut running = self.running.iter().map(|number| &self.sweeps[number]);
        running.any(|sweep| sweep.redrives(queue))
    }

    /// By number.
    pub fn iter(&self) -> impl Iterator<Item = &Sweep> {
        self.sweeps.values()
    }

    /// Those before `number`, the latest first.
    pub fn before(&self, number: u64) -> impl Iterator<Item = &Sweep> {
        self.sweeps.range(..number).rev().map(|(_, sweep)| sweep)
    }

    pub fn insert(&mut self, sweep: Sweep) {
        assert_eq!(sweep.number, self.next_number(), "sweeps count up by one");
        self.changed = true;
        self.numbered = sweep.number;
        self.running.insert(sweep.number);
        self.sweeps.insert(sweep.number, sweep);
    }

    pub fn end(&mut self, number: u64, end: SweepEnd, now_ms: u64) {
        let sweep = self.get_mut(number);
        sweep.expect("a sweep that ends is there").end(end, now_ms);
        self.running.remove(&number);
    }

    pub fn forget(&mut self, number: u64) {
        self.changed = true;
        let sweep = self.sweeps.remove(&number);
        let ended = sweep.is_some_and(|sweep| sweep.ended.is_some());
        assert!(ended, "only an ended sweep is forgotten");
    }

    pub fn fold(&self, fold: &mut impl FnMut(&[u8])) {
        fold(format!("{} {:?}", self.numbered, self.running).as_bytes());
        for sweep in self.iter() {
            let Sweep {
                number: _,
                queue,
                queue_name: _,
                plan: _,
                created_at_ms: _,
                numbered,
                total: _,
                cursor,
                tally: _,
                sample: _,
                next_at_ms,
                ended: _,
                scan: _,
            } = sweep;
            let inner = (queue, numbered, cursor, next_at_ms);
            fold(format!("{:?} {inner:?}", sweep.view()).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
