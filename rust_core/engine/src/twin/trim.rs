//! The twin's journal, as far as its beginning goes: what every batch takes, and what was trimmed.

use std::collections::BTreeMap;

use super::Twin;
use crate::command::{Blob, Command, Move, Trim};
use crate::ids::Part;
use crate::partition::Step;
use crate::reply::{Reply, Survivor, Trimming};

/// Bytes by LSN.
#[derive(Default)]
pub(super) struct Journal {
    batches: BTreeMap<u64, u64>,
}

impl Journal {
    pub fn append(&mut self, step: &Step) -> u64 {
        let bytes = 60 + 30 * step.records.len() as u64 + 100 * step.blobs.len() as u64;
        self.batches.insert(step.lsn, bytes);
        bytes
    }

    pub fn bytes(&self) -> u64 {
        self.batches.values().sum()
    }

    pub fn lose_before(&mut self, lsn: u64) {
        self.batches = self.batches.split_off(&lsn);
    }
}

/// How a step is taken: by the twin, or by a ledger that watches it.
pub(super) type StepOf<'a> = &'a mut dyn FnMut(&mut Twin, Vec<Command>) -> Step;

/// One round, as the server does it: ask, trim, move; until there is no more to do.
pub(super) fn trim(twin: &mut Twin, ago: u64, step: StepOf<'_>) {
    let horizon_lsn = twin.live.lsn().saturating_sub(ago);
    for _ in 0..64 {
        let trimming = ask(twin, horizon_lsn, false, step);
        assert!(
            trimming.oldest_live_lsn <= twin.live.lsn(),
            "the last batch stays"
        );
        assert_needed(twin, trimming.oldest_live_lsn);
        let now_needed = twin.live.oldest_live_lsn();
        assert!(now_needed >= trimming.oldest_live_lsn, "less is needed");
        let before = trimming.oldest_live_lsn.min(horizon_lsn);
        twin.journal.lose_before(before);
        if !trimming.found.is_empty() {
            let moves = trimming.found.into_iter().map(moved).collect();
            step(twin, vec![Command::Move { moves }]);
        } else if !trimming.more {
            return;
        }
    }
}

fn ask(twin: &mut Twin, horizon_lsn: u64, is_moving: bool, step: StepOf<'_>) -> Trimming {
    let first = twin.journal.batches.keys().next();
    let trim = Trim {
        first_lsn: first.copied().unwrap_or(1),
        journal_bytes: twin.journal.bytes(),
        horizon_lsn,
        is_moving,
    };
    match step(twin, vec![Command::Trim(trim)]).replies.remove(0) {
        Reply::Trimming(trimming) => trimming,
        other => panic!("{other:?}"),
    }
}

/// An envelope gets longer when it moves first.
fn moved(survivor: Survivor) -> Move {
    let longer = u32::from(survivor.part == Part::Envelope);
    let length = survivor.at.length + longer;
    let blob = Blob { index: 0, length };
    Move { survivor, blob }
}

fn assert_needed(twin: &Twin, oldest_lsn: u64) {
    let kept = twin.journal.batches.keys().next().copied().unwrap_or(0);
    let first_lsn = twin.live.first_needed_lsn();
    let mut is_needed = first_lsn == twin.live.lsn() + 1;
    twin.live.state().locations(|at, _| {
        is_needed |= at.lsn == first_lsn;
        assert!(at.lsn == 0 || at.lsn >= first_lsn, "not the first");
        assert!(at.lsn >= oldest_lsn, "a blob that is needed would go");
        assert!(
            at.lsn == 0 || at.lsn >= kept,
            "a blob that is needed is gone"
        );
    });
    assert!(is_needed, "nothing is needed of batch {first_lsn}");
}

mod tests {
    use super::*;
    use crate::command::{Ack, Complete};
    use crate::ids::{LeaseId, Location, MessageId};
    use crate::twin::{SECOND, message};

    /// One in `every` stays; the rest is acked at once.
    fn traffic(twin: &mut Twin, rounds: u64, every: u64) -> Vec<LeaseId> {
        let mut stay = Vec::new();
        for round in 0..rounds {
            twin.enqueue("q", message());
            let held = twin.receive("q", 1)[0].lease;
            if round % every > 0 {
                twin.ask(Command::Ack(Ack { lease: held }));
            } else {
                stay.push(held);
            }
        }
        stay
    }

    fn queue() -> Twin {
        let mut twin = Twin::new();
        let config = crate::config::QueueConfig {
            visibility_timeout_ms: 1_000_000 * SECOND,
            ..super::super::config()
        };
        twin.create("q", config);
        twin
    }

    /// Asks until something is found.
    fn page(twin: &mut Twin, horizon_lsn: u64) -> Trimming {
        loop {
            let trimming = ask(twin, horizon_lsn, false, &mut Twin::step);
            if !trimming.found.is_empty() {
                return trimming;
            }
            assert!(trimming.more);
        }
    }

    #[test]
    fn the_journal_stays_within_what_is_needed_however_long_it_goes_on() {
        let mut twin = queue();
        for _ in 0..20 {
            traffic(&mut twin, 60, 20);
            trim(&mut twin, 1, &mut Twin::step);
            let live = twin.live.live_bytes();
            assert!(
                twin.journal.bytes() <= 2 * live + 1600,
                "{} of {live}",
                twin.journal.bytes()
            );
        }
        assert_eq!(twin.live.message_count(), 60);
    }

    #[test]
    fn results_move_as_messages_do() {
        let mut twin = queue();
        twin.create(
            "results",
            crate::config::QueueConfig {
                result_retention_ms: 1_000_000 * SECOND,
                ..super::super::config()
            },
        );
        let id = twin.enqueue("results", message()).message;
        let lease = twin.receive("results", 1)[0].lease;
        twin.ask(Command::Complete(Box::new(Complete {
            lease,
            result: Some(message().blob),
            enqueue: vec![],
        })));
        let before = result(&mut twin, id);
        traffic(&mut twin, 60, 100);
        let (bytes, first_lsn) = (twin.live.live_bytes(), twin.live.first_needed_lsn());
        trim(&mut twin, 1, &mut Twin::step);
        assert_ne!(result(&mut twin, id), before);
        assert_eq!(result(&mut twin, id).length, before.length);
        assert!(twin.live.first_needed_lsn() > first_lsn);
        let envelope = 1; // of the message that `traffic` leaves
        assert_eq!(twin.live.live_bytes(), bytes + envelope);
    }

    fn result(twin: &mut Twin, id: MessageId) -> Location {
        match twin.ask(Command::GetMessage { message: id }) {
            Reply::Done(view) => view.result,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_journal_nothing_is_needed_of_may_begin_behind_its_end() {
        let mut twin = queue();
        assert_eq!(twin.live.first_needed_lsn(), twin.live.lsn() + 1);
        twin.enqueue("q", message());
        assert_eq!(twin.live.first_needed_lsn(), twin.live.lsn());
    }

    #[test]
    fn what_went_or_was_moved_meanwhile_is_passed_over() {
        let mut twin = queue();
        traffic(&mut twin, 40, 10);
        let horizon_lsn = twin.live.lsn();
        let trimming = page(&mut twin, horizon_lsn);
        let moves: Vec<Move> = trimming.found.into_iter().map(moved).collect();
        assert!(moves.len() > 1);
        let again = moves.clone();
        let count = moves.len();
        assert_eq!(twin.ask(Command::Move { moves }), Reply::Moved { count });
        let moves = again;
        assert_eq!(twin.ask(Command::Move { moves }), Reply::Moved { count: 0 });
        let mut stays = traffic(&mut twin, 1, 1)[0].message;
        for gone in [false, true] {
            stays.number += u64::from(gone);
            let survivor = Survivor {
                message: stays,
                part: Part::Error,
                at: Location {
                    lsn: 1,
                    ..Location::default()
                },
            };
            let moves = vec![moved(survivor)];
            assert_eq!(twin.ask(Command::Move { moves }), Reply::Moved { count: 0 });
        }
    }

    /// A survey is under way: its partition, what stays there, and the horizon.
    fn looking() -> (Twin, Vec<LeaseId>, u64) {
        let mut twin = queue();
        let stay = traffic(&mut twin, 40, 10);
        let horizon_lsn = twin.live.lsn();
        let trimming = ask(&mut twin, horizon_lsn, false, &mut Twin::step);
        assert!(trimming.more, "it looks");
        (twin, stay, horizon_lsn)
    }

    #[test]
    fn a_page_names_nothing_that_went_since_it_was_found() {
        let (mut twin, stay, horizon_lsn) = looking();
        for &lease in &stay[..2] {
            twin.ask(Command::Ack(Ack { lease }));
        }
        let trimming = page(&mut twin, horizon_lsn);
        let found: Vec<_> = trimming.found.iter().map(|one| one.message).collect();
        assert_eq!(found, [stay[2].message, stay[3].message]);
        assert!(trimming.more);
    }

    #[test]
    fn what_is_on_its_way_is_not_looked_for_anew() {
        let (mut twin, stay, horizon_lsn) = looking();
        let trimming = page(&mut twin, horizon_lsn);
        assert_eq!(trimming.found.len(), stay.len(), "that is all of it");
        let again = ask(&mut twin, horizon_lsn, true, &mut Twin::step);
        assert!(again.found.is_empty() && !again.more);
        assert!(twin.live.state().survey.is_none());
        let again = page(&mut twin, horizon_lsn);
        assert_eq!(again.found, trimming.found, "it came to nothing");
    }

    #[test]
    fn a_survey_goes_on_while_what_it_found_first_is_on_its_way() {
        let (mut twin, stay, horizon_lsn) = looking();
        let mut found = Vec::new();
        while found.len() < stay.len() {
            let trimming = ask(&mut twin, horizon_lsn, true, &mut Twin::step);
            assert!(trimming.more);
            found.extend(trimming.found);
        }
    }

    #[test]
    fn what_was_found_and_went_since_is_forgotten_though_nobody_asks_for_it_any_more() {
        let (mut twin, stay, horizon_lsn) = looking();
        assert!(twin.live.state().survey.is_some());
        for lease in stay {
            twin.ask(Command::Ack(Ack { lease }));
        }
        let trimming = ask(&mut twin, horizon_lsn, false, &mut Twin::step);
        assert!(!trimming.more && trimming.found.is_empty());
        assert!(twin.live.state().survey.is_none());
    }

    #[test]
    fn what_came_since_is_looked_for_by_another_survey() {
        let (mut twin, stay, _) = looking();
        let later = traffic(&mut twin, 40, 10);
        for lease in stay {
            twin.ask(Command::Ack(Ack { lease }));
        }
        let horizon_lsn = twin.live.lsn();
        let trimming = ask(&mut twin, horizon_lsn, false, &mut Twin::step);
        assert!(trimming.found.is_empty(), "what was found is gone");
        assert!(trimming.more);
        let found = page(&mut twin, horizon_lsn).found.into_iter();
        let later = later.into_iter().map(|lease| lease.message);
        assert!(found.map(|one| one.message).eq(later));
    }

    #[test]
    fn nothing_is_moved_while_the_journal_is_well_within_a_segment() {
        let mut twin = queue();
        traffic(&mut twin, 2, 10);
        assert!((600..900).contains(&twin.journal.bytes()));
        let horizon_lsn = twin.live.lsn();
        let trimming = ask(&mut twin, horizon_lsn, false, &mut Twin::step);
        assert!(!trimming.more && trimming.found.is_empty());
    }
}
