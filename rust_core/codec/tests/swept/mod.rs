//! The records of sweeps that the recordings hold.

use engine::ids::{MessageId, QueueNumber};
use engine::record::{DeathReason, Record};
use engine::reply::State;
use engine::sweep::*;

fn message(number: u64) -> MessageId {
    MessageId {
        number,
        slot: number as u32 * 300,
    }
}

/// What sweeps are and do.
pub fn swept(queue: QueueNumber) -> Vec<Record> {
    let started = |sweep, action, filter, ids| {
        let plan = SweepPlan {
            action,
            filter,
            ids,
            messages_max: 1000,
            rate: Some(SweepRate {
                messages: 10,
                per_ms: 1000,
            }),
            dry_run: sweep == 3,
        };
        Record::SweepStarted {
            sweep,
            queue,
            plan: plan.into(),
        }
    };
    let filter = SweepFilter {
        state: Some(State::Dead),
        reason: Some(DeathReason::Rejected),
        error: Some("timeout".into()),
        metadata: Some(r#"{"tenant":"a"}"#.into()),
        older_than_ms: Some(60_000),
        newer_than_ms: Some(120_000),
        accepted: Some((2, 9)),
    };
    let destination = Some("email-retries".into());
    let change = SweepAction::Change {
        delay_ms: Some(0),
        priority: Some(9),
    };
    let ended = |sweep, end| Record::SweepEnded { sweep, end };
    vec![
        started(1, SweepAction::Redrive { destination }, filter, None),
        started(
            2,
            SweepAction::Cancel,
            SweepFilter::default(),
            Some(vec![message(3)]),
        ),
        started(3, change, SweepFilter::default(), None),
        Record::Redriven {
            message: message(3),
            queue: QueueNumber(1),
            new: message(8),
            expires_at_ms: 1_700_000_090_000,
        },
        Record::SweepAdvanced {
            sweep: 1,
            cursor: 3,
            tally: SweepTally {
                matched: 3,
                moved: 1,
                skipped: 1,
                failed: [0, 2, 0, 0],
            },
            sample: vec![message(4)],
        },
        ended(1, SweepEnd::Done),
        ended(2, SweepEnd::Cancelled),
        ended(3, SweepEnd::QueueDeleted),
        Record::SweepForgotten { sweep: 1 },
    ]
}
