//! The model: what a queue does, said as plainly as a program can. Vectors and scans, no index, nothing clever.
//!
//! It is told a step's commands and replies and panics at the first reply that is not allowed. Where more than one
//! answer is right (which of several messages, how much jitter) it takes the engine's, after checking that it is one.
//! It shares the engine's vocabulary (commands, replies) and nothing else.

mod attempt;
mod change;
mod complete;
mod enqueue;
mod group;
mod lease;
mod limits;
mod look;
mod lost;
mod member;
mod message;
mod peek;
mod queue;
mod receive;
mod redrive;
mod retention;
mod settle;
mod sweep;
mod time;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use engine::Step;
use engine::command::Command;
use engine::config::Settings;
use engine::ids::{LeaseId, Location, MessageId, QueueNumber};
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
    homes_made: u32,
    shadows_made: u32,
    /// Those that can be named.
    pub queues: Vec<Queue>,
    /// In order of acceptance.
    pub messages: Vec<Message>,
    remembered: Vec<Remembered>,
    results: Vec<complete::Done>,
    sweeps: Vec<sweep::Sweep>,
    sweeps_made: u64,
    /// What sweeps did in this step.
    parts: Vec<sweep::Part>,
    endings: Vec<Ending>,
    attempts: Vec<attempt::Attempt>,
    /// Leases that this owner told again, as often as it did.
    told: Vec<LeaseId>,
    /// Positions given at the back of lines, and at their front.
    last_line: i64,
    first_line: i64,
    /// When each retry after a lease's end is due, as the engine drew it.
    drawn: Vec<(MessageId, u64)>,
    /// Messages that went to a dead-letter queue, in the engine's order: copies of one die at the same time.
    lettered: Vec<MessageId>,
    /// Their ids there.
    letters: Vec<MessageId>,
    /// Copies of deleted groups that are counted still: queue and number.
    doomed: Vec<(u32, u64)>,
    /// Groups in which a message became ready in this step, or may go now; and for which member, or anybody.
    woken: Vec<(u32, Option<Box<str>>)>,
    /// Who left in this step, in the engine's order.
    left: Vec<(u32, Box<str>)>,
    claims: Vec<Claim>,
    /// The batch that brought each text.
    written: BTreeMap<u32, u64>,
    /// Lost messages in this step that freed a dedup id.
    freed: BTreeSet<u64>,
    /// Payloads that were removed, alone or with their queue or group.
    pub gone: Vec<u32>,
    coverage: Rc<Coverage>,
}

impl Model {
    pub fn new(settings: Settings, coverage: Rc<Coverage>) -> Self {
        Model {
            settings,
            now_ms: 0,
            numbered: 0,
            queues_made: 0,
            homes_made: 0,
            shadows_made: 0,
            queues: Vec::new(),
            messages: Vec::new(),
            remembered: Vec::new(),
            results: Vec::new(),
            sweeps: Vec::new(),
            sweeps_made: 0,
            parts: Vec::new(),
            endings: Vec::new(),
            attempts: Vec::new(),
            told: Vec::new(),
            last_line: 0,
            first_line: 0,
            drawn: Vec::new(),
            lettered: Vec::new(),
            letters: Vec::new(),
            doomed: Vec::new(),
            woken: Vec::new(),
            left: Vec::new(),
            claims: Vec::new(),
            written: BTreeMap::new(),
            freed: BTreeSet::new(),
            gone: Vec::new(),
            coverage,
        }
    }

    /// Checks a step, and follows it. Returns what must lie where.
    pub fn step(&mut self, now_ms: u64, commands: &[Command], step: &Step) -> Vec<Claim> {
        self.begin(now_ms, step);
        self.retire();
        self.fire_timers();
        self.end_sessions();
        self.retire();
        assert_eq!(commands.len(), step.replies.len(), "one reply a command");
        for (command, reply) in commands.iter().zip(&step.replies) {
            self.check(command, reply);
        }
        assert!(
            self.drawn.is_empty(),
            "a retry nobody asked for: {:?}",
            self.drawn
        );
        assert!(
            self.parts.is_empty(),
            "a sweep nobody asked for: {:?}",
            self.parts
        );
        assert!(self.left.is_empty(), "{:?} left by themselves", self.left);
        self.note_business();
        self.check_invariants();
        self.check_woken(step);
        self.check_deadline(step);
        std::mem::take(&mut self.claims)
    }

    /// Which group did they die in? Of copies that died unseen at the same time the engine alone knows: to be asked
    /// first in the next step.
    pub fn riddles(&self) -> Vec<Command> {
        let riddles = self.letters.iter().filter(|id| self.is_riddle(id.number));
        riddles
            .map(|&message| Command::GetMessage { message })
            .collect()
    }

    fn is_riddle(&self, number: u64) -> bool {
        let mut letters = self
            .messages
            .iter()
            .filter(|letter| letter.number == number);
        let mut deaths = letters.find_map(|letter| letter.death.as_ref()).into_iter();
        deaths.any(|death| death.source_group.is_none())
    }

    /// A new owner: limits start empty, and it told nothing again.
    pub fn fence(&mut self, now_ms: u64) {
        assert!(now_ms >= self.now_ms, "time goes back");
        self.now_ms = now_ms;
        self.told.clear();
        let queues = &mut self.queues;
        queues
            .iter_mut()
            .for_each(|queue| queue.empty_limits(now_ms));
        // And everybody is seen once.
        let groups = queues.iter_mut().flat_map(|queue| &mut queue.groups);
        let members = groups.flat_map(|group| &mut group.members);
        members.for_each(|member| member.seen_ms = now_ms);
    }

    fn begin(&mut self, now_ms: u64, step: &Step) {
        assert!(now_ms >= self.now_ms, "time goes back");
        self.now_ms = now_ms;
        self.woken.clear();
        self.claims.clear();
        self.remembered.retain(|entry| entry.expires_at_ms > now_ms);
        self.results.retain(|done| done.expires_at_ms > now_ms);
        self.doomed.clear();
        self.drawn.clear();
        self.lettered.clear();
        self.left.clear();
        let letters = std::mem::take(&mut self.letters).into_iter();
        self.letters = letters.filter(|id| self.is_riddle(id.number)).collect();
        self.parts = sweep::parts(step);
        let brought = step.blobs.iter().map(|&token| (token, step.lsn));
        self.written.extend(brought);
        self.freed.clear();
        for record in &step.records {
            match record {
                Record::Retried {
                    message,
                    cause: FailureCause::LeaseEnded,
                    due_ms,
                    ..
                } => self.drawn.push((*message, *due_ms)),
                Record::MemberLeft { queue, consumer } => {
                    self.left.push((queue.0, consumer.clone()));
                }
                Record::Lost {
                    message,
                    freed: Some(_),
                } => {
                    self.freed.insert(message.number);
                }
                Record::DeadLettered {
                    message,
                    dead_letter,
                    ..
                } => {
                    self.lettered.push(*message);
                    self.letters.push(*dead_letter);
                }
                _ => {}
            }
        }
    }

    fn check(&mut self, command: &Command, reply: &Reply) {
        let expected = match command {
            Command::CreateQueue { name, config } => self.create_queue(name, config),
            Command::UpdateQueue { name, patch } => self.update_queue(name, (**patch).clone()),
            Command::DeleteQueue { name } => self.delete_queue(name),
            Command::GetQueue { name } => self.named(name).map(|at| self.queue_view(at)),
            Command::ListQueues {
                prefix,
                after,
                limit,
            } => Ok(self.list_queues(prefix, after.as_deref(), *limit)),
            Command::PauseQueue { name, what } => self.pause(name, *what, true),
            Command::ResumeQueue { name, what } => self.pause(name, *what, false),
            Command::PurgeQueue { name } => self.purge_queue(name),
            Command::CreateGroup {
                queue,
                group,
                groups_max,
            } => self.create_group(queue, group, *groups_max),
            Command::DeleteGroup { queue, group } => self.delete_group(queue, group),
            Command::GetGroup { queue, group } => self.get_group(queue, group),
            Command::ListGroups { queue } => self.list_groups(queue),
            Command::Heartbeat { .. } | Command::Seen { .. } | Command::Leave { .. } => {
                self.about_member(command)
            }
            Command::DeleteMessage { message } => {
                self.learn_from(*message, reply);
                self.delete_message(*message)
            }
            Command::ChangeMessage {
                message,
                delay_ms,
                priority,
            } => return self.change(*message, *delay_ms, *priority, reply),
            Command::Enqueue {
                queue,
                messages,
                atomic,
            } => return self.enqueue(queue, messages, *atomic, reply),
            Command::Receive { .. } => return self.receive(command, reply),
            Command::Ack(ack) => return self.complete(&(*ack).into(), reply),
            Command::Complete(complete) => return self.complete(complete, reply),
            Command::Nack(nack) => return self.check_nack(*nack, reply),
            Command::Extend(extend) => self
                .extend(*extend, None)
                .map(|leased_until_ms| Reply::Extended { leased_until_ms }),
            Command::Settle { .. } => return self.settle(command, reply),
            Command::Release(release) => return self.check_release(*release, reply),
            Command::GiveBack { leases } => Ok(self.give_back(leases)),
            Command::GetMessage { message } => return self.get(*message, reply),
            Command::Peek { .. } => return self.peek(command, reply),
            Command::DropLost(drop) => return self.drop_lost(drop, reply),
            Command::StartSweep(start) => self.start_sweep(start),
            Command::GetSweep { sweep, .. } => self.get_sweep(*sweep),
            Command::CancelSweep { sweep, .. } => self.cancel_sweep(*sweep),
            Command::StepSweep { sweep, .. } => Ok(Reply::SweepStepped(self.step_sweep(*sweep))),
            other => unreachable!("the model does not know {other:?}"),
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
        let found = queues.find(|queue| queue.has(message.home));
        found.expect("a message's queue can be named")
    }

    /// Where the message or copy is that lies there.
    fn find(&self, id: MessageId) -> Option<usize> {
        let is_it =
            |message: &Message| message.number == id.number && message.slot == Some(id.slot);
        self.messages.iter().position(is_it)
    }

    /// Where the message is that everybody knows by this id, in every group that holds it still: `default` first.
    fn known(&self, id: MessageId) -> Vec<usize> {
        let is_it =
            |message: &Message| message.number == id.number && message.known_slot == Some(id.slot);
        let all = 0..self.messages.len();
        all.filter(|&at| is_it(&self.messages[at])).collect()
    }

    fn position(&self, number: u64, home: u32) -> Option<usize> {
        let is_it = |message: &Message| message.number == number && message.home == home;
        self.messages.iter().position(is_it)
    }

    /// A reply gave this message that id: from now on everybody knows it by that, and by no other.
    fn learn(&mut self, at: usize, id: MessageId) {
        let (number, known) = (self.messages[at].number, self.messages[at].known_slot);
        assert_eq!(id.number, number, "another message's id");
        let same = known.is_none_or(|slot| slot == id.slot);
        assert!(same, "message {number} has two ids: {known:?}, {}", id.slot);
        for message in self
            .messages
            .iter_mut()
            .filter(|message| message.number == number)
        {
            message.known_slot = Some(id.slot);
        }
        if self.is_first(at) {
            self.learn_slot(at, id);
        }
    }

    /// Whether it lies where its id says: every message but a further group's copy.
    fn is_first(&self, at: usize) -> bool {
        let message = &self.messages[at];
        message
            .homes
            .first()
            .is_none_or(|first| *first == message.home)
    }

    /// A reply said that it lies there.
    fn learn_slot(&mut self, at: usize, id: MessageId) {
        let slot = self.messages[at].slot;
        let same = slot.is_none_or(|slot| slot == id.slot);
        assert!(same, "message {} lies in two slots", id.number);
        if slot.is_none() {
            let other = self
                .messages
                .iter()
                .any(|other| other.slot == Some(id.slot));
            assert!(!other, "two messages lie in slot {}", id.slot);
            self.messages[at].slot = Some(id.slot);
        }
    }

    /// Before a sweep's step: it names copies by slots that no reply told of.
    pub fn learn_copies(&mut self, copies: impl Iterator<Item = (MessageId, QueueNumber)>) {
        for (id, shadow) in copies {
            let mut groups = self.queues.iter().flat_map(|queue| &queue.groups);
            let home = groups.find(|group| group.shadow == shadow.0);
            // What a purge left behind is nobody's.
            let at = home.and_then(|group| self.position(id.number, group.home));
            if let Some(at) = at {
                self.learn_slot(at, id);
            }
        }
    }

    fn saw(&self, state: Option<State>, verb: &'static str, outcome: &'static str) {
        self.coverage.saw(state, verb, outcome);
    }
}
