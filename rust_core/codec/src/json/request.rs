//! Requests: from path, query and body to a command, or to an account of what is wrong with them.
//!
//! Every rule of the wire that needs no state is kept here, so a command's numbers are within their limits.

mod admit;
mod bytes_max;
mod complete;
mod config;
mod enqueue;
mod group;
mod manage;
mod queue;
mod read;
mod receive;
mod settle;
mod settle_batch;
mod sweep;
mod trim;

pub use admit::{Admitted, Authority, Refusal, Refused, Signed};
pub use bytes_max::give_back;
pub use config::PERIODS;
pub use group::seen;
pub use read::Peek;
pub use receive::Receive;
pub use sweep::step_sweep;
pub use trim::{drop_lost, trim};

use super::limits::Limits;
use crate::blob::Blobs;
use engine::command::{Ack, Command, Complete, Extend, Nack, Release};
use engine::config::QueueConfig;

/// What turns requests into commands.
#[derive(Clone, Debug)]
pub struct Requests {
    /// Bounds.
    pub limits: Limits,
    /// A new queue's settings.
    pub config_default: QueueConfig,
    /// What sets the payload limit, for the answer to a payload that exceeds it.
    pub payload_limit_source: String,
}

/// A validated request.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is asked.
    pub ask: Ask,
    /// Payloads and texts that a batch must carry when the answer is yes.
    pub blobs: Blobs,
    /// Upper bound of the journal bytes this request can cause.
    pub batch_bytes_max: usize,
}

/// What is asked of a partition. Receipts come unverified: only the partition's owner has the secret.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Needs no receipt.
    Plain(Command),
    /// The only message of an enqueue: its answer is that message's.
    EnqueueOne(Command),
    /// One lease is done.
    Ack(Signed<Ack>),
    /// One lease is done, and leaves something behind.
    Complete(Signed<Complete>),
    /// One delivery failed.
    Nack(Signed<Nack>),
    /// One consumer needs more time.
    Extend(Signed<Extend>),
    /// One consumer can't do it now.
    Release(Signed<Release>),
    /// Many of them, each with its own result.
    Settle(Settle),
}

/// A mixed batch of acks, nacks, extensions and releases.
#[derive(Clone, Debug, Default)]
pub struct Settle {
    /// Whose messages they are.
    pub queue: Box<str>,
    /// In the order they came; a refusal where the receipt is none.
    pub acks: Vec<Result<Signed<Complete>, Refusal>>,
    /// As `acks`.
    pub nacks: Vec<Result<Signed<Nack>, Refusal>>,
    /// As `acks`.
    pub extends: Vec<Result<Signed<Extend>, Refusal>>,
    /// As `acks`.
    pub releases: Vec<Result<Signed<Release>, Refusal>>,
}

impl Settle {
    /// How many messages its acks enqueue.
    pub fn follow_ups(&self) -> usize {
        let acks = self.acks.iter().flatten();
        acks.map(|ack| ack.verb.enqueue.len()).sum()
    }

    /// How many entries it has.
    pub fn count(&self) -> usize {
        self.acks.len() + self.nacks.len() + self.extends.len() + self.releases.len()
    }
}

impl Ask {
    /// Messages, or queues, that carrying it out touches at most: what bounds how long it takes.
    pub fn messages_max(&self) -> usize {
        match self {
            Ask::Plain(command) | Ask::EnqueueOne(command) => command.messages_max(),
            Ask::Ack(_) | Ask::Nack(_) | Ask::Extend(_) | Ask::Release(_) => 1,
            Ask::Complete(complete) => complete.verb.messages_max(),
            Ask::Settle(settle) => settle.count() + settle.follow_ups(),
        }
    }
}

impl Request {
    /// Whether it changes a queue's settings.
    pub fn is_update(&self) -> bool {
        matches!(self.ask, Ask::Plain(Command::UpdateQueue { .. }))
    }

    /// Whether it is there to bring messages. (An ack may bring some, too; but it takes one away.)
    pub fn is_enqueue(&self) -> bool {
        matches!(
            self.ask,
            Ask::EnqueueOne(_) | Ask::Plain(Command::Enqueue { .. })
        )
    }

    fn plain(command: Command, batch_bytes_max: usize) -> Self {
        Request {
            ask: Ask::Plain(command),
            blobs: Blobs::default(),
            batch_bytes_max,
        }
    }
}
