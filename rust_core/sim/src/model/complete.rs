//! complete: an ack that keeps a result and enqueues messages, all of it or nothing; and what is told of results.

use engine::command::{Blob, Complete, FollowUp, NewMessage};
use engine::ids::{LeaseId, Location, MessageId};
use engine::rejection::Rejection;
use engine::reply::{DoneView, Reply};

use super::Model;
use super::message::Text;

/// What came of a message that is done.
#[derive(Clone)]
pub(super) struct Done {
    id: MessageId,
    /// Number and life of its queue: with a purge its results are gone.
    queue: (u32, u32),
    done_at_ms: u64,
    pub expires_at_ms: u64,
    text: Text,
}

impl Model {
    pub(super) fn complete(&mut self, complete: &Complete, reply: &Reply) {
        let lease = complete.lease;
        let state = self.state_of(lease);
        if self.ended_by(lease, true) {
            self.saw(None, "complete", "already");
            let (already, enqueued) = (true, Vec::new());
            let expected = Reply::Completed { already, enqueued };
            return assert_eq!(*reply, expected, "it was done already");
        }
        if let Err(lost) = self.held(lease) {
            self.saw(state, "complete", "lease lost");
            return assert_eq!(*reply, Reply::Rejected(lost));
        }
        if let Some(expected) = self.refused(&complete.enqueue) {
            self.saw(state, "complete", "refused");
            let Reply::FollowUpsRefused(results) = reply else {
                panic!("messages are refused, and the ack is answered with {reply:?}")
            };
            let found: Vec<_> = results.iter().map(|one| one.clone().err()).collect();
            return assert_eq!(found, expected, "one refused is all refused");
        }
        let Reply::Completed {
            already: false,
            enqueued,
        } = reply
        else {
            panic!("an ack with messages is answered with {reply:?}")
        };
        assert_eq!(
            enqueued.len(),
            complete.enqueue.len(),
            "one answer a message"
        );
        for (one, accepted) in complete.enqueue.iter().zip(enqueued) {
            let queue = self.named(&one.queue).expect("it was looked for");
            self.enqueue_one(queue, &one.message, &Ok(*accepted));
        }
        let kept = complete
            .result
            .is_some_and(|result| self.keep(lease, result));
        self.done(lease);
        let outcome = if kept { "kept" } else { "acked" };
        self.saw(state, "complete", outcome);
    }

    /// A reason for each message, if any can't be accepted; those of one queue are refused as one atomic batch is.
    fn refused(&self, entries: &[FollowUp]) -> Option<Vec<Option<Rejection>>> {
        let mut refused = vec![Some(Rejection::BatchAborted); entries.len()];
        let mut is_refused = false;
        for (index, entry) in entries.iter().enumerate() {
            let of_queue = |other: &&FollowUp| other.queue == entry.queue;
            let place = entries[..index].iter().filter(of_queue).count();
            let all = entries.iter().filter(of_queue);
            let all: Vec<NewMessage> = all.map(|other| other.message.clone()).collect();
            let reason = match self.named(&entry.queue) {
                Err(rejection) => Some(rejection),
                Ok(queue) => match self.refusals(queue, &all) {
                    Some(reasons) => reasons[place].clone(),
                    None => continue,
                },
            };
            (refused[index], is_refused) = (reason, true);
        }
        is_refused.then_some(refused)
    }

    /// Whether the queue keeps results at all. Of several groups' results the last one stays.
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
            done_at_ms: self.now_ms,
            expires_at_ms: self.now_ms + retention_ms,
            text: Text {
                token: result.index,
                bytes: result.length,
            },
        };
        self.results.retain(|earlier| earlier.id != done.id);
        self.results.push(done);
        true
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
