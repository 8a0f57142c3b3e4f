//! For tests: sweeps, and driving them to their end.

use proptest::prelude::*;

use super::{SECOND, Twin, config, message, nack};
use crate::command::{Blob, Command, GiveBack, Move, Nack, NewMessage, StartSweep, SweepChoice};
use crate::config::QueueConfig;
use crate::ids::{MessageId, Part};
use crate::reply::{Reply, State, Survivor};
use crate::sweep::*;

pub(crate) fn redrive() -> SweepPlan {
    SweepPlan {
        action: SweepAction::Redrive { destination: None },
        filter: SweepFilter::default(),
        ids: None,
        messages_max: 0,
        rate: None,
        dry_run: false,
    }
}

pub(crate) fn to(queue: &str) -> SweepPlan {
    let destination = Some(queue.into());
    SweepPlan {
        action: SweepAction::Redrive { destination },
        ..redrive()
    }
}

pub(crate) fn start(queue: &str, plan: SweepPlan) -> Command {
    Command::StartSweep(Box::new(StartSweep {
        queue: queue.into(),
        plan,
        running_max: 3,
        kept_max: 4,
        kept_ms: 60_000,
    }))
}

/// A queue whose messages die into "letters", and so many that did, a second apart.
pub(crate) fn letters(dead: u32) -> Twin {
    let mut twin = Twin::new();
    let config = QueueConfig {
        max_retries: 0,
        dead_letter_queue: Some("letters".into()),
        ..config()
    };
    twin.create("q", config);
    (0..dead).for_each(|_| die(&mut twin, false));
    twin
}

pub(crate) fn die(twin: &mut Twin, reject: bool) {
    twin.enqueue("q", message());
    let lease = twin.receive("q", 1)[0].lease;
    twin.ask(Command::Nack(Nack {
        reject,
        ..nack(lease)
    }));
    twin.wait(SECOND);
}

impl Twin {
    pub fn start_sweep(&mut self, queue: &str, plan: SweepPlan) -> u64 {
        match self.ask(start(queue, plan)) {
            Reply::Sweep(view) => view.number,
            other => panic!("{other:?}"),
        }
    }

    pub fn step_sweep(&mut self, sweep: u64, choice: Option<SweepChoice>) -> SweepProgress {
        match self.ask(Command::StepSweep { sweep, choice }) {
            Reply::SweepStepped(progress) => progress,
            other => panic!("{other:?}"),
        }
    }

    pub fn get_sweep(&mut self, sweep: u64) -> SweepView {
        let kept_ms = 60_000;
        match self.ask(Command::GetSweep { sweep, kept_ms }) {
            Reply::Sweep(view) => *view,
            other => panic!("{other:?}"),
        }
    }

    /// Begins one and drives it to its end, waiting as it is told. Every message that is shown matches.
    pub fn sweep(&mut self, queue: &str, plan: SweepPlan) -> SweepView {
        let sweep = self.start_sweep(queue, plan);
        let mut choice = None;
        loop {
            match self.step_sweep(sweep, choice.take()) {
                SweepProgress::Over => return self.get_sweep(sweep),
                SweepProgress::GoOn { wait_ms } => {
                    self.wait(wait_ms);
                }
                SweepProgress::Look(page) => choice = Some(all_of(page)),
            }
        }
    }
}

pub(crate) fn all_of(page: SweepPage) -> SweepChoice {
    SweepChoice {
        until: page.until,
        messages: page.messages,
    }
}

#[test]
fn only_what_has_an_error_is_looked_at_for_its_text() {
    let mut twin = letters(2);
    twin.enqueue("q", message());
    let lease = twin.receive("q", 1)[0].lease;
    twin.ask(Command::Nack(Nack {
        error: Some(message().blob),
        ..nack(lease)
    }));
    let filter = SweepFilter {
        error: Some("timeout".into()),
        ..SweepFilter::default()
    };
    let sweep = twin.start_sweep(
        "letters",
        SweepPlan {
            filter,
            ..redrive()
        },
    );
    let page = loop {
        match twin.step_sweep(sweep, None) {
            SweepProgress::Look(page) => break page,
            SweepProgress::GoOn { .. } => {}
            SweepProgress::Over => panic!("nothing was found"),
        }
    };
    assert_eq!(page.messages.len(), 1);
    assert!(page.messages[0].error.lsn > 0);
}

#[test]
fn a_dry_run_s_maximum_counts_what_would_be_done_as_that_of_a_real_one() {
    for dry_run in [true, false] {
        let mut twin = letters(0);
        for _ in 0..3 {
            twin.enqueue("letters", message());
        }
        (0..4).for_each(|_| die(&mut twin, false));
        let filter = SweepFilter {
            state: Some(State::Ready),
            ..SweepFilter::default()
        };
        let plan = SweepPlan {
            filter,
            messages_max: 2,
            dry_run,
            ..redrive()
        };
        let tally = twin.sweep("letters", plan).tally;
        let done = tally.matched - tally.failures();
        assert_eq!((tally.failures(), done), (3, 2), "three come from nowhere");
        assert_eq!(tally.moved, if dry_run { 0 } else { 2 });
    }
}

/// A random move: of the latest sweep, or the one before, except for the first.
#[derive(Clone, Debug)]
pub(super) enum SweepMove {
    Start {
        queue: usize,
        action: usize,
        destination: Option<usize>,
        which: Option<usize>,
        state: Option<State>,
        dry_run: bool,
        slowly: bool,
    },
    Step {
        before: u64,
    },
    Cancel,
}

pub(super) fn any_move(queues: usize) -> impl Strategy<Value = SweepMove> {
    let state = prop::option::of(prop::sample::select(vec![
        State::Ready,
        State::Delayed,
        State::Blocked,
    ]));
    let start = (
        (0..queues, 0_usize..4),
        prop::option::of(0..queues),
        prop::option::weighted(0.3, 0_usize..6),
        state,
        prop::bool::weighted(0.2),
        any::<bool>(),
    );
    prop_oneof![
        2 => start.prop_map(|((queue, action), destination, which, state, dry_run, slowly)| {
            SweepMove::Start { queue, action, destination, which, state, dry_run, slowly }
        }),
        6 => (0_u64..2).prop_map(|before| SweepMove::Step { before }),
        1 => Just(SweepMove::Cancel),
    ]
}

pub(super) fn command(
    queues: &[&str],
    latest: u64,
    messages: &[MessageId],
    next: SweepMove,
) -> Command {
    match next {
        SweepMove::Start {
            queue,
            action,
            destination,
            which,
            state,
            dry_run,
            slowly,
        } => {
            let id = which.and_then(|which| messages.iter().rev().nth(which));
            let (messages, per_ms) = (1, 20);
            let destination = destination.map(|queue| queues[queue].into());
            let action = match action {
                0 => SweepAction::Cancel,
                1 => SweepAction::Change {
                    delay_ms: destination.as_ref().map(|_| 30),
                    priority: Some(200),
                },
                _ => SweepAction::Redrive { destination },
            };
            let plan = SweepPlan {
                action,
                ids: id.map(|&id| vec![id]),
                filter: SweepFilter {
                    state,
                    ..SweepFilter::default()
                },
                rate: slowly.then_some(SweepRate { messages, per_ms }),
                dry_run,
                ..redrive()
            };
            start(queues[queue], plan)
        }
        SweepMove::Step { before } => Command::StepSweep {
            sweep: latest.saturating_sub(before),
            choice: None,
        },
        SweepMove::Cancel => Command::CancelSweep {
            sweep: latest,
            kept_ms: 100,
        },
    }
}

#[test]
fn one_that_ended_is_told_of_for_as_long_as_it_is_kept() {
    let mut twin = letters(0);
    let ended = twin.sweep("q", redrive()).number;
    twin.wait(60_000).sweep("q", redrive());
    assert_eq!(twin.get_sweep(ended).number, ended);
    twin.wait(1).sweep("q", redrive());
    assert!(twin.live.state().sweeps.get(ended).is_none());
}

fn cancel(filter: SweepFilter) -> SweepPlan {
    SweepPlan {
        action: SweepAction::Cancel,
        filter,
        ..redrive()
    }
}

/// The first page that is shown of a sweep of "q".
fn first_page(twin: &mut Twin, filter: SweepFilter) -> SweepPage {
    let sweep = twin.start_sweep("q", cancel(filter));
    twin.step_sweep(sweep, None);
    match twin.step_sweep(sweep, None) {
        SweepProgress::Look(page) => page,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_page_s_bytes_lie_in_few_batches_and_are_few() {
    // Of 3 MiB each two are more than are read at once, unless one batch has them.
    for (length, together, shown) in [(100, 1, 16), (3 << 20, 1, 1), (3 << 20, 5, 5)] {
        let mut twin = letters(0);
        for _ in 0..20 {
            let blob = Blob { index: 0, length };
            twin.ask(Command::Enqueue {
                queue: "q".into(),
                messages: vec![NewMessage { blob, ..message() }; together],
                atomic: true,
            });
        }
        let metadata = Some("{}".into());
        let filter = SweepFilter {
            metadata,
            ..SweepFilter::default()
        };
        let page = first_page(&mut twin, filter);
        assert_eq!(page.messages.len(), shown, "{length} bytes");
    }
}

#[test]
fn only_what_was_moved_is_asked_when_it_was_accepted() {
    let mut twin = letters(0);
    let ids = [(); 2].map(|()| twin.enqueue("q", message()).message);
    let survivor = Survivor {
        message: ids[0],
        part: Part::Envelope,
        at: twin.message(ids[0]).envelope,
    };
    let blob = message().blob;
    let moves = vec![Move { survivor, blob }];
    assert_eq!(twin.ask(Command::Move { moves }), Reply::Moved { count: 1 });
    let now_ms = twin.wait(60 * SECOND).now_ms;
    let of_age = |older_than_ms, newer_than_ms| SweepFilter {
        older_than_ms,
        newer_than_ms,
        accepted: Some((1, u64::MAX)),
        ..SweepFilter::default()
    };
    for (older_ms, newer_ms, accepted_ms) in [
        (Some(9), None, (0, now_ms - 9)),
        (None, Some(7), (now_ms - 7, u64::MAX)),
        (Some(2), Some(5), (now_ms - 5, now_ms - 2)),
    ] {
        let page = first_page(&mut twin, of_age(older_ms, newer_ms));
        let asked = page.messages.iter().map(|one| (one.message, one.asks_age));
        assert!(asked.eq([(ids[0], true), (ids[1], false)]));
        assert_eq!(page.accepted_ms, accepted_ms);
    }
    let ids = Some(vec![ids[1]]);
    let plan = cancel(of_age(Some(9), None));
    let left = SweepPlan { ids, ..plan };
    twin.ask(Command::CancelSweep {
        sweep: 1,
        kept_ms: 60_000,
    });
    assert_eq!(twin.sweep("q", left).tally.moved, 1);
}

#[test]
fn a_rate_is_kept_by_a_tenth_of_a_second_s_worth_at_a_time() {
    let mut twin = letters(0);
    (0..30).for_each(|_| _ = twin.enqueue("q", message()));
    let rate = Some(SweepRate {
        messages: 100,
        per_ms: SECOND,
    });
    let plan = SweepPlan {
        rate,
        ..cancel(SweepFilter::default())
    };
    let sweep = twin.start_sweep("q", plan);
    (0..2).for_each(|_| drop(twin.step_sweep(sweep, None)));
    assert_eq!(twin.get_sweep(sweep).tally.moved, 10);
    let waits = SweepProgress::GoOn { wait_ms: 100 };
    assert_eq!(twin.step_sweep(sweep, None), waits);
}

#[test]
fn what_dies_again_in_a_further_group_of_a_dead_letter_queue_is_that_group_s() {
    let mut twin = letters(0);
    twin.create_group("letters", "audit");
    die(&mut twin, false);
    let lease = twin.receive_for("letters", "audit", 1)[0].lease;
    twin.ask(Command::Nack(Nack {
        reject: true,
        ..nack(lease)
    }));
    let counts = |twin: &mut Twin| twin.group("letters", "audit").counts.dead;
    assert_eq!(counts(&mut twin), 1);
    assert_eq!(twin.sweep("letters", redrive()).tally.moved, 1);
    assert_eq!((counts(&mut twin), twin.queue("q").counts.ready), (1, 1));
}

#[test]
fn who_waits_for_the_others_is_asked_when_a_ready_letter_is_redriven() {
    let mut twin = letters(2);
    let first = twin.receive("letters", 1).remove(0);
    let letter = first.message;
    twin.ask(Command::GiveBack {
        leases: vec![GiveBack {
            lease: first.lease,
            ready_since_ms: first.ready_since_ms,
            told: 0,
        }],
    });
    let ids = Some(vec![letter]);
    let sweep = twin.start_sweep("letters", SweepPlan { ids, ..redrive() });
    let choice = None;
    let step = twin.step(vec![Command::StepSweep { sweep, choice }]);
    assert_eq!(step.woken, [("letters".into(), 1), ("q".into(), 1)]);
}
