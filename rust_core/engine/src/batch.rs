//! The batch a step is building: each decision is applied as it is recorded, so the next one sees it.

use crate::budget::MOVED_AT_ONCE_MAX;
use crate::command::Blob;
use crate::ids::{GroupNumber, MessageId, QueueNumber};
use crate::members::Holder;
use crate::record::{Lease, Record};
use crate::state::State;
use crate::sweeps::Sweep;

/// See the module.
pub(crate) struct Batch<'a> {
    /// To read; only what records changes it, and what is volatile.
    state: &'a mut State,
    pub now_ms: u64,
    records: &'a mut Vec<Record>,
    blobs: &'a mut Vec<u32>,
    /// Messages that changes of members may still move in this step right when they happen, however many those are.
    pub moves_left: u32,
}

/// What the leases of one receive have in common.
pub(crate) struct Leasing {
    pub queue: QueueNumber,
    pub group: GroupNumber,
    pub holder: Holder,
    pub until_ms: u64,
    pub attempt: Option<u128>,
    /// More are not there.
    pub messages_max: usize,
}

impl<'a> Batch<'a> {
    pub fn new(
        state: &'a mut State,
        now_ms: u64,
        (records, blobs): (&'a mut Vec<Record>, &'a mut Vec<u32>),
    ) -> Self {
        Batch {
            state,
            now_ms,
            records,
            blobs,
            moves_left: MOVED_AT_ONCE_MAX,
        }
    }

    pub fn state(&self) -> &State {
        self.state
    }

    /// Nothing was recorded yet.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// So many records come next, each perhaps with a blob.
    pub fn expect(&mut self, records: usize) {
        self.records.reserve(records);
        self.blobs.reserve(records);
    }

    pub fn commit(&mut self, record: Record) {
        self.state.apply(&record);
        self.records.push(record);
    }

    /// Leases messages one after the other, each chosen (by `next`, which may change what is volatile) when the ones
    /// before it are gone. One record tells of all, as if they had been leased at once.
    pub fn lease(&mut self, leasing: Leasing, mut next: impl FnMut(&mut State) -> Option<Lease>) {
        let Leasing {
            queue,
            group,
            holder,
            until_ms,
            attempt,
            messages_max,
        } = leasing;
        let name = self.state.queues.get(queue).members.name(holder);
        let consumer = name.cloned().unwrap_or_default();
        let mut messages = Vec::with_capacity(messages_max);
        while let Some(lease) = next(self.state) {
            self.state.charge(lease.message.slot, &consumer);
            self.state.lease_one(queue, holder, until_ms, lease);
            messages.push(lease);
        }
        if !messages.is_empty() {
            self.state.count_leases(queue, messages.len() as u32);
            self.state.remember_attempt(queue, attempt, &messages);
            self.records.push(Record::Leased {
                queue,
                group,
                consumer,
                until_ms,
                attempt,
                messages,
            });
        }
    }

    /// Changes what is volatile: no record tells.
    pub fn change_volatile<T>(&mut self, change: impl FnOnce(&mut State) -> T) -> T {
        change(self.state)
    }

    /// Puts out the timer of a deleted queue's message. No record tells: the heap follows from the messages, and a
    /// timer of a queue that is gone decides nothing.
    pub fn disarm(&mut self, slot: u32) {
        let queue = self.state.messages[slot].queue;
        assert!(
            self.state.queues.get(queue).deleted,
            "only a deleted queue's timers mean nothing"
        );
        self.state.deadlines.remove(slot);
    }

    /// Looks at some more slots for the next messages of a sweep; true: there is more to look at. No record tells:
    /// what was found says where to look, and nothing else. Ids need no looking.
    pub fn look(
        &mut self,
        number: u64,
        slots_max: u32,
        is_candidate: impl Fn(&State, &Sweep, MessageId) -> bool,
    ) -> bool {
        let sweep = self.state.sweeps.get_mut(number);
        let mut scan = std::mem::take(&mut sweep.expect("a sweep is there").scan);
        let sweep = self.state.sweeps.get(number).expect("a sweep is there");
        let is_over = sweep.plan.ids.is_some() || scan.pass(sweep.cursor);
        let messages = &self.state.messages;
        let slots = scan.slots(messages.slots(), slots_max);
        let more = !is_over && slots.is_some();
        if let Some(slots) = slots.filter(|_| more) {
            let end = slots.end;
            for id in slots.map(|slot| messages.id(slot)) {
                let is_next = id.number > sweep.cursor && scan.wants(id.number);
                if is_next && is_candidate(self.state, sweep, id) {
                    scan.take(id);
                }
            }
            scan.looked_at(end, messages.slots());
        }
        let sweep = self.state.sweeps.get_mut(number);
        sweep.expect("a sweep is there").scan = scan;
        more
    }

    /// Takes a blob into the batch: the next record to be committed that counts bytes counts these.
    pub fn carry(&mut self, blob: Blob) {
        self.blobs.push(blob.index);
    }

    /// The number of the queue a command names.
    pub fn queue(&self, name: &str) -> Result<QueueNumber, crate::rejection::Rejection> {
        self.state.queues.named(name).map(|queue| queue.number)
    }
}
