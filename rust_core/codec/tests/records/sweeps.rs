//! Any record of a sweep.

use super::{message, name, queue, reason};
use engine::record::Record;
use engine::reply::State;
use engine::sweep::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn action() -> impl Strategy<Value = SweepAction> {
    prop_oneof![
        option::of(name()).prop_map(|destination| SweepAction::Redrive { destination }),
        Just(SweepAction::Cancel),
        any::<(Option<u64>, Option<u8>)>()
            .prop_map(|(delay_ms, priority)| SweepAction::Change { delay_ms, priority }),
    ]
}

fn state() -> impl Strategy<Value = State> {
    prop::sample::select(vec![
        State::Ready,
        State::Blocked,
        State::Delayed,
        State::Leased,
        State::Dead,
    ])
}

prop_compose! {
    fn filter()(
        state in option::of(state()), reason in option::of(reason()), error in option::of(name()),
        metadata in option::of(name()), older_than_ms: Option<u64>, newer_than_ms: Option<u64>,
        accepted: Option<(u64, u64)>,
    ) -> SweepFilter {
        SweepFilter { state, reason, error, metadata, older_than_ms, newer_than_ms, accepted }
    }
}

prop_compose! {
    fn plan()(
        action in action(), filter in filter(), ids in option::of(vec(message(), 0..20)), messages_max: u64,
        rate: Option<(u32, u64)>, dry_run: bool,
    ) -> SweepPlan {
        let rate = rate.map(|(messages, per_ms)| SweepRate { messages, per_ms });
        SweepPlan { action, filter, ids, messages_max, rate, dry_run }
    }
}

prop_compose! {
    fn advanced()(
        sweep: u64, cursor: u64, counts: [u64; 3], failed: [u64; SWEEP_FAILURES.len()], zeros in 0..4_usize,
        sample in vec(message(), 0..=SWEEP_SAMPLE_MAX),
    ) -> Record {
        let [matched, moved, skipped] = counts;
        let mut failed = failed;
        failed.iter_mut().rev().take(zeros).for_each(|count| *count = 0);
        let tally = SweepTally { matched, moved, skipped, failed };
        Record::SweepAdvanced { sweep, cursor, tally, sample }
    }
}

prop_compose! {
    fn redriven()(message in message(), queue in queue(), new in message(), expires_at_ms: u64) -> Record {
        Record::Redriven { message, queue, new, expires_at_ms }
    }
}

/// What sweeps are and do.
pub fn swept() -> impl Strategy<Value = Record> {
    let end = prop::sample::select(vec![
        SweepEnd::Done,
        SweepEnd::Cancelled,
        SweepEnd::QueueDeleted,
    ]);
    prop_oneof![
        (any::<u64>(), queue(), plan()).prop_map(|(sweep, queue, plan)| Record::SweepStarted {
            sweep,
            queue,
            plan: plan.into(),
        }),
        advanced(),
        (any::<u64>(), end).prop_map(|(sweep, end)| Record::SweepEnded { sweep, end }),
        any::<u64>().prop_map(|sweep| Record::SweepForgotten { sweep }),
        redriven(),
    ]
}
