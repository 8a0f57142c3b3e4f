//! Which transitions were seen: (state, verb, outcome). The table is written by hand; the model reports what it sees.

use std::cell::RefCell;
use std::collections::BTreeSet;

use engine::reply::State;

/// A state, what was asked or happened, and what came of it.
pub type Transition = (&'static str, &'static str, &'static str);

/// Every transition that can be reached. `none`: no message, or one that is gone.
pub const TABLE: &[Transition] = &[
    ("none", "create queue", "made"),
    ("none", "create queue", "there"),
    ("none", "update queue", "changed"),
    ("none", "enqueue", "ready"),
    ("none", "enqueue", "delayed"),
    ("none", "enqueue", "blocked"),
    ("none", "enqueue again", "duplicate"),
    ("none", "enqueue again", "conflict"),
    ("ready", "enqueue again", "duplicate"),
    ("ready", "enqueue again", "conflict"),
    ("blocked", "enqueue again", "duplicate"),
    ("blocked", "enqueue again", "conflict"),
    ("delayed", "enqueue again", "duplicate"),
    ("delayed", "enqueue again", "conflict"),
    ("leased", "enqueue again", "duplicate"),
    ("leased", "enqueue again", "conflict"),
    ("dead", "enqueue again", "duplicate"),
    ("dead", "enqueue again", "conflict"),
    ("ready", "receive", "leased"),
    ("ready", "receive", "limited"),
    ("ready", "receive", "does not fit"),
    ("ready", "receive", "consumer limited"),
    ("ready", "receive", "key limited"),
    ("ready", "receive", "of others"),
    ("blocked", "receive", "passed over"),
    ("delayed", "receive", "passed over"),
    ("leased", "receive", "passed over"),
    ("dead", "receive", "passed over"),
    ("leased", "receive again", "the same"),
    ("none", "receive again", "ended"),
    ("none", "receive again", "too late"),
    ("leased", "ack", "acked"),
    ("none", "ack", "already"),
    ("none", "ack", "lease lost"),
    ("ready", "ack", "lease lost"),
    ("delayed", "ack", "lease lost"),
    ("leased", "ack", "lease lost"),
    ("dead", "ack", "lease lost"),
    ("leased", "complete", "acked"),
    ("leased", "complete", "kept"),
    ("leased", "complete", "refused"),
    ("none", "complete", "already"),
    ("none", "complete", "lease lost"),
    ("ready", "complete", "lease lost"),
    ("delayed", "complete", "lease lost"),
    ("leased", "complete", "lease lost"),
    ("dead", "complete", "lease lost"),
    ("none", "join", "joined"),
    ("none", "join", "refused"),
    ("none", "leave", "left"),
    ("none", "leave", "is none"),
    ("none", "session", "ended"),
    ("leased", "session", "failed"),
    ("leased", "leave", "ready"),
    ("none", "get", "done"),
    ("none", "enqueue again", "result"),
    ("leased", "nack", "ready"),
    ("leased", "nack", "delayed"),
    ("leased", "nack", "dead"),
    ("leased", "nack", "deadLettered"),
    ("leased", "nack, its time over", "dead"),
    ("leased", "nack, its time over", "deadLettered"),
    ("none", "nack", "already"),
    ("ready", "nack", "already"),
    ("delayed", "nack", "already"),
    ("dead", "nack", "already"),
    ("none", "nack", "lease lost"),
    ("ready", "nack", "lease lost"),
    ("delayed", "nack", "lease lost"),
    ("leased", "nack", "lease lost"),
    ("dead", "nack", "lease lost"),
    ("leased", "extend", "leased"),
    ("none", "extend", "lease lost"),
    ("ready", "extend", "lease lost"),
    ("delayed", "extend", "lease lost"),
    ("leased", "extend", "lease lost"),
    ("dead", "extend", "lease lost"),
    ("leased", "release", "ready"),
    ("leased", "release", "delayed"),
    ("leased", "release, its time over", "dead"),
    ("leased", "release, its time over", "deadLettered"),
    ("none", "release", "already"),
    ("ready", "release", "already"),
    ("delayed", "release", "already"),
    ("dead", "release", "already"),
    ("none", "release", "lease lost"),
    ("ready", "release", "lease lost"),
    ("delayed", "release", "lease lost"),
    ("leased", "release", "lease lost"),
    ("dead", "release", "lease lost"),
    ("leased", "give back", "ready"),
    ("leased", "give back", "told again"),
    ("none", "give back", "passed over"),
    ("ready", "give back", "passed over"),
    ("delayed", "give back", "passed over"),
    ("leased", "give back", "passed over"),
    ("dead", "give back", "passed over"),
    ("ready", "settle", "other queue"),
    ("delayed", "settle", "other queue"),
    ("leased", "settle", "other queue"),
    ("dead", "settle", "other queue"),
    ("delayed", "due", "ready"),
    ("blocked", "turn", "ready"),
    ("blocked", "turn", "delayed"),
    ("leased", "lease end", "ready"),
    ("leased", "lease end", "delayed"),
    ("leased", "lease end", "dead"),
    ("leased", "lease end", "deadLettered"),
    ("ready", "expire", "dead"),
    ("ready", "expire", "deadLettered"),
    ("blocked", "expire", "dead"),
    ("blocked", "expire", "deadLettered"),
    ("delayed", "expire", "dead"),
    ("delayed", "expire", "deadLettered"),
    ("leased", "expire", "dead"),
    ("leased", "expire", "deadLettered"),
    ("none", "get", "not found"),
    ("ready", "get", "shown"),
    ("blocked", "get", "shown"),
    ("delayed", "get", "shown"),
    ("leased", "get", "shown"),
    ("dead", "get", "shown"),
    ("ready", "peek", "shown"),
    ("ready", "peek", "nothing"),
    ("delayed", "peek", "shown"),
    ("delayed", "peek", "nothing"),
    ("leased", "peek", "shown"),
    ("leased", "peek", "nothing"),
    ("dead", "peek", "shown"),
    ("dead", "peek", "nothing"),
    ("ready", "delete queue", "gone"),
    ("blocked", "delete queue", "gone"),
    ("delayed", "delete queue", "gone"),
    ("leased", "delete queue", "gone"),
    ("dead", "delete queue", "gone"),
    ("none", "enqueue", "refused"),
    ("none", "copy", "ready"),
    ("none", "copy", "delayed"),
    ("none", "copy", "blocked"),
    ("none", "create group", "made"),
    ("none", "pause queue", "paused"),
    ("none", "pause queue", "resumed"),
    ("none", "receive", "paused"),
    ("ready", "receive", "as many as may be"),
    ("blocked", "peek", "shown"),
    ("blocked", "peek", "nothing"),
    ("dead", "retire", "gone"),
    ("ready", "retire", "gone"),
    ("delayed", "retire", "gone"),
    ("ready", "lose", "gone"),
    ("blocked", "lose", "gone"),
    ("delayed", "lose", "gone"),
    ("leased", "lose", "gone"),
    ("dead", "lose", "gone"),
    ("none", "sweep", "begun"),
    ("none", "sweep", "waits"),
    ("none", "sweep", "cancelled"),
    ("none", "sweep", "ended"),
    ("ready", "sweep", "redriven"),
    ("dead", "sweep", "redriven"),
    ("delayed", "sweep", "redriven"),
    ("blocked", "sweep", "redriven"),
    ("ready", "sweep", "cancelled"),
    ("blocked", "sweep", "cancelled"),
    ("delayed", "sweep", "cancelled"),
    ("dead", "sweep", "cancelled"),
    ("none", "change", "not found"),
    ("leased", "change", "refused"),
    ("dead", "change", "refused"),
    ("ready", "change", "is so"),
    ("ready", "change", "ready"),
    ("ready", "change", "delayed"),
    ("delayed", "change", "is so"),
    ("delayed", "change", "ready"),
    ("delayed", "change", "delayed"),
    ("blocked", "change", "is so"),
    ("blocked", "change", "blocked"),
    ("none", "delete", "not found"),
    ("leased", "delete", "refused"),
    ("ready", "delete", "gone"),
    ("blocked", "delete", "gone"),
    ("delayed", "delete", "gone"),
    ("dead", "delete", "gone"),
    ("ready", "purge queue", "gone"),
    ("ready", "delete group", "gone"),
    ("blocked", "purge queue", "gone"),
    ("blocked", "delete group", "gone"),
    ("delayed", "purge queue", "gone"),
    ("delayed", "delete group", "gone"),
    ("leased", "purge queue", "gone"),
    ("leased", "delete group", "gone"),
    ("dead", "purge queue", "gone"),
    ("dead", "delete group", "gone"),
];

/// What only an owner sees that was deposed and does not know it: a lease that its successor gave, of a message that waits
/// still where it looks. Too rare to be demanded.
pub const DEPOSED: &[Transition] = &[
    ("blocked", "ack", "lease lost"),
    ("blocked", "complete", "lease lost"),
    ("blocked", "nack", "lease lost"),
    ("blocked", "extend", "lease lost"),
    ("blocked", "release", "lease lost"),
    ("blocked", "give back", "passed over"),
    ("blocked", "settle", "other queue"),
];

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Coverage(RefCell<BTreeSet<Transition>>);

impl Coverage {
    pub(crate) fn saw(&self, state: Option<State>, verb: &'static str, outcome: &'static str) {
        let state = state.map_or("none", crate::model::name);
        self.0.borrow_mut().insert((state, verb, outcome));
    }

    /// Adds what another run saw.
    pub fn add(&self, other: &Coverage) {
        self.0.borrow_mut().extend(other.0.borrow().iter());
    }

    /// Transitions of the table that were not seen.
    pub fn missed(&self) -> Vec<Transition> {
        let seen = self.0.borrow();
        TABLE
            .iter()
            .copied()
            .filter(|transition| !seen.contains(transition))
            .collect()
    }

    /// Transitions that were seen and are not in the table: it says they can't be reached.
    pub fn unknown(&self) -> Vec<Transition> {
        let seen = self.0.borrow();
        seen.iter()
            .copied()
            .filter(|transition| !TABLE.contains(transition) && !DEPOSED.contains(transition))
            .collect()
    }
}
