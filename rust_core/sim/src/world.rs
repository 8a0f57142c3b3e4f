//! The world: simulated time, two nodes, the network and the journal between them, and clients that ask.
//!
//! Time jumps to the next event. Everything that happens follows from the plan.

use std::rc::Rc;

use engine::command::{Command, DropLost};
use engine::config::{QueueConfig, Settings};

use crate::chain::Hash;
use crate::clients::Clients;
use crate::coverage::Coverage;
use crate::journal::{Ack, Append, Journal, Truth};
use crate::ledger::Ledger;
use crate::model::Model;
use crate::node::{Fate, Node, NodeState, Question};
use crate::plan::{Action, Ask, CrashPoint, Fault, Side};
use crate::store::Store;

/// The simulated instant every plan begins at.
pub(crate) const START_MS: u64 = 1_700_000_000_000;
/// How long a node is down that dies at a crash point.
pub(crate) const CRASH_MS: u64 = 10;
const STANDBY_MS: u64 = 2_000;

/// See the module.
pub(crate) struct World {
    pub now_ms: u64,
    pub nodes: [Node; 2],
    pub journal: Journal,
    pub clients: Clients,
    pub ledger: Ledger,
    /// Of everything that happened.
    pub hash: Hash,
    pub steps: u64,
    pub appended: u64,
    pub store: Store,
    /// Requests that were sent to it.
    pub requested: u64,
    /// What reached a disk.
    pub operations: u64,
    crash: Option<CrashPoint>,
    coverage: Rc<Coverage>,
}

pub(crate) fn settings() -> Settings {
    Settings {
        queue_config: QueueConfig::new(20_000, 2),
        queues_max: 5,
        dedup_ids_max: u64::MAX,
        results_bytes_max: u64::MAX,
        segment_bytes: 64 << 20,
    }
}

impl World {
    pub fn new(coverage: Rc<Coverage>, crash: Option<CrashPoint>) -> Self {
        let model = Rc::new(Model::new(settings(), coverage.clone()));
        let first = NodeState::Recovering { at_ms: START_MS };
        let second = NodeState::Standby { since_ms: START_MS };
        World {
            now_ms: START_MS,
            nodes: [Node::new(first), Node::new(second)],
            journal: Journal::new(Truth {
                model,
                state_hash: 0,
            }),
            clients: Clients::default(),
            ledger: Ledger::default(),
            hash: Hash::default(),
            steps: 0,
            appended: 0,
            store: Store::new(),
            requested: 0,
            operations: 0,
            crash,
            coverage,
        }
    }

    // -- time

    /// Lets so much time pass, with all that it brings.
    pub fn advance(&mut self, ms: u64) {
        if ms == 0 {
            return;
        }
        let until_ms = self.now_ms + ms;
        self.pump();
        for ticks in 0.. {
            assert!(
                ticks < 100_000,
                "time does not get on: something is due again and again"
            );
            match self.next_ms() {
                Some(at_ms) if at_ms <= until_ms => self.now_ms = self.now_ms.max(at_ms),
                _ => break,
            }
            self.tick();
        }
        self.now_ms = until_ms;
    }

    fn next_ms(&self) -> Option<u64> {
        let nodes = self
            .nodes
            .iter()
            .filter_map(|node| node.next_ms(self.now_ms));
        let events = nodes
            .chain(self.journal.next_ms())
            .chain(self.store.next_ms())
            .chain(self.election().map(|(at_ms, _)| at_ms));
        events.min()
    }

    /// Nobody owns the partition: who will, and when.
    fn election(&self) -> Option<(u64, usize)> {
        if self.nodes.iter().any(Node::is_active) {
            return None;
        }
        let waiting = self
            .nodes
            .iter()
            .enumerate()
            .filter_map(|(at, node)| match node.state {
                NodeState::Standby { since_ms } => Some((since_ms + STANDBY_MS, at)),
                _ => None,
            });
        waiting.min()
    }

    fn tick(&mut self) {
        self.take_appends();
        for ack in self.journal.take_acks(self.now_ms) {
            if let Some(owner) = self.nodes[ack.node].owner() {
                owner.note(ack.id, ack.outcome);
            }
        }
        for at in 0..self.nodes.len() {
            let now_ms = self.now_ms;
            if let Some(owner) = self.nodes[at].owner() {
                owner.time_out(now_ms);
                self.settle(at);
            }
            match self.nodes[at].state {
                NodeState::Down { until_ms } if until_ms <= now_ms => {
                    self.nodes[at].state = NodeState::Standby { since_ms: now_ms };
                }
                NodeState::Recovering { at_ms } if at_ms <= now_ms => self.recover(at),
                _ => {}
            }
        }
        if let Some((_, at)) = self.election().filter(|(at_ms, _)| *at_ms <= self.now_ms) {
            self.nodes[at].state = NodeState::Recovering { at_ms: self.now_ms };
        }
        self.pump();
        self.take_requests();
    }

    /// Appends that arrive by now are stored or refused, in the order they were sent.
    fn take_appends(&mut self) {
        while let Some(append) = self.journal.arrived(self.now_ms) {
            let crash = self.crash_here();
            if crash == Some(Side::Before) {
                self.crash(append.node, CRASH_MS, true);
                continue;
            }
            let outcome = self.journal.take(&append);
            if crash == Some(Side::After) {
                self.crash(append.node, CRASH_MS, false);
                continue;
            }
            let Append { node, id, .. } = append;
            let ack = append.ack_after_ms.map(|after_ms| Ack {
                node,
                id,
                outcome,
                arrives_at: self.now_ms + after_ms,
            });
            self.journal.acks.extend(ack);
        }
    }

    /// Something reaches a disk: whether its sender dies here.
    pub fn crash_here(&mut self) -> Option<Side> {
        self.operations += 1;
        let here = self.crash.filter(|at| at.operation == self.operations);
        here.map(|at| at.side)
    }

    /// Whoever can step does.
    fn pump(&mut self) {
        for at in 0..self.nodes.len() {
            while self.nodes[at].can_step(self.now_ms) {
                self.step(at);
            }
        }
    }

    // -- what the plan does

    pub fn act(&mut self, action: &Action) {
        match action {
            Action::Ask(to, ask) => self.ask(*to, ask),
            Action::Fault(at, fault) => self.fail(*at, fault),
            Action::Checkpoint(at) => self.begin_checkpoint(*at),
            Action::Lose(to, ago) => self.lose(*to, *ago),
        }
    }

    fn ask(&mut self, to: usize, ask: &Ask) {
        let Some(command) = self.clients.command(ask) else {
            return;
        };
        let vanishes = matches!(ask, Ask::Receive { vanishes: true, .. });
        let question = Question::of_client(command);
        self.send(
            to,
            Question {
                vanishes,
                ..question
            },
        );
    }

    fn lose(&mut self, to: usize, ago: u64) {
        let Some(before_lsn) = self.journal.begin_of_instant(ago) else {
            return;
        };
        let drop = DropLost {
            before_lsn,
            from_slot: 0,
            text: self.clients.padded("lost", 3),
        };
        self.send(to, Question::of_client(Command::DropLost(drop)));
    }

    /// To the node that serves, the one named first; to one that will serve soon; or to nobody.
    pub fn send(&mut self, to: usize, question: Question) {
        let order = [to, 1 - to];
        let serving = order.into_iter().find(|&at| self.nodes[at].serves());
        let soon = order.into_iter().find(|&at| self.nodes[at].is_active());
        if let Some(at) = serving.or(soon) {
            self.nodes[at].inbox.push_back(question);
        }
    }

    fn fail(&mut self, at: usize, fault: &Fault) {
        let now_ms = self.now_ms;
        let node = &mut self.nodes[at];
        let mut fate = Fate::GOOD;
        match fault {
            Fault::AppendLost => fate.lost = true,
            Fault::AckLost => fate.ack_after_ms = None,
            Fault::AppendLate(ms) => fate.arrives_after_ms = *ms,
            Fault::AckLate(ms) => fate.ack_after_ms = Some(*ms),
            Fault::Refused => fate.refused = true,
            Fault::Crash(ms) => return self.crash(at, *ms, false),
            Fault::CrashMuted(ms) => return self.crash(at, *ms, true),
            Fault::Takeover => {
                if let NodeState::Standby { .. } = node.state {
                    node.state = NodeState::Recovering { at_ms: now_ms };
                }
                return;
            }
            Fault::Store(fault) => return node.store_faults.push_back(*fault),
            Fault::Distrust => {
                node.distrusts = true;
                return;
            }
            Fault::ClockJump(ms) => return node.jump(*ms),
            Fault::ClockStops(ms) => return node.stop_clock(now_ms, *ms),
            Fault::Damage(damage) => {
                return crate::damage::check_refused(&self.journal.batches, damage);
            }
        }
        node.fates.push_back(fate);
    }

    pub fn crash(&mut self, at: usize, ms: u64, muted: bool) {
        let node = &mut self.nodes[at];
        let mut lost: Vec<Question> = node.inbox.drain(..).collect();
        if let Some(owner) = node.owner() {
            let decided = owner.pending.drain(..).flat_map(|pending| pending.decided);
            lost.extend(decided.map(|(question, _)| question));
        }
        node.arrived_at = 0;
        node.fates.clear();
        node.store_faults.clear();
        node.state = NodeState::Down {
            until_ms: self.now_ms + ms,
        };
        if muted {
            self.journal.appends.retain(|append| append.node != at);
        }
        self.journal.acks.retain(|ack| ack.node != at);
        self.store.forget(at, muted);
        lost.iter()
            .for_each(|question| self.ledger.unanswered(&question.command));
    }

    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }
}
