//! What clients were promised, and whether it was kept. Knows answers, no state: payloads by what they say.

use std::collections::{BTreeMap, BTreeSet};

use engine::command::{Command, Complete, GiveBack, NewMessage};
use engine::ids::LeaseId;
use engine::reply::{Accepted, Reply};

use crate::model::Model;

/// See the module.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Payloads whose acceptance was acknowledged.
    accepted: BTreeSet<u32>,
    /// The payloads whose ack was acknowledged.
    acked: BTreeSet<u32>,
    /// Of each message in each group, the delivery that was acked.
    last: BTreeMap<(u64, u16), u32>,
    /// Payloads that somebody tried to ack and was not told the outcome.
    doubtful: BTreeSet<u32>,
    /// The payload of each lease that somebody got, and the attempt id it was got under.
    leases: BTreeMap<(u64, u16, u32), (u32, Option<u128>)>,
    /// Payloads that were refused.
    refused: BTreeSet<u32>,
    /// Payloads that were to be enqueued with the ack of a lease, of which nobody knows whether it was done.
    follow_ups: BTreeMap<u32, LeaseId>,
}

impl Ledger {
    /// An answer reached its client. `token` reads a message's payload.
    pub fn answered(&mut self, command: &Command, reply: &Reply, token: impl Fn(usize) -> u32) {
        match (command, reply) {
            (Command::Enqueue { messages, .. }, Reply::Enqueued(results)) => {
                for (message, result) in messages.iter().zip(results) {
                    self.enqueued(message, result.as_ref().ok());
                }
            }
            (Command::Complete(complete), Reply::Completed { already, enqueued }) => {
                self.completed(complete, Some((*already, enqueued)));
            }
            (Command::Enqueue { messages, .. }, _) => {
                messages
                    .iter()
                    .for_each(|message| self.enqueued(message, None));
            }
            (Command::Complete(complete), _) => self.completed(complete, None),
            (Command::Receive { attempt, .. }, Reply::Received { messages, .. }) => {
                for (index, delivered) in messages.iter().enumerate() {
                    self.delivered(delivered.lease, token(index), *attempt);
                }
            }
            (Command::Ack(ack), Reply::Acked { .. } | Reply::Completed { .. }) => {
                self.ack(ack.lease)
            }
            (Command::Settle { acks, .. }, Reply::Settled { acks: results, .. }) => {
                for (ack, result) in acks.iter().zip(results) {
                    let acked = result.as_ref().ok();
                    self.completed(ack, acked.map(|acked| (acked.already, &acked.enqueued)));
                }
            }
            (Command::Settle { acks, .. }, _) => {
                acks.iter().for_each(|ack| self.completed(ack, None));
            }
            _ => {}
        }
    }

    /// None: it was refused. What an ack brings is there with it, or not at all.
    fn completed(&mut self, complete: &Complete, acked: Option<(bool, &Vec<Accepted>)>) {
        let is_new = acked.is_some_and(|(already, _)| !already);
        if acked.is_some() {
            self.ack(complete.lease);
        }
        for (at, one) in complete.enqueue.iter().enumerate() {
            let accepted = acked.filter(|_| is_new).map(|(_, accepted)| &accepted[at]);
            self.enqueued(&one.message, accepted);
        }
    }

    fn enqueued(&mut self, message: &NewMessage, accepted: Option<&Accepted>) {
        let is_new = accepted.is_some_and(|accepted| !accepted.duplicate);
        let set = if is_new {
            &mut self.accepted
        } else {
            &mut self.refused
        };
        set.insert(message.blob.index);
    }

    /// No answer will come.
    pub fn unanswered(&mut self, command: &Command) {
        let leases: Vec<LeaseId> = match command {
            Command::Ack(ack) => vec![ack.lease],
            Command::Complete(complete) => vec![self.in_doubt(complete)],
            Command::Settle { acks, .. } => acks.iter().map(|ack| self.in_doubt(ack)).collect(),
            _ => return,
        };
        let got = leases
            .iter()
            .filter_map(|lease| self.leases.get(&key(*lease)));
        self.doubtful.extend(got.map(|(token, _)| token));
    }

    fn in_doubt(&mut self, complete: &Complete) -> LeaseId {
        let tokens = complete.enqueue.iter().map(|one| one.message.blob.index);
        let follow_ups = tokens.map(|token| (token, complete.lease));
        self.follow_ups.extend(follow_ups);
        complete.lease
    }

    /// A node gives back what nobody saw: no lease that somebody got, but of whoever repeats a receive, who has none yet.
    pub fn gives_back(&self, command: &Command, model: &Model) {
        let Command::GiveBack { leases } = command else {
            return;
        };
        let goes_back = |release: &&GiveBack| {
            let is_last = model.told(release.lease) <= release.told;
            release.told == 0 && is_last && model.holds(release.lease)
        };
        for release in leases.iter().filter(goes_back) {
            let got = self.leases.contains_key(&key(release.lease));
            assert!(
                !got,
                "{:?} is given back, which a client holds",
                release.lease
            );
        }
    }

    fn delivered(&mut self, lease: LeaseId, token: u32, attempt: Option<u128>) {
        if let Some(earlier) = self.leases.get(&key(lease)) {
            let same = attempt.is_some() && *earlier == (token, attempt);
            return assert!(same, "two clients hold {lease:?}");
        }
        assert!(!self.refused.contains(&token), "refused, and delivered");
        if let Some(done) = self.follow_ups.remove(&token) {
            // Nobody was told that it was acked, but it was: what follows is there.
            let (number, group, delivery) = key(done);
            let later = (number, group, delivery + 1)..=(number, group, u32::MAX);
            let again = self.leases.range(later).next();
            assert_eq!(again, None, "{done:?} was acked by half");
            self.ack(done);
        }
        let (number, group, delivery) = key(lease);
        let acked = self.last.get(&(number, group));
        assert!(
            acked.is_none_or(|acked| delivery < *acked),
            "{lease:?} is given after an ack"
        );
        self.leases.insert(key(lease), (token, attempt));
    }

    fn ack(&mut self, lease: LeaseId) {
        let (number, group, delivery) = key(lease);
        self.acked.insert(self.leases[&key(lease)].0);
        self.last.insert((number, group), delivery);
    }

    /// Nothing is ready, delayed or leased any more: where is everything that was accepted?
    pub fn check_at_rest(&self, model: &Model) {
        for token in &self.accepted {
            let is_dead = model.messages.iter().any(|message| message.token == *token);
            let found = is_dead
                || self.acked.contains(token)
                || self.doubtful.contains(token)
                || model.gone.contains(token);
            assert!(found, "payload {token} was accepted and is nowhere");
        }
    }
}

fn key(lease: LeaseId) -> (u64, u16, u32) {
    (lease.message.number, lease.group.0, lease.delivery)
}
