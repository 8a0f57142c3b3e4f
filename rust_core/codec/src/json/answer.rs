//! Answers: from the engine's replies to the JSON of REST, in one pass into memory of about the right size.
//!
//! Payloads are spliced in as they were sent. An answer keeps what it needs of the step that made
//! it, so it can be rendered later, when the batch is durable and the payloads are at hand.

mod batches;
mod enqueued;
mod explanation;
mod group;
mod message;
mod needs;
mod queue;
mod rejection;
mod settled;
mod sweep;
mod trimming;
mod write;

pub use batches::{Batches, Excerpt};

use super::request::{Ask, Refusal, Refused, Request};
use crate::batch::Fault;
use crate::receipt::Secret;
use engine::command::{Command, GiveBack, SweepChoice};
use engine::ids::PartitionNumber;
use engine::reply::{Delivered, LimitedBy, Reply, Trimming};
use engine::sweep::SweepProgress;
use std::borrow::Cow;

pub use write::Json;

/// What an answer needs of the step that made it.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Whose messages these are.
    pub partition: PartitionNumber,
    /// Signs receipts.
    pub secret: Secret,
    /// The ownership that receipts are written by.
    pub epoch: u64,
    /// The step's instant: what is due by then is ready.
    pub now_ms: u64,
}

/// What was asked, as far as the answer's shape depends on it.
#[derive(Clone, Debug)]
enum Asked {
    EnqueueOne,
    EnqueueAtomic,
    Queue(Box<str>),
    Other,
}

/// The answer to one request.
#[derive(Clone, Debug)]
pub struct Answer {
    asked: Asked,
    context: Context,
    outcome: Outcome,
}

#[derive(Clone, Debug)]
enum Outcome {
    Replied(Reply),
    Merged(Reply, Refused),
    Refused(Refusal),
}

impl Asked {
    fn of(ask: &Ask) -> Asked {
        match ask {
            Ask::EnqueueOne(_) => Asked::EnqueueOne,
            Ask::Plain(Command::Enqueue { atomic: true, .. }) => Asked::EnqueueAtomic,
            Ask::Plain(Command::Receive { queue, .. }) => Asked::Queue(queue.clone()),
            _ => Asked::Other,
        }
    }
}

impl Answer {
    /// The engine's reply to all of `ask`.
    pub fn replied(ask: &Ask, context: Context, reply: Reply) -> Answer {
        Answer {
            asked: Asked::of(ask),
            context,
            outcome: Outcome::Replied(reply),
        }
    }

    /// The engine's reply to a settle without its `refused` entries.
    pub fn merged(ask: &Ask, context: Context, reply: Reply, refused: Refused) -> Answer {
        Answer {
            asked: Asked::of(ask),
            context,
            outcome: Outcome::Merged(reply, refused),
        }
    }

    /// The edge's own no.
    pub fn refused(ask: &Ask, context: Context, refusal: Refusal) -> Answer {
        Answer {
            asked: Asked::of(ask),
            context,
            outcome: Outcome::Refused(refusal),
        }
    }

    fn reply(&self) -> Option<&Reply> {
        match &self.outcome {
            Outcome::Replied(reply) | Outcome::Merged(reply, _) => Some(reply),
            Outcome::Refused(_) => None,
        }
    }

    /// Code and detail when the rules said no to the whole request.
    pub fn rejection(&self) -> Option<(&'static str, Cow<'static, str>)> {
        match (&self.outcome, &self.asked) {
            (Outcome::Refused(refusal), _) => Some((refusal.code(), refusal.detail().into())),
            (Outcome::Replied(reply) | Outcome::Merged(reply, _), asked) => {
                rejection::of_reply(reply, asked)
            }
        }
    }

    /// True when a create-queue, a create-group or a single enqueue stored something new.
    pub fn created(&self) -> bool {
        match self.reply() {
            Some(Reply::QueueCreated { created, .. } | Reply::GroupCreated { created, .. }) => {
                *created
            }
            Some(Reply::Enqueued(results)) if matches!(self.asked, Asked::EnqueueOne) => {
                matches!(results.as_slice(), [Ok(accepted)] if !accepted.duplicate)
            }
            _ => false,
        }
    }

    /// How many messages a receive leased.
    pub fn message_count(&self) -> usize {
        match self.reply() {
            Some(Reply::Received { messages, .. }) => messages.len(),
            _ => 0,
        }
    }

    /// When an empty receive that a limit held back, or an enqueue that a limit refused, can be tried again.
    pub fn retry_after_ms(&self) -> Option<u64> {
        if let (Outcome::Replied(reply), asked) = (&self.outcome, &self.asked) {
            if let Some(rejection) = rejection::of_whole(reply, asked) {
                return rejection::retry_after_ms(rejection);
            }
        }
        match self.reply() {
            Some(Reply::Received {
                limited: Some(limited),
                ..
            }) => limited.retry_after_ms,
            _ => None,
        }
    }

    /// Whether its consumer's own rate limit held an empty receive back.
    pub fn limited_by_consumer(&self) -> bool {
        let limited = match self.reply() {
            Some(Reply::Received { limited, .. }) => limited.as_ref(),
            _ => None,
        };
        limited.is_some_and(|limited| limited.by == LimitedBy::Consumer)
    }

    /// What gives the leases back that a receive made.
    pub fn give_backs(&self) -> Vec<GiveBack> {
        let give_back = |message: &Delivered| GiveBack {
            lease: message.lease,
            ready_since_ms: message.ready_since_ms,
            told: message.told,
        };
        match self.reply() {
            Some(Reply::Received { messages, .. }) => messages.iter().map(give_back).collect(),
            _ => Vec::new(),
        }
    }

    /// The sweep that an answer is about.
    pub fn sweep(&self) -> Option<u64> {
        match self.reply() {
            Some(Reply::Sweep(view)) => Some(view.number),
            _ => None,
        }
    }

    /// After a step of a sweep: how long to wait before the next one; None when it is over.
    pub fn sweep_wait_ms(&self) -> Option<u64> {
        match self.reply() {
            Some(Reply::SweepStepped(SweepProgress::GoOn { wait_ms })) => Some(*wait_ms),
            Some(Reply::SweepStepped(SweepProgress::Look(_))) => Some(0),
            _ => None,
        }
    }

    /// After a step of a sweep that showed a page: what of it matches. `batches` holds those of [`Answer::lsns`].
    pub fn sweep_choice(&self, batches: &Batches<'_>) -> Result<Option<SweepChoice>, Fault> {
        match self.reply() {
            Some(Reply::SweepStepped(SweepProgress::Look(page))) => {
                sweep::choose(page, batches).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// What of the journal can go.
    pub fn trimming(&self) -> Option<&Trimming> {
        match self.reply() {
            Some(Reply::Trimming(trimming)) => Some(trimming),
            _ => None,
        }
    }

    /// What writes again what is in the journal's way. `batches` holds those of [`Answer::lsns`].
    pub fn moves(&self, batches: &Batches<'_>) -> Result<Option<Request>, Fault> {
        let trimming = self
            .trimming()
            .filter(|trimming| !trimming.found.is_empty());
        trimming
            .map(|trimming| trimming::moves(trimming, batches))
            .transpose()
    }

    /// The batches that [`Answer::render`] needs: ascending, each once.
    pub fn lsns(&self) -> Vec<u64> {
        self.reply().map_or_else(Vec::new, needs::lsns)
    }

    /// The answer's JSON. `batches` holds at least those of [`Answer::lsns`].
    pub fn render<'a>(&self, batches: &Batches<'a>) -> Result<Json<'a>, Fault> {
        let (bytes, payloads) = self.reply().map_or((256, 0), needs::size);
        let mut json = Json::with_capacity(bytes, payloads);
        match &self.outcome {
            Outcome::Refused(refusal) => {
                rejection::put_error(&mut json, refusal.code(), refusal.detail(), None)
            }
            Outcome::Merged(reply, refused) => {
                settled::put_merged(&mut json, &self.context, reply, refused)
            }
            Outcome::Replied(reply) => self.put(&mut json, reply, batches)?,
        }
        Ok(json)
    }

    fn put<'a>(
        &self,
        json: &mut Json<'a>,
        reply: &Reply,
        batches: &Batches<'a>,
    ) -> Result<(), Fault> {
        let now_ms = self.context.now_ms;
        match (reply, &self.asked) {
            (Reply::QueueCreated { queue, .. } | Reply::Queue(queue), _) => {
                queue::put(json, now_ms, queue)
            }
            (Reply::GroupCreated { group, .. } | Reply::Group(group), _) => {
                group::put(json, now_ms, group)
            }
            (Reply::Session { until_ms }, _) => {
                json.object(|json| json.instant("sessionUntil", *until_ms))
            }
            (Reply::Left { released }, _) => json.object(|json| json.number("released", *released)),
            (Reply::Groups(groups), _) => group::put_all(json, now_ms, groups),
            (
                Reply::QueueDeleted { messages }
                | Reply::QueuePurged { messages }
                | Reply::GroupDeleted { messages },
                _,
            ) => json.object(|json| json.number("messages", *messages)),
            (Reply::Queues { queues, more }, _) => queue::put_page(json, now_ms, queues, *more),
            (Reply::Enqueued(results), Asked::EnqueueOne) => {
                enqueued::put_one(json, &self.context, results, batches)?;
            }
            (Reply::Enqueued(results) | Reply::FollowUpsRefused(results), _) => {
                enqueued::put_batch(json, &self.context, results, batches)?;
            }
            (Reply::Completed { already, enqueued }, _) => {
                enqueued::put_acked(json, &self.context, *already, enqueued)
            }
            (Reply::Done(done), _) => message::put_done(json, &self.context, done, batches)?,
            (Reply::Received { messages, limited }, Asked::Queue(queue)) => {
                message::put_received(json, &self.context, queue, messages, *limited, batches)?;
            }
            (Reply::Explained(explanation), _) => {
                explanation::put(json, &self.context, explanation)
            }
            (Reply::Message(message), _) => {
                message::put_view(json, &self.context, message, batches)?
            }
            (
                Reply::Peeked {
                    messages,
                    more,
                    last,
                },
                _,
            ) => {
                let next = last.filter(|_| *more);
                message::put_page(json, &self.context, messages, next, batches)?;
            }
            (Reply::Sweep(view), _) => sweep::put(json, &self.context, view),
            (Reply::Sweeps { sweeps, more }, _) => {
                sweep::put_page(json, &self.context, sweeps, *more)
            }
            (Reply::Dropped(dropped), _) => trimming::put_dropped(json, &self.context, dropped),
            // Nobody is told but who drives it.
            (Reply::SweepStepped(_) | Reply::Trimming(_) | Reply::Moved { .. }, _) => {
                json.object(|_| {})
            }
            (other, _) => settled::put(json, &self.context, other),
        }
        Ok(())
    }
}
