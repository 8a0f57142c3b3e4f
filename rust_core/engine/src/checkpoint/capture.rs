//! Taking a checkpoint: what of the state a block keeps. Blocks are taken one at a time, kind by kind, each as it was
//! when the checkpoint began.

use super::image::{
    AttemptImage, Block, CopiesImage, DeathImage, DedupIdImage, FailuresImage, FlowImage, Head,
    Image, KeyImage, MessageImage, ResultImage, SettledImage,
};
use super::kind::{Extent, Kind};
use crate::attempts::Attempt;
use crate::copies::Copied;
use crate::dedup::Id;
use crate::flows::Flow;
use crate::history::Death;
use crate::ids::{PartitionNumber, QueueNumber};
use crate::keys::Key;
use crate::message::Message;
use crate::reply::Failures;
use crate::results::Done;
use crate::settled::{Ending, Entry};
use crate::state::State;

/// Runs a block of code with the part of the state that marks the changes of one kind of blocks.
macro_rules! part_of {
    ($state:expr, $kind:expr, $part:ident => $what:expr) => {{
        let state: &mut State = $state;
        match $kind {
            Kind::Messages => part_of!(@one state.messages.slots, $part => $what),
            Kind::Keys => part_of!(@one state.keys.keys, $part => $what),
            Kind::Flows => part_of!(@one state.flows.flows, $part => $what),
            Kind::DedupIds => part_of!(@one state.dedup.ids.entries, $part => $what),
            Kind::Settled => part_of!(@one state.settled.ring, $part => $what),
            Kind::Followed => part_of!(@one state.settled.followed, $part => $what),
            Kind::Retries => part_of!(@one state.history.retries_max, $part => $what),
            Kind::Backoffs => part_of!(@one state.history.backoffs, $part => $what),
            Kind::Failures => part_of!(@one state.history.failures, $part => $what),
            Kind::Deaths => part_of!(@one state.history.deaths, $part => $what),
            Kind::Copies => part_of!(@one state.copies.copied, $part => $what),
            Kind::Results => part_of!(@one state.results.done, $part => $what),
            Kind::Attempts => part_of!(@one state.attempts.by_serial, $part => $what),
            Kind::Queues => part_of!(@one state.queues.marks, $part => $what),
            Kind::Sweeps => part_of!(@one state.sweeps, $part => $what),
        }
    }};
    (@one $field:expr, $part:ident => $what:expr) => {{
        let $part = &mut $field;
        $what
    }};
}

impl State {
    /// See [`Partition::begin_checkpoint`](crate::partition::Partition::begin_checkpoint).
    pub fn begin_checkpoint(&mut self, partition: PartitionNumber, now_ms: u64) -> Head {
        for kind in Kind::ALL {
            part_of!(self, kind, part => part.begin());
        }
        self.head(partition, now_ms)
    }

    /// The next block; None: all were taken.
    pub fn next_block(&mut self) -> Option<Block> {
        Kind::ALL.into_iter().find_map(|kind| {
            let (index, image) = self.next_of(kind)?;
            Some(Block { index, image })
        })
    }

    /// The blocks taken are of no use.
    pub fn abandon_checkpoint(&mut self) {
        for kind in Kind::ALL {
            part_of!(self, kind, part => part.abandon());
        }
    }

    /// How much of each kind there is, and how much of it changed since the last checkpoint began.
    pub fn extents(&mut self) -> [Extent; Kind::ALL.len()] {
        Kind::ALL.map(|kind| {
            part_of!(self, kind, part => Extent {
                kind,
                #[cfg(test)]
                changed_blocks: part.changed(),
                changed: part.changed_entries(),
                all: part.len(),
            })
        })
    }

    /// Has a block written with the next checkpoint, changed or not.
    pub fn rewrite_block(&mut self, kind: Kind, index: u64) {
        part_of!(self, kind, part => part.rewrite(index));
    }

    fn head(&self, partition: PartitionNumber, now_ms: u64) -> Head {
        let arrays = [
            (self.messages.slots(), self.messages.first_free()),
            (self.keys.keys.len() as u32, self.keys.free),
            (self.flows.flows.len() as u32, self.flows.free),
            (self.dedup.ids.entries.len() as u32, self.dedup.ids.free),
        ];
        Head {
            partition,
            lsn: self.lsn,
            epoch: self.epoch,
            now_ms,
            secret: self.secret.unwrap_or_default(),
            numbered: self.numbered,
            arrays,
            settled: self.settled.serial,
            attempts: self.attempts.serial,
            queues: self.queues.next_number().0,
            reaping: self.queues.reaping_all().collect(),
            sweeps: self.sweeps.next_number() - 1,
        }
    }

    fn next_of(&mut self, kind: Kind) -> Option<(u64, Image)> {
        Some(match kind {
            Kind::Messages => array(self.messages.slots.next()?, message, Image::Messages),
            Kind::Keys => array(self.keys.keys.next()?, key, Image::Keys),
            Kind::Flows => array(self.flows.flows.next()?, flow, Image::Flows),
            Kind::DedupIds => array(self.dedup.ids.entries.next()?, dedup_id, Image::DedupIds),
            Kind::Settled => array(self.settled.ring.next()?, settled, Image::Settled),
            Kind::Followed => map(
                self.settled.followed.next()?,
                |one| one.to_vec(),
                Image::Followed,
            ),
            Kind::Retries => map(self.history.retries_max.next()?, |max| max, Image::Retries),
            Kind::Backoffs => map(self.history.backoffs.next()?, |own| own, Image::Backoffs),
            Kind::Failures => map(self.history.failures.next()?, failures, Image::Failures),
            Kind::Deaths => map(self.history.deaths.next()?, death, Image::Deaths),
            Kind::Copies => map(self.copies.copied.next()?, copies, Image::Copies),
            Kind::Results => map(self.results.done.next()?, result, Image::Results),
            Kind::Attempts => map(self.attempts.by_serial.next()?, attempt, Image::Attempts),
            Kind::Queues => {
                let (index, queues) = self.queues.marks.next(&self.queues.numbered)?;
                (index, Image::Queues(queues))
            }
            Kind::Sweeps => (0, Image::Sweeps(self.sweeps.next()?)),
        })
    }
}

fn array<T, I>(
    (index, entries): (u64, Vec<T>),
    image: fn(T) -> I,
    of: fn(Vec<I>) -> Image,
) -> (u64, Image) {
    (index, of(entries.into_iter().map(image).collect()))
}

fn map<T, I>(
    (index, entries): (u64, Vec<(u64, T)>),
    image: fn(T) -> I,
    of: fn(Vec<(u64, I)>) -> Image,
) -> (u64, Image) {
    let images = entries.into_iter().map(|(key, value)| (key, image(value)));
    (index, of(images.collect()))
}

fn message(message: Message) -> MessageImage {
    MessageImage {
        number: message.number(),
        envelope: message.envelope(),
        at_ms: message.since_ms(),
        leased_until_ms: message.leased_until_ms().unwrap_or(0),
        expires_at_ms: message.expires_at_ms(),
        queue: message.queue,
        key: message.key,
        flow: message.flow,
        next: message.next,
        previous: message.previous,
        deliveries: message.deliveries,
        attempts: message.attempts,
        priority: message.priority,
        status: message.status(),
    }
}

fn key(key: Key) -> KeyImage {
    KeyImage {
        queue: key.queue,
        hash: key.hash,
        list: key.list,
        head: key.head,
        waiting: (key.waiting.head, key.waiting.tail),
        next: key.next,
        previous: key.previous,
    }
}

fn flow(flow: Flow) -> FlowImage {
    FlowImage {
        queue: flow.queue,
        hash: flow.hash,
        messages: flow.messages,
    }
}

fn dedup_id(id: Id) -> DedupIdImage {
    DedupIdImage {
        key: id.key(),
        fingerprint: id.fingerprint,
        expires_at_ms: id.expires_at_ms,
        message: id.message(),
        next: id.next,
    }
}

fn settled(entry: Entry) -> SettledImage {
    SettledImage {
        copy: entry.copy,
        delivery: entry.delivery,
        acked: entry.ending == Ending::Acked,
    }
}

fn failures(failures: Failures) -> FailuresImage {
    FailuresImage {
        first_ms: failures.first_ms,
        last_ms: failures.last_ms,
        error: failures.error,
    }
}

fn death(death: Death) -> DeathImage {
    DeathImage {
        reason: death.reason,
        source_queue: (*death.source_queue).into(),
        source_group: (*death.source_group).into(),
        source_message: death.source_message,
        deliveries: death.deliveries,
        attempts: death.attempts,
        failures: death.failures.map(failures),
        died_at_ms: death.died_at_ms,
        ordering_key: death.ordering_key,
        redrives: death.redrives,
        over: death.over,
    }
}

fn copies(copied: Copied) -> CopiesImage {
    let copies = copied.copies.iter();
    let copies: Vec<(QueueNumber, u32)> = copies.map(|copy| (copy.queue, copy.slot)).collect();
    CopiesImage {
        first: copied.first,
        copies,
    }
}

fn result(done: Done) -> ResultImage {
    ResultImage {
        slot: done.slot,
        queue: done.queue,
        group: done.group,
        done_at_ms: done.done_at_ms,
        expires_at_ms: done.expires_at_ms,
        result: done.result,
    }
}

fn attempt(attempt: Attempt) -> AttemptImage {
    AttemptImage {
        key: attempt.key,
        at_ms: attempt.at_ms,
        leases: attempt.leases.into_vec(),
    }
}
