//! The checkpoints' stream, and what is on its way to it. Like the journal it compares sequences and nothing else. Purges
//! compare nothing: whoever sends one must know that what it takes is of no use to anybody.

use std::collections::BTreeMap;
use std::rc::Rc;

use codec::hash::BatchHash;
use engine::checkpoint::{Block, Head, Kind};

use crate::journal::Outcome;
use crate::plan::StoreFault;

/// A block's name.
pub(crate) type Place = (Kind, u64);

/// What was appended.
#[derive(Clone)]
pub(crate) enum Entry {
    Block(Rc<Block>),
    Manifest(Rc<Manifest>),
}

/// A checkpoint: it counts when this is stored.
pub(crate) struct Manifest {
    pub head: Head,
    /// Of the batch at the head's LSN.
    pub hash: BatchHash,
    /// Where each block lies.
    pub directory: BTreeMap<Place, u64>,
}

/// What is asked of the disk.
pub(crate) enum Request {
    /// Appends, in an epoch, behind this sequence.
    Put(Entry, u64, u64),
    /// Takes away the entries of the stream before this one.
    Purge(u64),
    /// Takes away the batches of the journal before this one, in an epoch.
    Trim(u64, u64),
}

/// A request on its way.
pub(crate) struct Sent {
    pub id: u64,
    pub node: usize,
    pub request: Request,
    pub arrives_at: u64,
    pub fault: Option<StoreFault>,
}

/// An answer on its way.
pub(crate) struct Answer {
    pub id: u64,
    pub node: usize,
    pub outcome: Outcome,
    pub arrives_at: u64,
}

/// See the module.
pub(crate) struct Store {
    /// All there ever was, each with the epoch it was written in.
    entries: Vec<(Entry, u64)>,
    /// Sequence of the first that is left.
    first: u64,
    /// Manifests there ever were.
    pub checkpoints: u64,
    pub sent: Vec<Sent>,
    pub answers: Vec<Answer>,
}

impl Store {
    pub fn new() -> Self {
        Store {
            entries: Vec::new(),
            first: 1,
            checkpoints: 0,
            sent: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// When something arrives next.
    pub fn next_ms(&self) -> Option<u64> {
        let sent = self.sent.iter().map(|sent| sent.arrives_at);
        let answers = self.answers.iter().map(|answer| answer.arrives_at);
        sent.chain(answers).min()
    }

    /// The next request that arrives by now, in the order they were sent.
    pub fn arrived(&mut self, now_ms: u64) -> Option<Sent> {
        let arrived = |sent: &Sent| sent.arrives_at <= now_ms;
        let at = self.sent.iter().position(arrived)?;
        Some(self.sent.remove(at))
    }

    /// The answers that arrive by now.
    pub fn answered(&mut self, now_ms: u64) -> Vec<Answer> {
        let all = self.answers.drain(..);
        let (arrived, left) = all.partition(|answer| answer.arrives_at <= now_ms);
        self.answers = left;
        arrived
    }

    /// A node died: nothing reaches it, and when `muted` nothing that it sent arrives.
    pub fn forget(&mut self, node: usize, muted: bool) {
        self.answers.retain(|answer| answer.node != node);
        self.sent.retain(|sent| !muted || sent.node != node);
    }

    /// The sequence of the last entry, and the epoch it was written in.
    pub fn last(&self) -> (u64, u64) {
        let epoch = self.entries.last().map_or(0, |(_, epoch)| *epoch);
        (self.entries.len() as u64, epoch)
    }

    pub fn put(&mut self, entry: Entry, epoch: u64, expected: u64) -> Outcome {
        if expected != self.last().0 {
            return Outcome::WrongLastSequence;
        }
        self.checkpoints += u64::from(matches!(entry, Entry::Manifest(_)));
        self.entries.push((entry, epoch));
        Outcome::Stored
    }

    pub fn purge(&mut self, first: u64) {
        self.first = self.first.max(first);
    }

    /// The last two manifests, the older one first.
    pub fn manifests(&self) -> Vec<(u64, Rc<Manifest>)> {
        let entries = (1..).zip(&self.entries).skip(self.first as usize - 1);
        let manifests = entries.filter_map(|(sequence, (entry, _))| match entry {
            Entry::Manifest(manifest) => Some((sequence, manifest.clone())),
            Entry::Block(_) => None,
        });
        let mut all: Vec<_> = manifests.collect();
        all.split_off(all.len().saturating_sub(2))
    }

    /// The blocks a manifest names. Panics when one is not there.
    pub fn blocks(&self, manifest: &Manifest) -> Vec<Rc<Block>> {
        let named = manifest.directory.iter();
        let block = |(place, sequence): (&Place, &u64)| {
            assert!(*sequence >= self.first, "block {place:?} was purged");
            match &self.entries[*sequence as usize - 1].0 {
                Entry::Block(block) => {
                    assert_eq!((block.image.kind(), block.index), *place, "another block");
                    block.clone()
                }
                Entry::Manifest(_) => panic!("a manifest lies where block {place:?} should"),
            }
        };
        named.map(block).collect()
    }

    /// Entries that are gone.
    pub fn purged(&self) -> u64 {
        self.first - 1
    }
}
