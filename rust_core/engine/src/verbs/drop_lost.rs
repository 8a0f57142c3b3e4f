//! drop lost: takes away what refers to batches that the journal lost, a bounded part a step. Of a message whose envelope
//! is lost nothing can be handed out any more: it is gone, whoever holds it, and its dedup id is free, unless the group
//! `default` is done with it. A message that lost only the text of an error goes on, with another text for it. Results go
//! in the order in which they came, up to the last that is lost.

use crate::batch::Batch;
use crate::command::{Blob, DropLost};
use crate::group;
use crate::ids::{Location, MessageId, Part};
use crate::message::{NONE, Place};
use crate::record::Record;
use crate::reply::{Dropped, LostMessage, Reply};
use crate::state::State;
use crate::view;

/// Slots looked at in one step, and copies of messages that go.
const LOOKED_AT_MAX: usize = 1 << 10;

pub(super) fn run(batch: &mut Batch, drop: DropLost) -> Reply {
    let DropLost {
        before_lsn,
        from_slot,
        text,
    } = drop;
    let is_lost = |at: Location| (1..before_lsn).contains(&at.lsn);
    batch.change_volatile(|state| state.dedup.sort_by_message());
    let mut dropped = Dropped::default();
    let (mut slot, mut looked_at) = (from_slot, 0);
    while slot < batch.state().messages.slots() {
        if looked_at >= LOOKED_AT_MAX {
            dropped.next_slot = Some(slot);
            return Reply::Dropped(dropped);
        }
        looked_at += 1;
        if is_there(batch.state(), slot) {
            if is_lost(batch.state().messages[slot].envelope()) {
                let lost = lose(batch, slot);
                looked_at += lost.groups.len();
                dropped.messages.push(lost);
            } else {
                dropped.errors += replace_errors(batch, slot, is_lost, text);
            }
        }
        slot += 1;
    }
    dropped.results = batch.state().results.up_to_last(is_lost);
    if dropped.results > 0 {
        let count = dropped.results;
        batch.commit(Record::ResultsEvicted { count });
    }
    batch.change_volatile(|state| state.dedup.let_go_of_messages());
    Reply::Dropped(dropped)
}

/// What a deleted queue held goes by itself, unread.
fn is_there(state: &State, slot: u32) -> bool {
    let message = &state.messages[slot];
    message.place() != Place::Free && !state.queues.get(message.queue).deleted
}

/// All copies of a message share its envelope: they go together.
fn lose(batch: &mut Batch, slot: u32) -> LostMessage {
    let state = batch.state();
    let message = state.copies.known_as(state.messages.id(slot));
    let known = state.known(message).expect("one of its copies is there");
    let seen = view::message(state, known);
    let freed = freed(state, message);
    batch.commit(Record::Lost { message, freed });
    LostMessage {
        message,
        queue: seen.queue,
        state: seen.state,
        groups: seen.groups,
    }
}

/// The key of the dedup id under which it was accepted, or what died for `default` and became it.
fn freed(state: &State, message: MessageId) -> Option<u128> {
    let copied = state.copies.of(message);
    let slot = copied.map_or(message.slot, |copied| copied.copies[0].slot);
    if slot == NONE {
        return None;
    }
    let key = state.dedup.key_of(message.number);
    key.or_else(|| {
        let death = state.history.death(slot, &state.messages[slot])?;
        let is_default_s = *death.source_group == *group::DEFAULT;
        state
            .dedup
            .key_of(is_default_s.then_some(death.source_message.number)?)
    })
}

/// How many there were.
fn replace_errors(
    batch: &mut Batch,
    slot: u32,
    is_lost: impl Fn(Location) -> bool,
    text: Blob,
) -> u64 {
    let message = batch.state().messages.id(slot);
    let errors = batch.state().errors(slot).into_iter();
    let errors: Vec<Location> = errors.filter(|&at| is_lost(at)).collect();
    for &from in &errors {
        replace_error(batch, message, from, text);
    }
    errors.len() as u64
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
    use crate::config::QueueConfig;
    use crate::rejection::Rejection;
    use crate::reply::{State, Survivor};
    use crate::twin::{SECOND, Twin, ack, config, message, nack, with_dedup};

    const TEXT: Blob = Blob {
        index: 7,
        length: 40,
    };

    fn drop(twin: &mut Twin, before_lsn: u64) -> Dropped {
        dropped(twin, before_lsn, 0)
    }

    fn dropped(twin: &mut Twin, before_lsn: u64, from_slot: u32) -> Dropped {
        let drop = DropLost {
            before_lsn,
            from_slot,
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

    /// All of the journal so far is lost.
    fn lost_all(twin: &mut Twin) -> Vec<LostMessage> {
        let before_lsn = twin.live.lsn() + 1;
        let lost = drop(twin, before_lsn).messages;
        assert_eq!(twin.live.message_count(), 0);
        lost
    }

    fn lost(message: MessageId, state: State) -> LostMessage {
        LostMessage {
            message,
            queue: "q".into(),
            state,
            groups: Vec::new(),
        }
    }

    #[test]
    fn a_message_is_told_once_by_the_id_that_everybody_knows_with_its_state_in_each_group() {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.create_group("q", "other");
        let ids = [(); 3].map(|()| twin.enqueue("q", message()).message);
        let held = twin.receive("q", 2);
        twin.ask(ack(held[0].lease));
        let groups = [None, Some(State::Leased), Some(State::Ready)].map(|state| {
            let other = ("other".into(), Some(State::Ready));
            vec![("default".into(), state), other]
        });
        let states = [State::Ready, State::Leased, State::Ready];
        let expected = ids.into_iter().zip(states).zip(groups);
        let expected = expected.map(|((message, state), groups)| LostMessage {
            groups,
            ..lost(message, state)
        });
        assert_eq!(lost_all(&mut twin), expected.collect::<Vec<_>>());
    }

    #[test]
    fn the_dedup_id_of_what_is_lost_is_free_and_others_are_not() {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.create_group("q", "other");
        twin.enqueue("q", with_dedup(1, 1));
        let held = twin.receive("q", 1)[0].lease;
        twin.ask(ack(held));
        twin.enqueue("q", with_dedup(2, 1));
        assert_eq!(lost_all(&mut twin).len(), 2);
        let is_duplicate = |twin: &mut Twin, hash| twin.enqueue("q", with_dedup(hash, 1)).duplicate;
        assert!(is_duplicate(&mut twin, 1), "`default` is done with it");
        assert!(!is_duplicate(&mut twin, 2));
        assert!(is_duplicate(&mut twin, 2), "it guards the new one");
        assert_eq!(lost_all(&mut twin).len(), 1);
        assert!(
            !is_duplicate(&mut twin, 2),
            "nor that of what is lost later"
        );
        twin.wait(300 * SECOND).enqueue("q", message());
        assert_eq!(
            twin.live.state().dedup.len(),
            0,
            "all are forgotten in time"
        );
    }

    #[test]
    fn a_freed_id_stays_free_when_a_message_that_held_it_since_is_done() {
        let mut twin = Twin::new();
        twin.checkpoint_each_step(true);
        twin.create("q", config());
        twin.enqueue("q", with_dedup(1, 1));
        lost_all(&mut twin);
        let mut holding = with_dedup(1, 1);
        if let Some(dedup) = &mut holding.dedup {
            dedup.until_done = true;
        }
        assert!(!twin.enqueue("q", holding).duplicate);
        let lease = twin.receive("q", 1)[0].lease;
        twin.ask(ack(lease));
        assert!(!twin.enqueue("q", with_dedup(1, 1)).duplicate);
    }

    #[test]
    fn so_is_the_one_of_what_died_and_became_the_dead_letter_that_is_lost() {
        for group in ["default", "other"] {
            let mut twin = Twin::new();
            let dying = QueueConfig {
                max_retries: 0,
                dead_letter_queue: Some("letters".into()),
                ..config()
            };
            twin.create("q", dying);
            twin.create_group("q", "other");
            twin.enqueue("q", with_dedup(1, 1));
            for of in ["default", "other"] {
                let lease = twin.receive_for("q", of, 1)[0].lease;
                twin.ask(match of == group {
                    true => Command::Nack(nack(lease)),
                    false => ack(lease),
                });
            }
            assert_eq!(twin.queue("letters").counts.ready, 1);
            assert_eq!(lost_all(&mut twin).len(), 1);
            let again = twin.enqueue("q", with_dedup(1, 1));
            assert_eq!(again.duplicate, group == "other");
        }
    }

    #[test]
    fn a_step_is_bounded_and_the_next_one_goes_on() {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.ask(Command::Enqueue {
            queue: "q".into(),
            messages: vec![message(); LOOKED_AT_MAX + 1],
            atomic: true,
        });
        let before_lsn = twin.live.lsn() + 1;
        let first = drop(&mut twin, before_lsn);
        assert_eq!(first.next_slot, Some(LOOKED_AT_MAX as u32));
        assert_eq!(first.messages.len(), LOOKED_AT_MAX);
        let next = dropped(&mut twin, before_lsn, LOOKED_AT_MAX as u32);
        assert_eq!((next.messages.len(), next.next_slot), (1, None));
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
        let at = twin.live.state().messages[fails.slot].envelope();
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
            // The one before it, of its key, was gone when its turn came.
            messages: [State::Leased, State::Ready, State::Ready]
                .into_iter()
                .zip(ids)
                .map(|(state, message)| lost(message, state))
                .collect(),
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

    #[test]
    fn an_id_that_was_accepted_again_is_the_new_message_s() {
        let mut twin = Twin::new();
        twin.create("q", config());
        // More than are forgotten with the one that comes again.
        let ids = (100..200).chain([7]);
        let command = Command::Enqueue {
            queue: "q".into(),
            messages: ids.map(|hash| with_dedup(hash, 1)).collect(),
            atomic: true,
        };
        twin.ask(command);
        let before_lsn = twin.wait(300 * SECOND).live.lsn() + 1;
        assert!(!twin.enqueue("q", with_dedup(7, 1)).duplicate);
        assert_eq!(drop(&mut twin, before_lsn).messages.len(), 101);
        assert!(twin.enqueue("q", with_dedup(7, 1)).duplicate);
    }

    #[test]
    fn what_a_deleted_queue_held_goes_by_itself() {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.enqueue("q", message());
        let drop = DropLost {
            before_lsn: twin.live.lsn() + 1,
            from_slot: 0,
            text: TEXT,
        };
        let delete = Command::DeleteQueue { name: "q".into() };
        let step = twin.step(vec![delete, Command::DropLost(drop)]);
        assert_eq!(step.replies[1], Reply::Dropped(Dropped::default()));
    }
}
