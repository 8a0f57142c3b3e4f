//! For tests: acks that keep a result and enqueue messages.

use proptest::prelude::*;

use super::any::{QUEUES, any_message};
use super::ledger::Ledger;
use crate::command::{Blob, Command, Complete, DedupKey, FollowUp, NewMessage};

/// `which` picks among the leases there have been, from the latest back.
#[derive(Clone, Debug)]
pub(super) struct CompleteMove {
    which: usize,
    /// The last ack that was done, instead.
    again: bool,
    result: Option<u32>,
    enqueue: Vec<(usize, NewMessage)>,
}

/// Of four follow-ups' queues one is none, and of two follow-ups one may be a duplicate.
pub(super) fn any_move() -> impl Strategy<Value = CompleteMove> {
    let dedup =
        prop::option::of(
            (0_u128..2, any::<bool>()).prop_map(|(hash, until_done)| DedupKey {
                hash,
                fingerprint: 0,
                until_done,
            }),
        );
    let message =
        (any_message(), dedup).prop_map(|(message, dedup)| NewMessage { dedup, ..message });
    let follow_up = (0..=QUEUES.len(), message);
    let enqueue = prop::collection::vec(follow_up, 0..4);
    let which = (0_usize..6, prop::bool::weighted(0.3));
    (which, prop::option::of(1_u32..40), enqueue).prop_map(|((which, again), result, enqueue)| {
        CompleteMove {
            which,
            again,
            result,
            enqueue,
        }
    })
}

pub(super) fn command(ledger: &Ledger, next: CompleteMove) -> Option<Command> {
    let done = ledger.completed.last().map(|(lease, _)| *lease);
    let lease = done.filter(|_| next.again);
    let lease = lease.or_else(|| ledger.leases.iter().rev().nth(next.which).copied())?;
    let queue = |at: usize| QUEUES.get(at).copied().unwrap_or("nowhere").into();
    let follow_up = |(at, message)| FollowUp {
        queue: queue(at),
        message,
    };
    Some(Command::Complete(Box::new(Complete {
        lease,
        result: next.result.map(|length| Blob { index: 99, length }),
        enqueue: next.enqueue.into_iter().map(follow_up).collect(),
    })))
}
