//! A node's doings: it takes over, steps, appends, answers, and gives up at the first doubt; and everything it says
//! and writes is checked.

use std::fmt::{Debug, Write};
use std::rc::Rc;

use codec::batch::View;
use engine::Step;
use engine::command::{Command, GiveBack};
use engine::ids::Location;
use engine::reply::Reply;

use crate::chain::Hash;
use crate::clients;
use crate::journal::{Append, Outcome, Truth};
use crate::model::Claim;
use crate::node::{Fate, NodeState, Owner, Pending, Question, STEP_COMMANDS_MAX};
use crate::world::World;

const TIME_OUT_MS: u64 = 5_000;
const RECOVERY_MS: u64 = 100;

impl World {
    pub(crate) fn recover(&mut self, at: usize) {
        let distrusts = std::mem::take(&mut self.nodes[at].distrusts);
        let (mut chain, checkpoints) = self.restore(distrusts);
        let mut model = (*self.journal.truth.model).clone();
        let now_ms = self.nodes[at]
            .wall_ms(self.now_ms)
            .max(chain.partition.now_ms());
        let step = chain.partition.fence(now_ms, [7; 32]);
        model.fence(now_ms);
        let mut owner = Owner {
            chain,
            model,
            last: self.journal.last,
            pending: Default::default(),
            next_deadline_ms: step.next_deadline_ms,
            checkpoints,
        };
        self.append(at, &mut owner, now_ms, &step, Vec::new());
        self.nodes[at].state = NodeState::Fencing(Box::new(owner));
    }

    pub(crate) fn step(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let wall_ms = node.wall_ms(self.now_ms);
        let is_sweep = |question: &&Question| matches!(question.command, Command::StepSweep { .. });
        let first = node.inbox.iter().position(|question| is_sweep(&question));
        // Whoever drives sweeps asks for one step after the other.
        let count = first.map_or(STEP_COMMANDS_MAX, |first| first + 1);
        let count = count.min(node.inbox.len()).min(STEP_COMMANDS_MAX);
        let mut questions: Vec<Question> = node.inbox.drain(..count).collect();
        let state = std::mem::replace(&mut node.state, NodeState::Down { until_ms: 0 });
        let NodeState::Serving(mut owner) = state else {
            unreachable!("only who serves steps")
        };
        let now_ms = wall_ms.max(owner.chain.partition.now_ms());
        let riddles = owner.model.riddles().into_iter().map(Question::own);
        questions.splice(0..0, riddles);
        let look = |name: &str| Question::own(Command::GetQueue { name: name.into() });
        questions.extend(owner.model.queues.iter().map(|queue| look(&queue.name)));
        let commands: Vec<Command> = questions
            .iter()
            .map(|question| question.command.clone())
            .collect();
        let own = questions.iter().filter(|question| question.own);
        own.for_each(|question| self.ledger.gives_back(&question.command, &owner.model));
        if first.is_some() {
            owner.model.learn_copies(owner.chain.partition.copies());
        }
        let step = owner.chain.partition.step(now_ms, commands.clone());
        self.note(&(at, now_ms, &step.replies));
        let claims = owner.model.step(now_ms, &commands, &step);
        owner.next_deadline_ms = step.next_deadline_ms;
        let decided = questions.into_iter().zip(step.replies.iter().cloned());
        let decided = decided.filter(|(question, _)| !question.own).collect();
        self.append(at, &mut owner, now_ms, &step, decided);
        claims
            .iter()
            .for_each(|claim| self.check_claim(&owner, claim));
        self.steps += 1;
        self.nodes[at].state = NodeState::Serving(owner);
        self.settle(at);
    }

    /// A step's batch goes on its way, if it has one; its answers wait.
    fn append(
        &mut self,
        at: usize,
        owner: &mut Owner,
        now_ms: u64,
        step: &Step,
        decided: Vec<(Question, Reply)>,
    ) {
        let mut pending = Pending {
            append: None,
            lsn: step.lsn,
            bytes: Rc::new([]),
            decided,
            outcome: Some(Outcome::Stored),
            times_out_at: self.now_ms + TIME_OUT_MS,
        };
        if !step.records.is_empty() {
            pending.bytes = owner.chain.frame(now_ms, step, &self.clients.texts).into();
            self.hash.add(&pending.bytes);
            let parent = owner.last;
            self.appended += 1;
            owner.last = self.appended;
            pending.append = Some(self.appended);
            pending.outcome = None;
            let truth = Truth {
                model: Rc::new(owner.model.clone()),
                state_hash: owner.chain.state_hash(),
            };
            self.post(at, parent, &pending, truth);
        }
        owner.pending.push_back(pending);
    }

    fn post(&mut self, at: usize, parent: u64, pending: &Pending, truth: Truth) {
        let node = &mut self.nodes[at];
        let fate = node.fates.pop_front().unwrap_or(Fate::GOOD);
        node.arrived_at = node.arrived_at.max(self.now_ms + fate.arrives_after_ms);
        if fate.lost {
            return;
        }
        self.journal.appends.push(Append {
            id: self.appended,
            parent,
            node: at,
            expected: pending.lsn - 1,
            bytes: pending.bytes.clone(),
            refused: fate.refused,
            arrives_at: node.arrived_at,
            ack_after_ms: fate.ack_after_ms,
            truth,
        });
    }

    /// Answers whose turn it is leave; at the first doubt the engine is dropped.
    pub(crate) fn settle(&mut self, at: usize) {
        while let Some(owner) = self.nodes[at].owner() {
            let Some(outcome) = owner.pending.front().and_then(|pending| pending.outcome) else {
                return;
            };
            if outcome != Outcome::Stored {
                return self.poison(at, outcome);
            }
            let pending = owner.pending.pop_front().expect("it was looked at");
            if let Some(id) = pending.append {
                assert!(
                    self.journal.counts(id),
                    "an append is acknowledged that does not count"
                );
            }
            let answers = pending.decided.into_iter();
            answers.for_each(|(question, reply)| self.answer(at, &question, &reply));
            self.begin_serving(at);
        }
    }

    /// The fence is durable.
    fn begin_serving(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let state = std::mem::replace(&mut node.state, NodeState::Down { until_ms: 0 });
        node.state = match state {
            NodeState::Fencing(owner) => {
                node.serve_in(owner.chain.partition.epoch());
                NodeState::Serving(owner)
            }
            other => other,
        };
    }

    fn poison(&mut self, at: usize, outcome: Outcome) {
        let now_ms = self.now_ms;
        let node = &mut self.nodes[at];
        let fencing = !node.serves();
        let pending = node.owner().map(|owner| std::mem::take(&mut owner.pending));
        for (question, reply) in pending
            .into_iter()
            .flatten()
            .flat_map(|pending| pending.decided)
        {
            node.give_back(leases(&reply), true);
            self.ledger.unanswered(&question.command);
        }
        node.arrived_at = 0;
        node.state = match outcome {
            Outcome::WrongLastSequence if fencing => NodeState::Recovering { at_ms: now_ms },
            Outcome::WrongLastSequence => NodeState::Standby { since_ms: now_ms },
            _ => NodeState::Recovering {
                at_ms: now_ms + RECOVERY_MS,
            },
        };
        if !node.is_active() {
            node.inbox.retain(|question| question.own);
        }
    }

    /// Whoever was deposed and does not know it is told by the lease on the ownership.
    pub(crate) fn lose_ownership(&mut self) {
        for at in 0..self.nodes.len() {
            let last = self.journal.last;
            let knows = |owner: &mut Owner| owner.last == last || !owner.pending.is_empty();
            if self.nodes[at].serves() && !self.nodes[at].owner().is_some_and(knows) {
                self.poison(at, Outcome::WrongLastSequence);
            }
        }
    }

    fn answer(&mut self, at: usize, question: &Question, reply: &Reply) {
        if question.vanishes {
            return self.nodes[at].give_back(leases(reply), false);
        }
        let journal = &self.journal;
        self.ledger
            .answered(&question.command, reply, |index| match reply {
                Reply::Received { messages, .. } => {
                    let location = messages[index].envelope;
                    let bytes = &journal.read(location.lsn).bytes;
                    clients::token(blob(bytes, location))
                }
                other => panic!("{other:?} carries no messages"),
            });
        self.clients.learn(reply);
    }

    /// The bytes the engine says are a text are it.
    fn check_claim(&self, owner: &Owner, claim: &Claim) {
        let lsn = claim.location.lsn;
        let own = owner
            .pending
            .iter()
            .find(|pending| pending.append.is_some() && pending.lsn == lsn);
        let is_deposed = owner.chain.partition.epoch() < self.journal.trimmed_in;
        let bytes = match own {
            Some(pending) => &pending.bytes,
            // Nobody hears what one says who was deposed, and another has trimmed.
            None if lsn < self.journal.first && is_deposed => return,
            None => &self.journal.read(lsn).bytes,
        };
        let expected = &self.clients.texts[claim.token as usize];
        assert_eq!(
            blob(bytes, claim.location),
            expected,
            "{:?} is not text {}",
            claim.location,
            claim.token
        );
    }

    fn note(&mut self, what: &impl Debug) {
        struct Sink<'a>(&'a mut Hash);
        impl Write for Sink<'_> {
            fn write_str(&mut self, text: &str) -> std::fmt::Result {
                self.0.add(text.as_bytes());
                Ok(())
            }
        }
        write!(Sink(&mut self.hash), "{what:?}").expect("a hash takes everything");
    }
}

fn blob(batch: &[u8], location: Location) -> &[u8] {
    let view = View::open(batch).expect("a batch of the journal");
    view.blob(location).expect("a text lies in its batch")
}

fn leases(reply: &Reply) -> Vec<GiveBack> {
    match reply {
        Reply::Received { messages, .. } => messages.iter().map(clients::release).collect(),
        _ => Vec::new(),
    }
}
