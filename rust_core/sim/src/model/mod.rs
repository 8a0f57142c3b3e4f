//! The model: what a queue does, said as plainly as a program can. Vectors and scans, no index, nothing clever.
//!
//! It is told a step's commands and replies and panics at the first reply that is not allowed. Where more than one
//! answer is right (which of several messages, how much jitter) it takes the engine's, after checking that it is one.
//! It shares the engine's vocabulary (commands, replies) and nothing else.

mod enqueue;
mod lease;
mod look;
mod message;
mod queue;
mod receive;
mod settle;
mod time;

use std::rc::Rc;

use engine::Step;
use engine::command::Command;
use engine::config::Settings;
use engine::ids::{Location, MessageId};
use engine::record::{FailureCause, Record};
use engine::rejection::Rejection;
use engine::reply::{Reply, State};

use crate::coverage::Coverage;
pub(crate) use look::name;
pub(crate) use message::Message;
use message::{Ending, Remembered};
pub(crate) use queue::Queue;

/// What the model says of a location: these bytes lie there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    pub location: Location,
    /// Index of the text among all texts of the run.
    pub token: u32,
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Model {
    settings: Settings,
    now_ms: u64,
    /// The last message number given.
    numbered: u64,
    queues_made: u32,
    /// Those that can be named.
    pub queues: Vec<Queue>,
    /// In order of acceptance.
    pub messages: Vec<Message>,
    remembered: Vec<Remembered>,
    endings: Vec<Ending>,
    /// Positions given at the back of lines, and at their front.
    last_line: i64,
    first_line: i64,
    /// When each retry after a lease's end is due, as the engine drew it: message and instant.
    drawn: Vec<(u64, u64)>,
    /// Queues in which a message became ready in this step.
    woken: Vec<u32>,
    claims: Vec<Claim>,
    /// Payloads that went with a deleted queue.
    pub deleted: Vec<u32>,
    coverage: Rc<Coverage>,
}

impl Model {
    pub fn new(settings: Settings, coverage: Rc<Coverage>) -> Self {
        Model {
            settings,
            now_ms: 0,
            numbered: 0,
            queues_made: 0,
            queues: Vec::new(),
            messages: Vec::new(),
            remembered: Vec::new(),
            endings: Vec::new(),
            last_line: 0,
            first_line: 0,
            drawn: Vec::new(),
            woken: Vec::new(),
            claims: Vec::new(),
            deleted: Vec::new(),
            coverage,
        }
    }

    /// Checks a step, and follows it. Returns what must lie where.
    pub fn step(&mut self, now_ms: u64, commands: &[Command], step: &Step) -> Vec<Claim> {
        self.begin(now_ms, step);
        self.fire_timers();
        assert_eq!(commands.len(), step.replies.len(), "one reply a command");
        for (command, reply) in commands.iter().zip(&step.replies) {
            self.check(command, reply);
        }
        assert!(
            self.drawn.is_empty(),
            "a retry nobody asked for: {:?}",
            self.drawn
        );
        self.check_invariants();
        self.check_woken(step);
        self.check_deadline(step);
        std::mem::take(&mut self.claims)
    }

    /// A new owner: limits start empty.
    pub fn fence(&mut self, now_ms: u64) {
        assert!(now_ms >= self.now_ms, "time goes back");
        self.now_ms = now_ms;
        let queues = &mut self.queues;
        queues
            .iter_mut()
            .for_each(|queue| queue.empty_limits(now_ms));
    }

    fn begin(&mut self, now_ms: u64, step: &Step) {
        assert!(now_ms >= self.now_ms, "time goes back");
        self.now_ms = now_ms;
        self.woken.clear();
        self.claims.clear();
        self.remembered.retain(|entry| entry.expires_at_ms > now_ms);
        let drawn = step.records.iter().filter_map(|record| match record {
            Record::Retried {
                message,
                cause: FailureCause::LeaseEnded,
                due_ms,
                ..
            } => Some((message.number, *due_ms)),
            _ => None,
        });
        self.drawn = drawn.collect();
    }

    fn check(&mut self, command: &Command, reply: &Reply) {
        let expected = match command {
            Command::CreateQueue { name, config } => self.create_queue(name, config),
            Command::UpdateQueue { name, patch } => self.update_queue(name, patch.clone()),
            Command::DeleteQueue { name } => self.delete_queue(name),
            Command::GetQueue { name } => self.named(name).map(|at| self.queue_view(at)),
            Command::ListQueues { after, limit, .. } => {
                Ok(self.list_queues(after.as_deref(), *limit))
            }
            Command::Enqueue {
                queue,
                messages,
                atomic,
            } => return self.enqueue(queue, messages, *atomic, reply),
            Command::Receive { .. } => return self.receive(command, reply),
            Command::Ack(ack) => self
                .ack(ack.lease, None)
                .map(|already| Reply::Acked { already }),
            Command::Nack(nack) => return self.check_nack(*nack, reply),
            Command::Extend(extend) => self
                .extend(*extend, None)
                .map(|leased_until_ms| Reply::Extended { leased_until_ms }),
            Command::Settle { .. } => return self.settle(command, reply),
            Command::Release { leases } => Ok(self.release(leases)),
            Command::GetMessage { message } => return self.get(*message, reply),
            Command::Peek { .. } => return self.peek(command, reply),
            other => unreachable!("nobody asks for {other:?}"),
        };
        let expected = expected.unwrap_or_else(Reply::Rejected);
        assert_eq!(*reply, expected, "the answer to {command:?} is wrong");
    }

    // -- look-ups

    /// Where the queue of that name is.
    fn named(&self, name: &str) -> Result<usize, Rejection> {
        let position = self.queues.iter().position(|queue| *queue.name == *name);
        position.ok_or_else(|| Rejection::QueueNotFound { queue: name.into() })
    }

    fn queue_of(&self, message: &Message) -> &Queue {
        let mut queues = self.queues.iter();
        let found = queues.find(|queue| queue.number == message.queue);
        found.expect("a message's queue can be named")
    }

    /// Where the message is, if it is not gone.
    pub fn find(&self, id: MessageId) -> Option<usize> {
        let found = self.position(id.number)?;
        let slot = self.messages[found].slot;
        slot.is_none_or(|slot| slot == id.slot).then_some(found)
    }

    fn position(&self, number: u64) -> Option<usize> {
        let mut messages = self.messages.iter();
        messages.position(|message| message.number == number)
    }

    /// A reply named this message: from now on it is known by that id, and by no other.
    fn learn(&mut self, id: MessageId) {
        let at = self
            .position(id.number)
            .expect("a reply names a message that is gone");
        match self.messages[at].slot {
            Some(slot) => assert_eq!(slot, id.slot, "message {} has two ids", id.number),
            None => {
                let same = |other: &&Message| other.slot == Some(id.slot);
                let other = self.messages.iter().find(same);
                assert!(other.is_none(), "two messages lie in slot {}", id.slot);
                self.messages[at].slot = Some(id.slot);
            }
        }
    }

    fn saw(&self, state: Option<State>, verb: &'static str, outcome: &'static str) {
        self.coverage.saw(state, verb, outcome);
    }
}
