//! Records come back as they were, within their bounds; bytes that are no record are refused.

mod records;

use codec::record::{self, bound};
use codec::varint::{Malformed, Reader};
use engine::budget::{
    DEAD_LETTER_QUEUE_BYTES_MAX, FIRED_BYTES_MAX, FORGOTTEN_BYTES_MAX, MEMBER_LEFT_BYTES_MAX,
    REAPED_BYTES_MAX, REASSIGNED_BYTES_MAX, RETIRED_BYTES_MAX, RETIRED_LETTER_BYTES_MAX,
    RETURNED_BYTES_MAX,
};
use engine::config::{Backoff, QueueConfig, Scheduling};
use engine::ids::QueueNumber;
use engine::record::Record;
use engine::sweep::{SweepAction, SweepPlan};
use proptest::prelude::*;

fn encoded(record: &Record) -> Vec<u8> {
    let mut out = Vec::new();
    record::encode(&mut out, record);
    out
}

fn destination(plan: &SweepPlan) -> &Option<Box<str>> {
    match &plan.action {
        SweepAction::Redrive { destination } => destination,
        _ => &None,
    }
}

fn bytes_max(record: &Record) -> usize {
    match record {
        Record::Founded { .. } | Record::Fenced { .. } => bound::FENCE,
        Record::QueueCreated { config, .. } | Record::QueueUpdated { config, .. } => {
            bound::queue(128) + bound::weights(config.fairness.weights.len(), 128)
        }
        Record::QueuePaused { .. } => bound::QUEUE_PAUSED,
        Record::QueuePurged { .. } => bound::QUEUE_PURGED,
        Record::GroupCreated { .. } => bound::group(128),
        Record::MemberJoined { consumer, .. } | Record::MemberLeft { consumer, .. } => {
            bound::member(consumer.len()) - (REASSIGNED_BYTES_MAX + RETURNED_BYTES_MAX) as usize
        }
        Record::Reassigned { .. } => REASSIGNED_BYTES_MAX as usize,
        Record::Returned { .. } => RETURNED_BYTES_MAX as usize,
        Record::QueueDeleted { .. } => bound::QUEUE_DELETED,
        Record::Retired { .. } => RETIRED_BYTES_MAX as usize,
        Record::Deleted { .. } => RETIRED_LETTER_BYTES_MAX as usize,
        Record::Reaped { .. } => REAPED_BYTES_MAX as usize,
        Record::Forgotten { .. } => FORGOTTEN_BYTES_MAX as usize,
        Record::Enqueued(one) => bound::ENQUEUED + one.backoff.map_or(0, |_| bound::BACKOFF),
        Record::Leased {
            consumer, messages, ..
        } => bound::leased(consumer.len(), messages.len()),
        Record::SweepStarted { plan, .. } => {
            let texts = [&plan.filter.error, &plan.filter.metadata, destination(plan)];
            let texts = texts.into_iter().flatten().map(|text| text.len()).sum();
            bound::sweep_started(texts, plan.ids.as_ref().map_or(0, Vec::len))
        }
        Record::SweepAdvanced { .. } => bound::SWEEP_ADVANCED,
        Record::SweepEnded { .. } => bound::SWEEP_ENDED,
        Record::SweepForgotten { .. } => bound::SWEEPS_FORGOTTEN,
        Record::Redriven { .. } => bound::REDRIVEN,
        Record::Moved { .. } => bound::MOVED,
        Record::Lost { .. } => bound::LOST,
        Record::ResultsEvicted { .. } => bound::RESULTS_EVICTED,
        Record::FollowedUp { messages, .. } => {
            let share = bound::FOLLOWED - bound::BROUGHT;
            bound::FOLLOWED_UP + messages.len() * share
        }
        _ => bound::CHANGE,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_record_comes_back_within_its_bound(record in records::record()) {
        let bytes = encoded(&record);
        let mut reader = Reader::new(&bytes);
        prop_assert!(bytes.len() <= bytes_max(&record), "{} bytes", bytes.len());
        prop_assert_eq!(record::decode(&mut reader), Ok(record));
        prop_assert!(reader.end().is_ok());
    }

    #[test]
    fn what_decodes_encodes_back(bytes in proptest::collection::vec(any::<u8>(), 0..80), tag in 0..60u8) {
        let bytes = [&[tag], &bytes[..]].concat();
        let mut reader = Reader::new(&bytes);
        if let Ok(record) = record::decode(&mut reader) {
            prop_assert_eq!(&encoded(&record)[..], &bytes[..bytes.len() - reader.remaining()]);
        }
    }

    #[test]
    fn a_record_that_ends_early_is_refused(record in records::record(), cut in 1..40usize) {
        let bytes = encoded(&record);
        let end = bytes.len().saturating_sub(cut);
        prop_assert!(record::decode(&mut Reader::new(&bytes[..end])).is_err());
    }
}

/// What the engine counts on knowing no format.
#[test]
fn a_step_s_own_records_stay_within_the_engine_s_budget() {
    assert!(bound::CHANGE <= FIRED_BYTES_MAX as usize);
    assert!(bound::member(256) <= MEMBER_LEFT_BYTES_MAX as usize);
    let backoff = Backoff {
        initial_ms: u64::MAX,
        multiplier_permille: u32::MAX,
        max_ms: u64::MAX,
        jitter_permille: u16::MAX,
    };
    let config = QueueConfig {
        scheduling: Scheduling::Fair { aging_ms: u64::MAX },
        backoff,
        dedup_window_ms: u64::MAX,
        delay_ms: u64::MAX,
        ttl_ms: u64::MAX,
        ..QueueConfig::new(u64::MAX, u32::MAX)
    };
    let longest = Record::QueueCreated {
        queue: QueueNumber(u32::MAX),
        name: "q".repeat(128).into(),
        config: config.into(),
    };
    assert!(encoded(&longest).len() <= DEAD_LETTER_QUEUE_BYTES_MAX as usize + 128);
}

#[test]
fn unknown_tags_and_flags_are_refused() {
    for tag in [0, 22, 255] {
        let read = record::decode(&mut Reader::new(&[tag, 1, 1, 1, 1, 1]));
        assert_eq!(read, Err(Malformed("a record has an unknown tag")));
    }
    let enqueued = [7, 0x40, 1, 1, 1, 1, 1, 1, 1, 1];
    assert_eq!(
        record::decode(&mut Reader::new(&enqueued)),
        Err(Malformed("an enqueue has an unknown flag"))
    );
}
