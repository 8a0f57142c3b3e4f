//! A node: it replays the journal, fences, then steps and appends, as the server's partition does. Up to four appends
//! are in flight; answers leave in order, each when everything before it is durable; doubt ends the engine.

use std::collections::VecDeque;

use engine::command::{Command, GiveBack};
use engine::reply::Reply;

use crate::chain::Chain;
use crate::checkpoints::Checkpoints;
use crate::journal::Outcome;
use crate::model::Model;
use crate::plan::StoreFault;

/// Appends in flight.
pub(crate) const APPENDS_MAX: usize = 4;
/// Commands of one step.
pub(crate) const STEP_COMMANDS_MAX: usize = 6;

/// See the module.
pub(crate) struct Node {
    pub state: NodeState,
    /// The last one it served in.
    epoch: u64,
    /// Added to the true time.
    skew_ms: i64,
    /// Until when the clock stands still, and where.
    stopped: Option<(u64, u64)>,
    pub inbox: VecDeque<Question>,
    pub fates: VecDeque<Fate>,
    /// What becomes of the next requests of its checkpoints.
    pub store_faults: VecDeque<StoreFault>,
    /// It can't trust the newest checkpoint at its next start.
    pub distrusts: bool,
    /// Its connection's last append arrives then: those behind it not before.
    pub arrived_at: u64,
}

/// Where a node is in its life.
pub(crate) enum NodeState {
    Down {
        until_ms: u64,
    },
    Standby {
        since_ms: u64,
    },
    /// Replays and fences then.
    Recovering {
        at_ms: u64,
    },
    Fencing(Box<Owner>),
    Serving(Box<Owner>),
}

/// What a node has that owns the partition, or is about to.
pub(crate) struct Owner {
    pub chain: Chain,
    pub model: Model,
    /// The batch it had last, in the journal or on its way.
    pub last: u64,
    /// Its own batches that are not known to be stored, by LSN.
    pub pending: VecDeque<Pending>,
    pub next_deadline_ms: Option<u64>,
    pub checkpoints: Checkpoints,
}

/// A step whose answers wait.
pub(crate) struct Pending {
    /// None: it recorded nothing, and waits for those before it.
    pub append: Option<u64>,
    pub lsn: u64,
    pub bytes: std::rc::Rc<[u8]>,
    pub decided: Vec<(Question, Reply)>,
    pub outcome: Option<Outcome>,
    pub times_out_at: u64,
}

/// A command and what becomes of its answer.
#[derive(Clone)]
pub(crate) struct Question {
    pub command: Command,
    /// The client is gone when the answer comes.
    pub vanishes: bool,
    /// Nobody asked: the simulator looks, or the node itself gives leases back.
    pub own: bool,
    /// It gives back leases that may never have been.
    pub doubtful: bool,
}

/// What becomes of the next append.
#[derive(Clone, Copy)]
pub(crate) struct Fate {
    pub lost: bool,
    pub refused: bool,
    pub arrives_after_ms: u64,
    pub ack_after_ms: Option<u64>,
}

impl Fate {
    pub const GOOD: Fate = Fate {
        lost: false,
        refused: false,
        arrives_after_ms: 1,
        ack_after_ms: Some(1),
    };
}

impl Question {
    pub fn of_client(command: Command) -> Self {
        Question {
            command,
            vanishes: false,
            own: false,
            doubtful: false,
        }
    }

    pub fn own(command: Command) -> Self {
        Question {
            own: true,
            ..Question::of_client(command)
        }
    }
}

impl Node {
    pub fn new(state: NodeState) -> Self {
        Node {
            state,
            epoch: 0,
            skew_ms: 0,
            stopped: None,
            inbox: VecDeque::new(),
            fates: VecDeque::new(),
            store_faults: VecDeque::new(),
            distrusts: false,
            arrived_at: 0,
        }
    }

    /// Its clock.
    pub fn wall_ms(&self, now_ms: u64) -> u64 {
        match self.stopped {
            Some((until_ms, at_ms)) if now_ms < until_ms => at_ms,
            _ => now_ms.saturating_add_signed(self.skew_ms),
        }
    }

    pub fn jump(&mut self, ms: i64) {
        self.skew_ms += ms;
    }

    pub fn stop_clock(&mut self, now_ms: u64, ms: u64) {
        self.stopped = Some((now_ms + ms, self.wall_ms(now_ms)));
    }

    /// The true time when its clock shows `wall_ms`, or must be looked at again.
    fn when(&self, now_ms: u64, wall_ms: u64) -> u64 {
        let here_ms = self.wall_ms(now_ms);
        match self.stopped {
            _ if here_ms >= wall_ms => now_ms,
            Some((until_ms, _)) if now_ms < until_ms => until_ms,
            _ => now_ms + (wall_ms - here_ms),
        }
    }

    pub fn owner(&mut self) -> Option<&mut Owner> {
        match &mut self.state {
            NodeState::Fencing(owner) | NodeState::Serving(owner) => Some(owner),
            _ => None,
        }
    }

    pub fn is_active(&self) -> bool {
        !matches!(
            self.state,
            NodeState::Down { .. } | NodeState::Standby { .. }
        )
    }

    pub fn serves(&self) -> bool {
        matches!(self.state, NodeState::Serving(_))
    }

    /// Whether it would step now.
    pub fn can_step(&self, now_ms: u64) -> bool {
        let NodeState::Serving(owner) = &self.state else {
            return false;
        };
        let clock_ms = owner.clock_ms(self, now_ms);
        let is_due = |at_ms| at_ms <= clock_ms;
        (owner.next_deadline_ms.is_some_and(is_due) || !self.inbox.is_empty())
            && owner.pending.len() < APPENDS_MAX
    }

    /// When it does something by itself.
    pub fn next_ms(&self, now_ms: u64) -> Option<u64> {
        match &self.state {
            NodeState::Down { until_ms } => Some(*until_ms),
            NodeState::Standby { .. } => None,
            NodeState::Recovering { at_ms } => Some(*at_ms),
            NodeState::Fencing(owner) => owner.times_out_ms(),
            NodeState::Serving(owner) => {
                let has_room = owner.pending.len() < APPENDS_MAX;
                let deadline_ms = owner.next_deadline_ms.filter(|_| has_room);
                let due_ms = deadline_ms.map(|at_ms| match at_ms <= owner.clock_ms(self, now_ms) {
                    true => now_ms,
                    false => self.when(now_ms, at_ms),
                });
                [due_ms, owner.times_out_ms()].into_iter().flatten().min()
            }
        }
    }

    /// Leases that nobody will see are given back first thing.
    pub fn give_back(&mut self, leases: Vec<GiveBack>, doubtful: bool) {
        if !leases.is_empty() {
            let command = Command::GiveBack { leases };
            self.inbox.push_front(Question {
                doubtful,
                ..Question::own(command)
            });
        }
    }

    /// It serves in this epoch. When another owned the partition since it last did, that one's leases may bear the
    /// numbers of those in doubt: these end by themselves.
    pub fn serve_in(&mut self, epoch: u64) {
        if epoch != self.epoch + 1 {
            self.inbox.retain(|question| !question.doubtful);
        }
        self.epoch = epoch;
    }
}

impl Owner {
    /// The node's clock, which never shows less than the journal.
    pub fn clock_ms(&self, node: &Node, now_ms: u64) -> u64 {
        node.wall_ms(now_ms).max(self.chain.partition.now_ms())
    }

    fn times_out_ms(&self) -> Option<u64> {
        let waiting = self
            .pending
            .iter()
            .filter(|pending| pending.outcome.is_none());
        waiting.map(|pending| pending.times_out_at).min()
    }

    /// Notes how an append ended.
    pub fn note(&mut self, append: u64, outcome: Outcome) {
        let mut pending = self.pending.iter_mut();
        if let Some(found) = pending.find(|pending| pending.append == Some(append)) {
            found.outcome.get_or_insert(outcome);
        }
    }

    /// Those nobody heard of for too long.
    pub fn time_out(&mut self, now_ms: u64) {
        let late = self
            .pending
            .iter_mut()
            .filter(|pending| pending.times_out_at <= now_ms);
        late.for_each(|pending| {
            pending.outcome.get_or_insert(Outcome::Unknown);
        });
    }
}
