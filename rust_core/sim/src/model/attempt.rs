//! A receive that is repeated under its attempt id: the leases it was given, those that hold still, for five minutes.

use engine::command::Command;
use engine::ids::LeaseId;
use engine::reply::{Delivered, Reply, State};

use super::Model;

/// How long it can be repeated.
const ATTEMPT_MS: u64 = 300_000;

/// What a receive was given.
#[derive(Clone)]
pub(super) struct Attempt {
    /// Its group's number among queues and groups, and its id.
    key: (u32, u128),
    at_ms: u64,
    leases: Vec<LeaseId>,
}

impl Model {
    /// Whether it is one, and nothing else is handed out.
    pub(super) fn repeat(&mut self, shadow: u32, command: &Command, reply: &Reply) -> bool {
        let earlier = id(command).and_then(|id| self.attempt((shadow, id)));
        let Some(earlier) = earlier.cloned() else {
            return false;
        };
        if earlier.at_ms + ATTEMPT_MS <= self.now_ms {
            self.saw(None, "receive again", "too late");
            return false;
        }
        let held = earlier.leases.iter().copied();
        let held: Vec<LeaseId> = held.filter(|&lease| self.holds(lease)).collect();
        if held.is_empty() {
            self.saw(None, "receive again", "ended");
            return false;
        }
        let Reply::Received {
            messages,
            limited: None,
        } = reply
        else {
            panic!("a repeated receive is answered with {reply:?}")
        };
        let found: Vec<LeaseId> = messages.iter().map(|one| one.lease).collect();
        assert_eq!(found, held, "the leases that an attempt was given");
        messages.iter().for_each(|one| self.tell_again(one));
        self.saw(Some(State::Leased), "receive again", "the same");
        true
    }

    fn tell_again(&mut self, delivered: &Delivered) {
        let at = self.held(delivered.lease).expect("it is held");
        self.told.push(delivered.lease);
        let message = &self.messages[at];
        let expected = (
            (message.priority, message.attempts),
            (message.held_since_ms, message.at_ms, self.ends_ms(message)),
            self.told(delivered.lease),
        );
        let found = (
            (delivered.priority, delivered.attempts),
            (
                delivered.ready_since_ms,
                delivered.leased_until_ms,
                delivered.expires_at_ms,
            ),
            delivered.told,
        );
        assert_eq!(found, expected, "what is told again of {delivered:?}");
        self.learn(at, delivered.message);
        self.check_delivered_texts(at, delivered);
    }

    /// Something was handed out under this id, if it has one.
    pub(super) fn remember_attempt(&mut self, shadow: u32, command: &Command, reply: &Reply) {
        let (Some(id), Reply::Received { messages, .. }) = (id(command), reply) else {
            return;
        };
        let key = (shadow, id);
        if !messages.is_empty() {
            self.attempts.retain(|attempt| attempt.key != key);
            self.attempts.push(Attempt {
                key,
                at_ms: self.now_ms,
                leases: messages.iter().map(|one| one.lease).collect(),
            });
        }
    }

    fn attempt(&self, key: (u32, u128)) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.key == key)
    }

    /// How often this owner told a lease again. Whoever was told last has it.
    pub fn told(&self, lease: LeaseId) -> u32 {
        self.told.iter().filter(|told| **told == lease).count() as u32
    }
}

fn id(command: &Command) -> Option<u128> {
    match command {
        Command::Receive { attempt, .. } => *attempt,
        _ => None,
    }
}
