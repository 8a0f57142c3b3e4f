//! For tests: acks that keep a result and enqueue messages.

use proptest::prelude::*;

use super::any::{QUEUES, any_message};
use crate::command::{Blob, Command, Complete, FollowUp, NewMessage};
use crate::ids::LeaseId;

/// `which` picks among the leases there have been, from the latest back.
#[derive(Clone, Debug)]
pub(super) struct CompleteMove {
    pub which: usize,
    result: Option<u32>,
    enqueue: Vec<(usize, NewMessage)>,
}

/// Of four follow-ups' queues one is none.
pub(super) fn any_move() -> impl Strategy<Value = CompleteMove> {
    let follow_up = (0..=QUEUES.len(), any_message());
    let enqueue = prop::collection::vec(follow_up, 0..4);
    (0_usize..6, prop::option::of(1_u32..40), enqueue).prop_map(|(which, result, enqueue)| {
        CompleteMove {
            which,
            result,
            enqueue,
        }
    })
}

pub(super) fn command(lease: LeaseId, next: CompleteMove) -> Command {
    let queue = |at: usize| QUEUES.get(at).copied().unwrap_or("nowhere").into();
    let follow_up = |(at, message)| FollowUp {
        queue: queue(at),
        message,
    };
    Command::Complete(Box::new(Complete {
        lease,
        result: next.result.map(|length| Blob { index: 99, length }),
        enqueue: next.enqueue.into_iter().map(follow_up).collect(),
    }))
}
