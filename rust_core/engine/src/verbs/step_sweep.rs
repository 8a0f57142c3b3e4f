//! step sweep: looks for the next messages of a sweep, or acts on a bounded number of them. Whoever drives sweeps asks
//! for one step after the other; a step that is asked for twice, or comes late, does nothing twice.
//!
//! ```text
//! look at slots, a part a step -> act on some -> ... -> nothing is left: it ends
//!                                 '- or show them, when their bytes must be read; then act on those chosen
//! ```

use std::collections::BTreeSet;

use super::sweep_filter::{asks_age, error_of, has_failed_since, is_candidate};
use super::{change_message, redrive};
use crate::batch::Batch;
use crate::command::SweepChoice;
use crate::ids::{Location, MessageId};
use crate::record::Record;
use crate::state::State;
use crate::sweep::*;
use crate::sweeps::Sweep;
use crate::view;

/// Slots looked at in one step: well below a millisecond.
const SLOTS_PER_STEP: u32 = 1 << 13;

/// Batches that a page's bytes may lie in, and the bytes, as each is read whole.
const PAGE_BATCHES_MAX: usize = 16;
const PAGE_BYTES_MAX: u64 = 1 << 22;

const AT_ONCE: SweepProgress = SweepProgress::GoOn { wait_ms: 0 };

pub(super) fn run(batch: &mut Batch, number: u64, choice: Option<SweepChoice>) -> SweepProgress {
    let Some(sweep) = batch.state().sweeps.running(number) else {
        return SweepProgress::Over;
    };
    let left = sweep.messages_left();
    let wait_ms = sweep.next_at_ms.saturating_sub(batch.now_ms);
    if batch.state().queues.is_gone(sweep.queue) {
        return end(batch, number, SweepEnd::QueueDeleted); // not purged: with that it would have ended
    }
    if left == 0 {
        return end(batch, number, SweepEnd::Done);
    }
    if wait_ms > 0 {
        return SweepProgress::GoOn { wait_ms };
    }
    match choice {
        Some(choice) => {
            if choice.until > sweep.cursor && choice.messages.len() <= SWEEP_ACTED_MAX {
                let as_shown =
                    |shown: &&SweepCandidate| !has_failed_since(batch.state(), sweep, shown);
                let same = choice.messages.iter().filter(as_shown);
                let same: Vec<MessageId> = same.map(|shown| shown.message).collect();
                let others = choice.messages.len() - same.len();
                act(batch, number, choice.until, &same, others as u64);
            }
            AT_ONCE
        }
        None => next(batch, number, left),
    }
}

fn end(batch: &mut Batch, sweep: u64, end: SweepEnd) -> SweepProgress {
    batch.commit(Record::SweepEnded { sweep, end });
    SweepProgress::Over
}

fn next(batch: &mut Batch, number: u64, left: u64) -> SweepProgress {
    if batch.look(number, SLOTS_PER_STEP, is_candidate) {
        return AT_ONCE;
    }
    let state = batch.state();
    let sweep = state.sweeps.running(number).expect("it was just there");
    let page = page(state, sweep, left);
    let Some(last) = page.last() else {
        return end(batch, number, SweepEnd::Done);
    };
    let until = last.number;
    let must_look = |&id: &MessageId| asks_age(state, sweep, id);
    let looks = sweep.plan.filter.reads_bytes() || page.iter().any(must_look);
    if !looks || sweep.plan.ids.is_some() {
        act(batch, number, until, &page, 0);
        return AT_ONCE;
    }
    SweepProgress::Look(SweepPage {
        sweep: number,
        until,
        messages: page.iter().map(|&id| candidate(state, sweep, id)).collect(),
        error: sweep.plan.filter.error.clone(),
        metadata: sweep.plan.filter.metadata.clone(),
        accepted_ms: accepted_ms(sweep),
    })
}

/// The next messages, or ids, whose turn it is; of a message all copies.
fn page(state: &State, sweep: &Sweep, left: u64) -> Vec<MessageId> {
    let count = chunk(sweep).min(usize::try_from(left).unwrap_or(usize::MAX));
    if let Some(ids) = &sweep.plan.ids {
        let from = ids.partition_point(|id| id.number <= sweep.cursor);
        let copies = ids[from..].iter().flat_map(|&id| named(state, sweep, id));
        return whole(count, copies);
    }
    let found = sweep.scan.iter();
    if !sweep.plan.filter.may_read_bytes() {
        return whole(count, found);
    }
    let (mut lsns, mut bytes, mut last) = (BTreeSet::new(), 0, 0);
    let fits = |id: &MessageId| {
        let message = state.messages.find(*id);
        let Some(message) = message.filter(|_| id.number != last) else {
            return true;
        };
        last = id.number;
        lsns.insert(message.envelope().lsn);
        bytes += view::answer_bytes(state, id.slot);
        lsns.len() == 1 || (lsns.len() <= PAGE_BATCHES_MAX && bytes <= PAGE_BYTES_MAX)
    };
    whole(count, found.take_while(fits))
}

/// So many, and what more there is of the last one's copies, which all lie in one batch.
fn whole(count: usize, messages: impl Iterator<Item = MessageId>) -> Vec<MessageId> {
    let (mut page, mut last) = (Vec::new(), 0);
    for id in messages.take(SWEEP_ACTED_MAX) {
        if page.len() >= count && id.number != last {
            break;
        }
        last = id.number;
        page.push(id);
    }
    page
}

/// What an id names: those of its copies that are the sweep's business, or itself, to be counted as skipped.
fn named(state: &State, sweep: &Sweep, id: MessageId) -> Vec<MessageId> {
    let mut copies = state.copies_of(id);
    copies.retain(|&copy| is_candidate(state, sweep, copy));
    if copies.is_empty() { vec![id] } else { copies }
}

/// Messages a step acts on: with a rate those of a tenth of a second, so that they go evenly.
fn chunk(sweep: &Sweep) -> usize {
    let Some(rate) = sweep.plan.rate else {
        return SWEEP_CHUNK_MAX;
    };
    let messages = u64::from(rate.messages) * 100 / rate.per_ms.max(1);
    messages.clamp(1, SWEEP_CHUNK_MAX as u64) as usize
}

/// When messages of the age that is asked for were accepted: first and last instant.
fn accepted_ms(sweep: &Sweep) -> (u64, u64) {
    let filter = &sweep.plan.filter;
    let ago = |ms| sweep.created_at_ms.saturating_sub(ms);
    let first = filter.newer_than_ms.map_or(0, ago);
    (first, filter.older_than_ms.map_or(u64::MAX, ago))
}

fn candidate(state: &State, sweep: &Sweep, id: MessageId) -> SweepCandidate {
    let message = state.messages.find(id);
    SweepCandidate {
        message: id,
        envelope: message.map_or(Location::default(), |message| message.envelope()),
        error: error_of(state, id),
        asks_age: asks_age(state, sweep, id),
        attempts: message.map_or(0, |message| message.attempts),
    }
}

/// Does it to these messages, and counts; `skipped` are not what they were when they were shown.
fn act(batch: &mut Batch, number: u64, cursor: u64, messages: &[MessageId], skipped: u64) {
    let (mut tally, mut sample) = (SweepTally::default(), Vec::new());
    tally.skipped = skipped;
    for &id in messages {
        let state = batch.state();
        let sweep = state.sweeps.running(number).expect("it is under way");
        if !is_candidate(state, sweep, id) {
            tally.skipped += 1;
            continue;
        }
        match decide(state, batch.now_ms, sweep, id) {
            Err(failure) => tally.fail(failure),
            Ok(_) if sweep.plan.dry_run => {
                tally.matched += 1;
                if sweep.sample.len() + sample.len() < SWEEP_SAMPLE_MAX {
                    sample.push(state.copies.known_as(id));
                }
            }
            Ok(record) => {
                tally.matched += 1;
                tally.moved += 1;
                record.into_iter().for_each(|record| batch.commit(record));
            }
        }
    }
    batch.commit(Record::SweepAdvanced {
        sweep: number,
        cursor,
        tally,
        sample,
    });
}

/// None: it is so already.
fn decide(
    state: &State,
    now_ms: u64,
    sweep: &Sweep,
    id: MessageId,
) -> Result<Option<Record>, SweepFailure> {
    match &sweep.plan.action {
        SweepAction::Redrive { destination } => {
            redrive::decide(state, now_ms, id, destination.as_deref()).map(Some)
        }
        SweepAction::Cancel => Ok(Some(Record::Deleted { message: id })),
        &SweepAction::Change { delay_ms, priority } => {
            let message = &state.messages[id.slot];
            let changed = change_message::decide(id, message, now_ms, delay_ms, priority);
            Ok(changed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Command, NewMessage};
    use crate::twin::sweeps::{all_of, die, letters, redrive};
    use crate::twin::{SECOND, Twin, message};

    fn counts(twin: &mut Twin) -> (u64, u64) {
        let queues = ["q", "letters"].map(|name| twin.queue(name).counts.ready);
        queues.into()
    }

    #[test]
    fn it_goes_in_bounded_steps_and_a_takeover_goes_on_where_it_was() {
        let mut twin = letters(250);
        let sweep = twin.start_sweep("letters", redrive());
        assert_eq!(twin.step_sweep(sweep, None), AT_ONCE, "it looks");
        assert_eq!(counts(&mut twin), (0, 250));
        twin.step_sweep(sweep, None);
        assert_eq!(counts(&mut twin), (100, 150));
        die(&mut twin, false);
        twin.fence();
        assert_eq!(twin.live.sweeps_running(), [sweep]);
        while twin.step_sweep(sweep, None) != SweepProgress::Over {}
        assert_eq!(counts(&mut twin), (250, 1), "what came later is left alone");
        let view = twin.get_sweep(sweep);
        assert_eq!((view.tally.matched, view.tally.moved), (250, 250));
        assert!(twin.live.sweeps_running().is_empty());
    }

    #[test]
    fn it_stops_at_its_maximum_and_when_it_is_cancelled() {
        let mut twin = letters(120);
        let plan = SweepPlan {
            messages_max: 7,
            ..redrive()
        };
        assert_eq!(twin.sweep("letters", plan).tally.moved, 7);
        let sweep = twin.start_sweep("letters", redrive());
        (0..2).for_each(|_| {
            twin.step_sweep(sweep, None);
        });
        let kept_ms = 1000;
        twin.ask(Command::CancelSweep { sweep, kept_ms });
        assert_eq!(twin.step_sweep(sweep, None), SweepProgress::Over);
        let view = twin.get_sweep(sweep);
        let end = view.ended.map(|(end, _)| end);
        assert_eq!((view.tally.moved, end), (100, Some(SweepEnd::Cancelled)));
        assert_eq!(counts(&mut twin), (107, 13));
    }

    #[test]
    fn a_rate_is_kept_over_a_takeover() {
        let mut twin = letters(5);
        let rate = Some(SweepRate {
            messages: 2,
            per_ms: SECOND,
        });
        let plan = SweepPlan { rate, ..redrive() };
        let sweep = twin.start_sweep("letters", plan);
        twin.step_sweep(sweep, None);
        let began_ms = twin.now_ms;
        for moved in 1..=5 {
            twin.step_sweep(sweep, None);
            twin.fence();
            assert_eq!(counts(&mut twin).0, moved);
            while let SweepProgress::GoOn { wait_ms } = twin.step_sweep(sweep, None) {
                assert_eq!(counts(&mut twin).0, moved);
                if wait_ms > 0 {
                    twin.wait(wait_ms);
                    break;
                }
            }
            // After a takeover it looks again.
            if moved < 5 {
                assert_eq!(twin.step_sweep(sweep, None), AT_ONCE);
            }
        }
        assert_eq!(twin.now_ms - began_ms, 5 * SECOND / 2);
    }

    #[test]
    fn a_dry_run_counts_and_shows_and_changes_nothing() {
        let mut twin = letters(12);
        let plan = SweepPlan {
            dry_run: true,
            ..redrive()
        };
        let view = twin.sweep("letters", plan);
        assert_eq!((view.tally.matched, view.tally.moved), (12, 0));
        assert_eq!(view.sample.len(), SWEEP_SAMPLE_MAX);
        assert_eq!(counts(&mut twin), (0, 12));
    }

    #[test]
    fn what_takes_bytes_is_shown_and_only_what_was_chosen_is_moved_once() {
        let mut twin = letters(3);
        let filter = SweepFilter {
            metadata: Some("{}".into()),
            ..SweepFilter::default()
        };
        let plan = SweepPlan {
            filter,
            ..redrive()
        };
        let sweep = twin.start_sweep("letters", plan);
        twin.step_sweep(sweep, None);
        let SweepProgress::Look(page) = twin.step_sweep(sweep, None) else {
            panic!("no page")
        };
        assert!(page.messages.iter().all(|next| next.envelope.length == 100));
        let mut choice = all_of(page);
        choice.messages.remove(1);
        twin.step_sweep(sweep, Some(choice.clone()));
        assert_eq!(counts(&mut twin), (2, 1));
        twin.step_sweep(sweep, Some(choice));
        assert_eq!(counts(&mut twin), (2, 1), "a choice that comes twice");
        assert_eq!(twin.step_sweep(sweep, None), SweepProgress::Over);
    }

    #[test]
    fn waiting_messages_are_cancelled_or_changed_each_once() {
        let mut twin = letters(0);
        let late = |_| NewMessage {
            delay_ms: Some(SECOND),
            ..message()
        };
        let messages: Vec<_> = (0..150).map(late).collect();
        messages.into_iter().for_each(|late| {
            twin.enqueue("q", late);
        });
        let plan = |action| SweepPlan {
            action,
            ..redrive()
        };
        let change = |delay_ms, priority| SweepAction::Change { delay_ms, priority };
        let view = twin.sweep("q", plan(change(Some(5 * SECOND), Some(9))));
        assert_eq!(view.tally.moved, 150);
        twin.wait(SECOND);
        assert_eq!(twin.queue("q").counts.delayed, 150);
        twin.sweep("q", plan(change(Some(0), None)));
        assert_eq!(twin.queue("q").counts.ready, 150);
        let held = twin.receive("q", 1)[0].clone();
        assert_eq!(held.priority, 9);
        twin.sweep("q", plan(SweepAction::Cancel));
        assert_eq!(twin.live.message_count(), 1, "what is held is left alone");
    }

    #[test]
    fn all_copies_of_a_message_have_their_turn_at_once() {
        let mut twin = letters(0);
        twin.create_group("q", "audit");
        for _ in 0..70 {
            twin.enqueue("q", message());
        }
        twin.receive_for("q", "audit", 1);
        let action = SweepAction::Cancel;
        let view = twin.sweep(
            "q",
            SweepPlan {
                action,
                ..redrive()
            },
        );
        assert_eq!((view.tally.matched, view.tally.moved), (139, 139));
        assert_eq!(twin.live.message_count(), 1, "what is held is left alone");
    }
}
