//! What the ledger holds against acks that keep a result and enqueue messages: all of it is there, or nothing.

use super::Ledger;
use crate::command::{Command, Complete};
use crate::ids::{GroupNumber, LeaseId, MessageId};
use crate::partition::Step;
use crate::record::{Followed, Record};
use crate::rejection::Rejection;
use crate::reply::{Accepted, Reply};

/// What was enqueued with the ack of a lease, and whether it had been there.
pub(super) type FollowedUp = (LeaseId, Vec<(MessageId, bool)>);

impl Ledger {
    /// What comes with the ack that must follow.
    pub(super) fn follow_up(&mut self, id: MessageId, group: GroupNumber, messages: &[Followed]) {
        let lease = self.entry(id).lease.expect("followed up without a lease").0;
        assert_eq!(lease.group, group, "followed up for another group");
        let is_there = |one: &Followed| one.duplicate || self.messages.contains(&one.message);
        assert!(messages.iter().all(is_there), "it follows, and is nowhere");
        assert_eq!(self.awaited.replace(id), None, "followed up, not acked");
    }

    /// The message is done: its lease was held until now.
    pub(super) fn done(&mut self, id: MessageId, group: GroupNumber) {
        let (_, of) = self.key(id);
        let (lease, ..) = self.take(id).lease.expect("acked without a lease");
        assert_eq!(lease.group, group, "acked for another group");
        let awaited = self.awaited.take();
        assert!(awaited.is_none_or(|of| of == id), "another one is acked");
        if let Some(queue) = self.overfull.take() {
            let groups = self.all_groups(queue);
            let stays = |group: &u32| self.entries.contains_key(&(id.number, *group));
            assert!(
                awaited.is_some(),
                "accepted though full, and none follows up"
            );
            assert!(
                groups.contains(&of) && !groups.iter().any(stays),
                "an ack that makes no room"
            );
        }
    }

    pub(super) fn keep_result(&mut self, id: MessageId, expires_at_ms: u64) {
        let (_, group) = self.key(id);
        let retention_ms = self.queues[&group].0.result_retention_ms;
        let expected = self.now_ms + retention_ms;
        assert!(
            retention_ms > 0 && expires_at_ms == expected,
            "kept as long"
        );
    }

    /// After the records of a step. What was accepted was told, and nothing else was.
    pub(super) fn check_completes(&mut self, commands: &[Command], step: &Step) {
        assert_eq!(self.awaited, None, "messages follow an ack that never was");
        assert_eq!(self.overfull, None, "accepted though full");
        let is_accepted = |record: &&Record| matches!(record, Record::Enqueued(_));
        let accepted = step.records.iter().filter(is_accepted).count();
        let told: usize = step.replies.iter().map(told).sum();
        assert_eq!(accepted, told, "accepted, and told so");
        for (command, reply) in commands.iter().zip(&step.replies) {
            if let Command::Complete(complete) = command {
                self.check_complete(complete, reply);
            }
        }
    }

    fn check_complete(&mut self, complete: &Complete, reply: &Reply) {
        match reply {
            Reply::Completed { already, enqueued } => {
                let all = enqueued.iter().map(|one| (one.message, one.duplicate));
                let all: Vec<_> = all.collect();
                let mut earlier = self.completed.iter();
                let earlier = earlier.find(|(lease, _)| *lease == complete.lease);
                match (already, earlier) {
                    (true, Some((_, first))) => assert_eq!(all, *first, "another answer"),
                    (true, None) => {}
                    (false, earlier) => {
                        assert_eq!(earlier, None, "completed twice");
                        assert_eq!(all.len(), complete.enqueue.len(), "an answer for each");
                        self.completed.push((complete.lease, all));
                    }
                }
            }
            Reply::FollowUpsRefused(results) => {
                assert_eq!(results.len(), complete.enqueue.len(), "a reason for each");
                let reason = |one: &Result<Accepted, Rejection>| {
                    *one.as_ref().expect_err("one is refused, so all are")
                        != Rejection::BatchAborted
                };
                let reasons = results.iter().filter(|one| reason(one)).count();
                assert!(reasons > 0, "refused for no reason");
            }
            Reply::Rejected(Rejection::LeaseLost) => {}
            other => panic!("an ack is answered with {other:?}"),
        }
    }
}

/// New messages that a reply tells of.
fn told(reply: &Reply) -> usize {
    let new = |all: &[Accepted]| all.iter().filter(|one| !one.duplicate).count();
    match reply {
        Reply::Enqueued(results) => {
            let accepted: Vec<Accepted> = results.iter().flatten().copied().collect();
            new(&accepted)
        }
        Reply::Completed {
            already: false,
            enqueued,
        } => new(enqueued),
        _ => 0,
    }
}
