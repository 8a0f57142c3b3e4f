//! complete: an ack that keeps a result and enqueues messages, all of it or nothing; and what is told of results.

use engine::command::{Blob, Complete, FollowUp, NewMessage};
use engine::ids::{GROUP_DEFAULT, LeaseId, Location, MessageId};
use engine::rejection::Rejection;
use engine::reply::{Accepted, AckRefusal, Acked, DoneView, Reply};

use super::message::Text;
use super::{Message, Model};

/// What came of a message that is done.
#[derive(Clone)]
pub(super) struct Done {
    id: MessageId,
    /// Number and life of its queue: with a purge its results are gone.
    queue: (u32, u32),
    /// The group `default` gave it.
    is_default_s: bool,
    done_at_ms: u64,
    pub expires_at_ms: u64,
    text: Text,
}

impl Model {
    /// An ack by itself, plain or not.
    pub(super) fn complete(&mut self, complete: &Complete, reply: &Reply) {
        let found = match reply {
            Reply::Acked { already } => {
                let plain = Acked {
                    already: *already,
                    enqueued: Vec::new(),
                };
                Ok(plain)
            }
            Reply::Completed { already, enqueued } => Ok(Acked {
                already: *already,
                enqueued: enqueued.clone(),
            }),
            Reply::FollowUpsRefused(results) => Err(AckRefusal::FollowUps(results.clone())),
            Reply::Rejected(rejection) => Err(AckRefusal::Rejected(rejection.clone())),
            other => panic!("an ack is answered with {other:?}"),
        };
        self.ack(complete, None, &found);
    }

    pub(super) fn ack(
        &mut self,
        complete: &Complete,
        queue: Option<&str>,
        found: &Result<Acked, AckRefusal>,
    ) {
        let (lease, state) = (complete.lease, self.state_of(complete.lease));
        let is_plain = complete.result.is_none() && complete.enqueue.is_empty();
        let verb = if is_plain { "ack" } else { "complete" };
        if let Err(other) = self.check_queue(lease, queue) {
            return assert_eq!(*found, Err(AckRefusal::Rejected(other)));
        }
        if let Some(ending) = self.ending(lease, true) {
            self.saw(None, verb, "already");
            let followed = ending.followed.clone();
            return self.check_already(&followed, found);
        }
        if let Err(lost) = self.held(lease) {
            self.saw(state, verb, "lease lost");
            return assert_eq!(*found, Err(AckRefusal::Rejected(lost)));
        }
        if let Some(expected) = self.refused(complete) {
            self.saw(state, verb, "refused");
            let Err(AckRefusal::FollowUps(results)) = found else {
                panic!("messages are refused, and the ack is answered with {found:?}")
            };
            let found: Vec<_> = results.iter().map(|one| one.clone().err()).collect();
            return assert_eq!(found, expected, "one refused is all refused");
        }
        let acked = found.as_ref().expect("nothing is against the ack");
        let count = (acked.already, acked.enqueued.len());
        let expected = (false, complete.enqueue.len());
        assert_eq!(count, expected, "an answer for each message");
        for (one, accepted) in complete.enqueue.iter().zip(&acked.enqueued) {
            let queue = self.named(&one.queue).expect("it was looked for");
            self.enqueue_checked(queue, &one.message, accepted);
        }
        let kept = complete
            .result
            .is_some_and(|result| self.keep(lease, result));
        let followed = acked.enqueued.iter();
        self.done(
            lease,
            followed.map(|one| (one.message, one.duplicate)).collect(),
        );
        for (one, told) in complete.enqueue.iter().zip(&acked.enqueued) {
            let queue = self.named(&one.queue).expect("it was looked for");
            if told.duplicate {
                self.check_first(queue, told);
            }
        }
        self.saw(state, verb, if kept { "kept" } else { "acked" });
    }

    /// Asked again: what was enqueued with it, as it is now.
    fn check_already(&mut self, followed: &[(MessageId, bool)], found: &Result<Acked, AckRefusal>) {
        let acked = found.as_ref().expect("it was done already");
        let count = (acked.already, acked.enqueued.len());
        assert_eq!(count, (true, followed.len()), "already, and with it");
        for (&(message, duplicate), accepted) in followed.iter().zip(&acked.enqueued) {
            let state = self.find(message).map(|at| self.messages[at].state);
            let expected = Accepted {
                message,
                duplicate,
                due_ms: 0,
                state,
                result: accepted.result,
            };
            assert_eq!(*accepted, expected, "what was enqueued with it");
            self.check_result(message, accepted.result);
        }
    }

    /// A reason for each message, if any can't be accepted; those of one queue are refused as one atomic batch is. When
    /// nobody else holds the acked message, its queue has room for one more.
    fn refused(&self, complete: &Complete) -> Option<Vec<Option<Rejection>>> {
        let entries = &complete.enqueue;
        let acked = &self.messages[self.held(complete.lease).expect("it was held")];
        let source = self.queue_of(acked);
        let is_here = |other: &&Message| other.number == acked.number;
        let doomed = self
            .doomed
            .iter()
            .any(|&(_, number)| number == acked.number);
        let is_last = self.messages.iter().filter(is_here).count() == 1 && !doomed;
        let mut refused = vec![Some(Rejection::BatchAborted); entries.len()];
        let mut is_refused = false;
        for (index, entry) in entries.iter().enumerate() {
            let of_queue = |other: &&FollowUp| other.queue == entry.queue;
            let place = entries[..index].iter().filter(of_queue).count();
            let all = entries.iter().filter(of_queue);
            let all: Vec<NewMessage> = all.map(|other| other.message.clone()).collect();
            let leaving = u64::from(is_last && source.name == entry.queue);
            let reason = match self.named(&entry.queue) {
                Err(rejection) => Some(rejection),
                Ok(queue) => match self.refusals(queue, &all, leaving) {
                    Some(reasons) => reasons[place].clone(),
                    None => continue,
                },
            };
            (refused[index], is_refused) = (reason, true);
        }
        is_refused.then_some(refused)
    }

    /// Whether the queue keeps results at all, and the message has none of `default`'s. Of several the last one stays.
    fn keep(&mut self, lease: LeaseId, result: Blob) -> bool {
        let message = &self.messages[self.held(lease).expect("it was held")];
        let queue = self.queue_of(message);
        let retention_ms = queue.config.result_retention_ms;
        let slot = message.known_slot.expect("whoever holds it knows its id");
        let number = message.number;
        if retention_ms == 0 {
            return false;
        }
        let done = Done {
            id: MessageId { number, slot },
            queue: (queue.number, queue.life),
            is_default_s: lease.group == GROUP_DEFAULT,
            done_at_ms: self.now_ms,
            expires_at_ms: self.now_ms + retention_ms,
            text: Text {
                token: result.index,
                bytes: result.length,
            },
        };
        let mut earlier = self.results.iter().filter(|one| one.id == done.id);
        let stays = |one: &Done| one.is_default_s && one.expires_at_ms > self.now_ms;
        if !done.is_default_s && earlier.any(stays) {
            return false;
        }
        self.results.retain(|earlier| earlier.id != done.id);
        self.results.push(done);
        true
    }

    /// Those of these texts are gone.
    pub(super) fn lose_results(&mut self, is_lost: impl Fn(u32) -> bool) {
        self.results.retain(|done| !is_lost(done.text.token));
    }

    /// The result of that message, and its queue's name.
    fn result(&self, id: MessageId) -> Option<(&Done, &str)> {
        let mut results = self.results.iter();
        let done = results.find(|done| done.id == id && done.expires_at_ms > self.now_ms)?;
        let mut queues = self.queues.iter();
        let queue = queues.find(|queue| (queue.number, queue.life) == done.queue)?;
        Some((done, &queue.name))
    }

    /// Of a message that is not there.
    pub(super) fn get_done(&mut self, id: MessageId, reply: &Reply) {
        let Some((done, queue)) = self.result(id) else {
            self.saw(None, "get", "not found");
            let expected = Reply::Rejected(Rejection::MessageNotFound);
            return assert_eq!(*reply, expected, "{id:?} is gone");
        };
        self.saw(None, "get", "done");
        let Reply::Done(view) = reply else {
            panic!("{id:?} left a result, and is answered with {reply:?}")
        };
        let (result, text) = (view.result, done.text);
        let expected = DoneView {
            message: id,
            queue: queue.into(),
            done_at_ms: done.done_at_ms,
            expires_at_ms: done.expires_at_ms,
            result,
        };
        assert_eq!(*view, expected, "what is told of a result");
        self.claim(result, text);
    }

    /// A duplicate is told what came of the first one.
    pub(super) fn check_result(&mut self, first: MessageId, found: Location) {
        match self.result(first).map(|(done, _)| done.text) {
            None => assert_eq!(found, Location::default(), "no result is kept of {first:?}"),
            Some(text) => {
                self.saw(None, "enqueue again", "result");
                self.claim(found, text);
            }
        }
    }
}
