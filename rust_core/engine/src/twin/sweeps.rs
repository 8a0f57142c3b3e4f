//! For tests: sweeps, and driving them to their end.

use proptest::prelude::*;

use super::{SECOND, Twin, config, message, nack};
use crate::command::{Command, Nack, StartSweep, SweepChoice};
use crate::config::QueueConfig;
use crate::ids::MessageId;
use crate::reply::{Reply, State};
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
        messages: page.messages.iter().map(|next| next.message).collect(),
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
