//! drop lost: takes away what refers to batches that the journal lost, a bounded part a step. Of a message whose envelope
//! is lost nothing can be handed out any more: it is gone, whoever holds it. A message that lost only the text of an error
//! goes on, with another text for it. Results go in the order in which they came, up to the last that is lost.

use crate::batch::Batch;
use crate::command::{Blob, DropLost};
use crate::ids::{Location, MessageId, Part};
use crate::message::Place;
use crate::record::Record;
use crate::reply::{Dropped, Reply};
use crate::state::State;

/// Slots looked at in one step.
const LOOKED_AT_MAX: u32 = 1 << 10;

pub(super) fn run(batch: &mut Batch, drop: DropLost) -> Reply {
    let DropLost {
        before_lsn,
        from_slot,
        text,
    } = drop;
    let is_lost = |at: Location| (1..before_lsn).contains(&at.lsn);
    let slots = batch.state().messages.slots();
    let end = from_slot.saturating_add(LOOKED_AT_MAX).min(slots);
    let mut dropped = Dropped::default();
    for slot in from_slot..end {
        if !is_there(batch.state(), slot) {
            continue;
        }
        if is_lost(batch.state().messages[slot].envelope) {
            let id = batch.state().messages.id(slot);
            if batch.state().copies.is_last(id) {
                dropped.messages.push(batch.state().copies.known_as(id));
            }
            give_back(batch, slot);
            batch.commit(Record::Deleted { message: id });
        } else {
            let errors = batch.state().errors(slot);
            for at in errors.into_iter().filter(|&at| is_lost(at)) {
                replace_error(batch, batch.state().messages.id(slot), at, text);
                dropped.errors += 1;
            }
        }
    }
    if end == slots {
        let count = batch.state().results.up_to_last(is_lost);
        if count > 0 {
            batch.commit(Record::ResultsEvicted { count });
        }
        dropped.results = count;
    }
    dropped.next_slot = (end < slots).then_some(end);
    Reply::Dropped(dropped)
}

/// What a deleted queue held goes by itself, unread.
fn is_there(state: &State, slot: u32) -> bool {
    let message = &state.messages[slot];
    message.place() != Place::Free && !state.queues.get(message.queue).deleted
}

/// Whoever holds it has lost its lease: an ack is not told that it is done.
fn give_back(batch: &mut Batch, slot: u32) {
    let (state, now_ms) = (batch.state(), batch.now_ms);
    if state.messages[slot].place() == Place::Leased {
        let released = Record::Released {
            message: state.messages.id(slot),
            group: state.queues.get(state.messages[slot].queue).group.number,
            since_ms: state.since_before_others_ms(slot, now_ms),
        };
        batch.commit(released);
    }
}

fn replace_error(batch: &mut Batch, message: MessageId, from: Location, text: Blob) {
    batch.carry(text);
    batch.commit(Record::Moved {
        message,
        part: Part::Error,
        from,
        blob_bytes: text.length,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Command, Complete, Move, Nack, NewMessage};
    use crate::rejection::Rejection;
    use crate::reply::Survivor;
    use crate::twin::{SECOND, Twin, config, message, nack};

    const TEXT: Blob = Blob {
        index: 7,
        length: 40,
    };

    fn drop(twin: &mut Twin, before_lsn: u64) -> Dropped {
        let drop = DropLost {
            before_lsn,
            from_slot: 0,
            text: TEXT,
        };
        match twin.ask(Command::DropLost(drop)) {
            Reply::Dropped(dropped) => dropped,
            other => panic!("{other:?}"),
        }
    }

    /// Delivered once, and failed with a text.
    fn failed(twin: &mut Twin) -> MessageId {
        let lease = twin.receive("q", 1)[0].lease;
        let error = Some(Blob {
            index: 0,
            length: 30,
        });
        let nack = Nack {
            error,
            delay_ms: Some(9 * SECOND),
            ..nack(lease)
        };
        twin.ask(Command::Nack(nack));
        lease.message
    }

    fn done(twin: &mut Twin) {
        let complete = Complete {
            lease: twin.receive("q", 1)[0].lease,
            result: Some(Blob {
                index: 0,
                length: 20,
            }),
            enqueue: Vec::new(),
        };
        twin.ask(Command::Complete(Box::new(complete)));
    }

    #[test]
    fn a_message_is_told_once_by_the_id_that_everybody_knows() {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.create_group("q", "other");
        let id = twin.enqueue("q", message()).message;
        let held = twin.receive("q", 1)[0].lease;
        twin.ask(crate::twin::ack(held));
        let before_lsn = twin.live.lsn() + 1;
        assert_eq!(drop(&mut twin, before_lsn).messages, [id]);
        assert_eq!(twin.live.message_count(), 0);
    }

    #[test]
    fn what_refers_to_lost_batches_goes_and_nothing_else() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let keyed = NewMessage {
            ordering_key: Some(5),
            ..message()
        };
        let ids = [(); 3].map(|()| twin.enqueue("q", keyed.clone()).message);
        let held = twin.receive("q", 1)[0].lease;
        assert_eq!(held.message, ids[0]);
        twin.enqueue("q", message());
        done(&mut twin);
        twin.enqueue("q", message());
        let fails = failed(&mut twin);
        let before_lsn = twin.live.lsn() + 1;
        let at = twin.live.state().messages[fails.slot].envelope;
        let survivor = Survivor {
            message: fails,
            part: Part::Envelope,
            at,
        };
        let moves = vec![Move {
            survivor,
            blob: TEXT,
        }];
        assert_eq!(twin.ask(Command::Move { moves }), Reply::Moved { count: 1 });
        let next = twin.enqueue("q", keyed).message;
        twin.enqueue("q", message());
        done(&mut twin);
        assert!(twin.live.first_needed_lsn() < before_lsn);
        let expected = Dropped {
            messages: ids.to_vec(),
            errors: 1,
            results: 1,
            next_slot: None,
        };
        assert_eq!(drop(&mut twin, before_lsn), expected);
        assert!(twin.live.first_needed_lsn() >= before_lsn);
        assert_eq!(drop(&mut twin, before_lsn), Dropped::default());
        let complete = Complete {
            lease: held,
            result: None,
            enqueue: Vec::new(),
        };
        let acked = twin.ask(Command::Complete(Box::new(complete)));
        assert_eq!(acked, Reply::Rejected(Rejection::LeaseLost));
        assert_eq!(twin.live.message_count(), 2);
        assert_eq!(
            twin.receive("q", 9)[0].lease.message,
            next,
            "the key goes on"
        );
        twin.wait(10 * SECOND);
        assert_eq!(twin.receive("q", 9)[0].lease.message, fails);
    }
}
