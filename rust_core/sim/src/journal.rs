//! The journal, and appends on their way to it. It compares sequences and nothing else, as JetStream does.
//!
//! Beside the bytes it keeps what only the simulator knows: which batches count. One counts when the batch that its
//! writer had before it is the last that counts; a replay must come to the same opinion from the bytes alone.

use std::rc::Rc;

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
    pub batches: Vec<Stored>,
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
            appends: Vec::new(),
            acks: Vec::new(),
            last: 0,
            truth,
        }
    }

    /// When something arrives next.
    pub fn next_ms(&self) -> Option<u64> {
        let appends = self.appends.iter().map(|append| append.arrives_at);
        appends
            .chain(self.acks.iter().map(|ack| ack.arrives_at))
            .min()
    }

    /// Stores or refuses the appends that arrive by now, in the order they were sent.
    pub fn take_appends(&mut self, now_ms: u64) {
        while let Some(at) = self
            .appends
            .iter()
            .position(|append| append.arrives_at <= now_ms)
        {
            let append = self.appends.remove(at);
            let outcome = self.take(&append);
            let Append { node, id, .. } = append;
            self.acks.extend(append.ack_after_ms.map(|after_ms| Ack {
                node,
                id,
                outcome,
                arrives_at: now_ms + after_ms,
            }));
        }
    }

    fn take(&mut self, append: &Append) -> Outcome {
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

    /// Whether this batch is there and counts.
    pub fn counts(&self, id: u64) -> bool {
        self.batches
            .iter()
            .any(|stored| stored.id == id && stored.counts)
    }
}
