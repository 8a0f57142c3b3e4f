//! The journal, and appends on their way to it. It compares sequences and nothing else, as JetStream does.
//!
//! Beside the bytes it keeps what only the simulator knows: which batches count. One counts when the batch that its
//! writer had before it is the last that counts; a replay must come to the same opinion from the bytes alone.

use std::rc::Rc;

use codec::batch::View;

use crate::model::Model;

/// How an append ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Stored,
    WrongLastSequence,
    Refused,
    /// Nothing was heard.
    Unknown,
}

/// An append on its way.
#[derive(Clone)]
pub(crate) struct Append {
    pub id: u64,
    /// The batch its writer had before it.
    pub parent: u64,
    pub node: usize,
    pub expected: u64,
    pub bytes: Rc<[u8]>,
    pub refused: bool,
    pub arrives_at: u64,
    /// None: the answer is lost.
    pub ack_after_ms: Option<u64>,
    /// What is true once it counts.
    pub truth: Truth,
}

/// An answer on its way.
pub(crate) struct Ack {
    pub node: usize,
    pub id: u64,
    pub outcome: Outcome,
    pub arrives_at: u64,
}

/// What is true after a batch.
#[derive(Clone)]
pub(crate) struct Truth {
    pub model: Rc<Model>,
    pub state_hash: u64,
}

/// A batch in the journal.
pub(crate) struct Stored {
    pub id: u64,
    pub bytes: Rc<[u8]>,
    pub counts: bool,
}

/// See the module.
pub(crate) struct Journal {
    /// All there ever were, those that were trimmed included.
    pub batches: Vec<Stored>,
    /// Sequence of the first that is left, and the last epoch in which it was trimmed.
    pub first: u64,
    pub trimmed_in: u64,
    pub appends: Vec<Append>,
    pub acks: Vec<Ack>,
    /// The last batch that counts; 0: none.
    pub last: u64,
    pub truth: Truth,
}

impl Journal {
    pub fn new(truth: Truth) -> Self {
        Journal {
            batches: Vec::new(),
            first: 1,
            trimmed_in: 0,
            appends: Vec::new(),
            acks: Vec::new(),
            last: 0,
            truth,
        }
    }

    /// The sequence of a batch so long ago, or before: no batch that counts and comes before it is of the same instant.
    pub fn begin_of_instant(&self, ago: u64) -> Option<u64> {
        let instant = |stored: &Stored| {
            let view = View::open(&stored.bytes).expect("a batch of the journal");
            view.header.now_ms
        };
        let counting = (1..).zip(&self.batches).filter(|(_, stored)| stored.counts);
        let counting: Vec<(u64, u64)> = counting.map(|(at, one)| (at, instant(one))).collect();
        let last = counting.len().checked_sub(1 + ago as usize)?;
        let first = counting.partition_point(|&(_, now_ms)| now_ms < counting[last].1);
        Some(counting[first].0)
    }

    /// When something arrives next.
    pub fn next_ms(&self) -> Option<u64> {
        let appends = self.appends.iter().map(|append| append.arrives_at);
        appends
            .chain(self.acks.iter().map(|ack| ack.arrives_at))
            .min()
    }

    /// The next append that arrives by now, in the order they were sent.
    pub fn arrived(&mut self, now_ms: u64) -> Option<Append> {
        let arrived = |append: &Append| append.arrives_at <= now_ms;
        let at = self.appends.iter().position(arrived)?;
        Some(self.appends.remove(at))
    }

    /// Stores or refuses an append.
    pub fn take(&mut self, append: &Append) -> Outcome {
        if append.refused {
            return Outcome::Refused;
        }
        if append.expected != self.batches.len() as u64 {
            return Outcome::WrongLastSequence;
        }
        let counts = append.parent == self.last;
        let (id, bytes) = (append.id, append.bytes.clone());
        self.batches.push(Stored { id, bytes, counts });
        if counts {
            self.last = append.id;
            self.truth = append.truth.clone();
        }
        Outcome::Stored
    }

    /// The answers that arrive by now.
    pub fn take_acks(&mut self, now_ms: u64) -> Vec<Ack> {
        let (mut arrived, left): (Vec<Ack>, Vec<Ack>) = self
            .acks
            .drain(..)
            .partition(|ack| ack.arrives_at <= now_ms);
        self.acks = left;
        arrived.sort_by_key(|ack| (ack.arrives_at, ack.id));
        arrived
    }

    /// The batch at a sequence. Panics when it was trimmed.
    pub fn read(&self, sequence: u64) -> &Stored {
        assert!(sequence >= self.first, "batch {sequence} was trimmed");
        &self.batches[sequence as usize - 1]
    }

    /// Takes away the batches before this one.
    pub fn trim(&mut self, first: u64, epoch: u64) {
        self.first = self.first.max(first);
        self.trimmed_in = self.trimmed_in.max(epoch);
    }

    /// Whether this batch is there and counts.
    pub fn counts(&self, id: u64) -> bool {
        self.batches
            .iter()
            .any(|stored| stored.id == id && stored.counts)
    }
}
