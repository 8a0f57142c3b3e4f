//! Which messages are a sweep's business, as far as can be known without their bytes.

use crate::history::Death;
use crate::ids::{Location, MessageId};
use crate::message::{Flag, Message, Place};
use crate::queue::Queue;
use crate::reply::State as Shown;
use crate::state::State;
use crate::sweep::{SweepAction, SweepCandidate};
use crate::sweeps::Sweep;

/// Where a message's last error's text lies, of a dead one that of which it died; nowhere when there is none.
pub(super) fn error_of(state: &State, id: MessageId) -> Location {
    let Some(message) = state.messages.find(id) else {
        return Location::default();
    };
    let last = state.history.death(id.slot, message);
    let died_of = last.and_then(|death| death.failures);
    let failures = match death(state, message, id.slot) {
        Some(_) => died_of,
        None => state.history.failures(id.slot, message).or(died_of),
    };
    failures.map_or(Location::default(), |failures| failures.error)
}

/// Whether a message is the sweep's business now, as far as can be known without its bytes.
pub(super) fn is_candidate(state: &State, sweep: &Sweep, id: MessageId) -> bool {
    let filter = &sweep.plan.filter;
    let Some((message, queue)) = state.find(id) else {
        return false;
    };
    id.number <= sweep.numbered
        && is_in_queue(state, sweep, queue, id.slot)
        && is_in_state(state, sweep, message, id.slot)
        && !is_there_already(sweep, message, queue)
        && is_as_asked(state, sweep, message, id.slot)
        && (filter.error.is_none() || error_of(state, id).lsn > 0)
}

/// Whether a message that was found by its error has failed again since it was shown, which may have been for another
/// reason. Of what it died a dead one keeps.
pub(super) fn has_failed_since(state: &State, sweep: &Sweep, shown: &SweepCandidate) -> bool {
    let id = shown.message;
    let Some(message) = state.messages.find(id) else {
        return false;
    };
    let lives = death(state, message, id.slot).is_none();
    sweep.plan.filter.error.is_some() && lives && message.attempts != shown.attempts
}

/// Each group's copy is a message of its own, but for a redrive: what further groups of a dead-letter queue hold is
/// theirs to look at, and moving it too would double the message. What died in a further group was that group's.
fn is_in_queue(state: &State, sweep: &Sweep, queue: &Queue, slot: u32) -> bool {
    let is_redrive = matches!(sweep.plan.action, SweepAction::Redrive { .. });
    if queue.number == sweep.queue || queue.group.source != sweep.queue || !is_redrive {
        return queue.group.source == sweep.queue;
    }
    let message = &state.messages[slot];
    let death = death(state, message, slot);
    let died_here = death.is_some_and(|death| death.source_queue == queue.name);
    message.place() == Place::Dead && died_here
}

/// A redrive to the queue where a message lies and lives would only take from it where it came from.
fn is_there_already(sweep: &Sweep, message: &Message, queue: &Queue) -> bool {
    let to = match &sweep.plan.action {
        SweepAction::Redrive { destination } => destination.as_deref(),
        _ => None,
    };
    message.place() != Place::Dead && to == Some(&*queue.name)
}

/// Ids name any message that nobody holds. A filter that names no state means dead letters and what is dead, for a
/// redrive; else what waits. What is dead can't be changed.
fn is_in_state(state: &State, sweep: &Sweep, message: &Message, slot: u32) -> bool {
    let place = match message.place() {
        Place::Ready => Shown::Ready,
        Place::Blocked => Shown::Blocked,
        Place::Delayed => Shown::Delayed,
        Place::Dead => Shown::Dead,
        Place::Leased | Place::Free => return false,
    };
    let is_dead = place == Shown::Dead;
    match (&sweep.plan.action, sweep.plan.filter.state) {
        (SweepAction::Change { .. }, _) if is_dead => false,
        _ if sweep.plan.ids.is_some() => true,
        (_, Some(asked)) => asked == place,
        (SweepAction::Redrive { .. }, None) => is_dead || death(state, message, slot).is_some(),
        (_, None) => !is_dead,
    }
}

/// How it died, unless it lives again.
fn death<'a>(state: &'a State, message: &Message, slot: u32) -> Option<&'a Death> {
    let death = state.history.death(slot, message);
    death.filter(|death| !death.over)
}

/// Whether only a message's bytes say if it is of the age that is asked for.
pub(super) fn asks_age(state: &State, sweep: &Sweep, id: MessageId) -> bool {
    let filter = &sweep.plan.filter;
    let by_age = filter.older_than_ms.is_some() || filter.newer_than_ms.is_some();
    let message = state.messages.find(id).filter(|_| by_age);
    message
        .is_some_and(|message| message.has(Flag::Moved) && death(state, message, id.slot).is_none())
}

/// Why it died, and when, or else when it was accepted. What died after the sweep began came later.
fn is_as_asked(state: &State, sweep: &Sweep, message: &Message, slot: u32) -> bool {
    let filter = &sweep.plan.filter;
    let Some(death) = death(state, message, slot) else {
        let of_any_age = (filter.older_than_ms, filter.newer_than_ms) == (None, None);
        let lsn = message.envelope().lsn;
        let within =
            |(first, last): (u64, u64)| message.has(Flag::Moved) || (first..=last).contains(&lsn);
        return filter.reason.is_none() && (of_any_age || filter.accepted.is_some_and(within));
    };
    let Some(age_ms) = sweep.created_at_ms.checked_sub(death.died_at_ms) else {
        return false;
    };
    filter.reason.is_none_or(|reason| reason == death.reason)
        && filter.older_than_ms.is_none_or(|ms| age_ms >= ms)
        && filter.newer_than_ms.is_none_or(|ms| age_ms <= ms)
}

#[cfg(test)]
mod tests {
    use crate::command::{Blob, Command, Nack, NewMessage};
    use crate::ids::Location;
    use crate::record::DeathReason;
    use crate::reply::State;
    use crate::sweep::*;
    use crate::twin::sweeps::{all_of, die, letters, redrive, to};
    use crate::twin::{SECOND, Twin, config, message, nack};

    #[test]
    fn reason_and_age_choose() {
        let mut twin = letters(3);
        (0..2).for_each(|_| die(&mut twin, true));
        let mut matched = |filter: SweepFilter| {
            let plan = SweepPlan {
                filter,
                dry_run: true,
                ..redrive()
            };
            twin.sweep("letters", plan).tally.matched
        };
        let any = SweepFilter::default();
        let rejected = SweepFilter {
            reason: Some(DeathReason::Rejected),
            ..any.clone()
        };
        let older = SweepFilter {
            older_than_ms: Some(2 * SECOND),
            ..any.clone()
        };
        let newer = SweepFilter {
            newer_than_ms: Some(2 * SECOND),
            ..older.clone()
        };
        assert_eq!(
            [rejected, older, newer, any].map(&mut matched),
            [2, 4, 1, 5]
        );
    }

    #[test]
    fn a_message_that_never_died_is_as_old_as_its_batch() {
        let mut twin = letters(0);
        let ids: Vec<_> = (0..3)
            .map(|_| twin.enqueue("q", message()).message)
            .collect();
        let last = twin.message(ids[1]).envelope.lsn;
        let filter = SweepFilter {
            older_than_ms: Some(1),
            accepted: Some((1, last)),
            ..SweepFilter::default()
        };
        let action = SweepAction::Cancel;
        let plan = SweepPlan {
            action,
            filter,
            ..redrive()
        };
        assert_eq!(twin.sweep("q", plan).tally.moved, 2);
        assert_eq!(twin.receive("q", 9)[0].lease.message, ids[2]);
    }

    #[test]
    fn a_letter_that_lies_where_it_would_go_stays_and_keeps_its_source() {
        let mut twin = letters(2);
        let tally = twin.sweep("letters", to("letters")).tally;
        assert_eq!((tally.matched, tally.skipped), (0, 0));
        let ids = Some(vec![twin.enqueue("letters", message()).message]);
        let named = SweepPlan {
            ids,
            ..to("letters")
        };
        let tally = twin.sweep("letters", named).tally;
        assert_eq!((tally.moved, tally.skipped), (0, 1));
        assert_eq!(twin.sweep("letters", redrive()).tally.moved, 2);
        assert_eq!(twin.queue("q").counts.ready, 2);
    }

    #[test]
    fn ids_name_what_never_died_too_and_take_it_elsewhere() {
        let mut twin = letters(1);
        let id = twin.enqueue("q", message()).message;
        let ids = Some(vec![id]);
        let plan = SweepPlan {
            ids,
            ..to("letters")
        };
        let tally = twin.sweep("q", plan).tally;
        assert_eq!((tally.moved, tally.skipped), (1, 0));
        assert_eq!(twin.queue("letters").counts.ready, 2);
    }

    #[test]
    fn what_is_dead_can_be_cancelled_and_not_changed() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let dead = twin.enqueue("q", message()).message;
        let lease = twin.receive("q", 1)[0].lease;
        twin.ask(Command::Nack(Nack {
            reject: true,
            ..nack(lease)
        }));
        let mut done = |action: SweepAction, state, ids| {
            let filter = SweepFilter {
                state,
                ..SweepFilter::default()
            };
            let plan = SweepPlan {
                action,
                filter,
                ids,
                ..redrive()
            };
            let tally = twin.sweep("q", plan).tally;
            (tally.moved, tally.skipped)
        };
        let change = SweepAction::Change {
            delay_ms: Some(SECOND),
            priority: Some(9),
        };
        assert_eq!(done(change.clone(), Some(State::Dead), None), (0, 0));
        assert_eq!(done(change, None, Some(vec![dead])), (0, 1));
        assert_eq!(done(SweepAction::Cancel, None, Some(vec![dead])), (1, 0));
    }

    const TOLD: Blob = Blob {
        index: 0,
        length: 40,
    };

    /// Fails the next message of a queue; answers where what was told of that lies.
    fn fail(twin: &mut Twin, queue: &str, error: Option<Blob>) -> Location {
        let lease = twin.receive(queue, 1)[0].lease;
        let failed = Command::Nack(Nack {
            error,
            delay_ms: Some(0),
            ..nack(lease)
        });
        let (lsn, length) = (twin.step(vec![failed]).lsn, TOLD.length);
        Location {
            lsn,
            offset: 0,
            length,
        }
    }

    fn by_error(action: SweepAction) -> SweepPlan {
        let filter = SweepFilter {
            error: Some("451".into()),
            ..SweepFilter::default()
        };
        SweepPlan {
            action,
            filter,
            ..redrive()
        }
    }

    /// The first page of a sweep that began just now.
    fn page(twin: &mut Twin, sweep: u64) -> SweepPage {
        twin.step_sweep(sweep, None);
        match twin.step_sweep(sweep, None) {
            SweepProgress::Look(page) => page,
            other => panic!("{other:?}"),
        }
    }

    fn errors(page: &SweepPage) -> Vec<Location> {
        page.messages.iter().map(|one| one.error).collect()
    }

    #[test]
    fn the_last_error_of_what_failed_and_lives_is_looked_at_too() {
        let mut twin = Twin::new();
        twin.create("q", config());
        (0..3).for_each(|_| {
            twin.enqueue("q", message());
        });
        let told = [Some(TOLD), Some(TOLD), None];
        let [first, second, _] = told.map(|error| fail(&mut twin, "q", error));
        let sweep = twin.start_sweep("q", by_error(SweepAction::Cancel));
        let page = page(&mut twin, sweep);
        assert_eq!(errors(&page), [first, second]);
        fail(&mut twin, "q", None);
        twin.step_sweep(sweep, Some(all_of(page)));
        let tally = twin.get_sweep(sweep).tally;
        assert_eq!((tally.moved, tally.skipped), (1, 1), "one failed once more");
    }

    #[test]
    fn a_dead_one_keeps_of_what_it_died_until_it_lives_and_fails_again() {
        let mut twin = letters(0);
        let max_retries = Some(1);
        twin.enqueue(
            "q",
            NewMessage {
                max_retries,
                ..message()
            },
        );
        fail(&mut twin, "q", Some(TOLD));
        let died_of = fail(&mut twin, "q", Some(TOLD));
        fail(&mut twin, "letters", Some(TOLD));
        let action = SweepAction::Redrive { destination: None };
        let sweep = twin.start_sweep("letters", by_error(action));
        let shown = page(&mut twin, sweep);
        assert_eq!(errors(&shown), [died_of]);
        fail(&mut twin, "letters", Some(TOLD));
        twin.step_sweep(sweep, Some(all_of(shown)));
        let tally = twin.get_sweep(sweep).tally;
        assert_eq!((tally.moved, tally.skipped), (1, 0));
        let last = fail(&mut twin, "q", Some(TOLD));
        let sweep = twin.start_sweep("q", by_error(SweepAction::Cancel));
        let shown = page(&mut twin, sweep);
        assert_eq!(errors(&shown), [last]);
    }
}
