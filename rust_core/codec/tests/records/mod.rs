//! Any record, for tests of whatever holds records.

pub mod sweeps;

use engine::config::{Backoff, Fairness, QueueConfig, RateLimit, Scheduling, Weight};
use engine::ids::{GroupNumber, Location, MESSAGE_NUMBER_MAX, MessageId, Part, QueueNumber};
use engine::record::{
    DeathReason, DedupEntry, Enqueued, FailureCause, Followed, Lease, Paused, Record,
};
use proptest::option;
use proptest::prelude::*;

fn message() -> impl Strategy<Value = MessageId> {
    (1..=MESSAGE_NUMBER_MAX, any::<u32>()).prop_map(|(number, slot)| MessageId { number, slot })
}

fn queue() -> impl Strategy<Value = QueueNumber> {
    any::<u32>().prop_map(QueueNumber)
}

fn group() -> impl Strategy<Value = GroupNumber> {
    any::<u16>().prop_map(GroupNumber)
}

pub fn name() -> impl Strategy<Value = Box<str>> {
    "[a-z]{1,20}|.{0,40}|[a-z]{128}".prop_map(|name: String| {
        let end = (0..=128.min(name.len()))
            .rev()
            .find(|end| name.is_char_boundary(*end));
        name[..end.unwrap_or(0)].into()
    })
}

fn rate_limit() -> impl Strategy<Value = RateLimit> {
    (any::<u32>(), any::<u64>(), any::<u32>()).prop_map(|(requests, per_ms, burst)| RateLimit {
        requests,
        per_ms,
        burst,
    })
}

fn scheduling() -> impl Strategy<Value = Scheduling> {
    prop_oneof![
        Just(Scheduling::Strict),
        any::<u64>().prop_map(|aging_ms| Scheduling::Fair { aging_ms })
    ]
}

prop_compose! {
    fn backoff()(initial_ms: u64, multiplier_permille: u32, max_ms: u64, jitter_permille: u16) -> Backoff {
        Backoff { initial_ms, multiplier_permille, max_ms, jitter_permille }
    }
}

prop_compose! {
    fn fairness()(
        weights in prop::collection::vec((name(), any::<u64>(), any::<u32>()), 0..4), in_flight_max: u32,
    ) -> Fairness {
        let weight = |(key, hash, weight)| Weight { key, hash, weight };
        Fairness { weights: weights.into_iter().map(weight).collect(), in_flight_max }
    }
}

prop_compose! {
    /// The settings that came with format 2.
    fn tagged()(
        limits in prop::array::uniform3(option::of(rate_limit())), fairness in fairness(),
        messages_max: u64, in_flight_max: u32, dead_retention_ms: u64, result_retention_ms: u64,
        session_timeout_ms: u64,
    ) -> QueueConfig {
        let [consumer_rate_limit, key_rate_limit, ingress_limit] = limits;
        QueueConfig {
            consumer_rate_limit, key_rate_limit, ingress_limit, fairness, messages_max, in_flight_max,
            dead_retention_ms, result_retention_ms, session_timeout_ms, ..QueueConfig::new(1, 1)
        }
    }
}

prop_compose! {
    fn config()(
        max_retries: u32, visibility_timeout_ms: u64, dead_letter_queue in option::of(name()),
        rate_limit in option::of(rate_limit()), scheduling in scheduling(), backoff in backoff(),
        dedup_window_ms: u64, delay_ms: u64, ttl_ms: u64,
        rest in prop_oneof![Just(QueueConfig::new(1, 1)), tagged()],
    ) -> QueueConfig {
        QueueConfig {
            max_retries, visibility_timeout_ms, dead_letter_queue, rate_limit, scheduling, backoff,
            dedup_window_ms, delay_ms, ttl_ms, ..rest
        }
    }
}

prop_compose! {
    fn dedup()(hash: u128, fingerprint: u64, expires_at_ms: u64) -> DedupEntry {
        DedupEntry { hash, fingerprint, expires_at_ms }
    }
}

prop_compose! {
    pub fn enqueued()(
        message in message(), queue in queue(), priority: u8, due_ms: u64, expires_at_ms: u64,
        dedup in option::of(dedup()), ordering_key: Option<u64>, fairness_key: Option<u64>,
        max_retries: Option<u32>, backoff in option::of(backoff()), blob_bytes: u32,
    ) -> Enqueued {
        Enqueued {
            message, queue, priority, due_ms, expires_at_ms, dedup, ordering_key, fairness_key, max_retries, backoff,
            blob_bytes,
        }
    }
}

fn lease() -> impl Strategy<Value = Lease> {
    (message(), any::<u32>()).prop_map(|(message, delivery)| Lease { message, delivery })
}

fn cause() -> impl Strategy<Value = FailureCause> {
    prop_oneof![Just(FailureCause::Nack), Just(FailureCause::LeaseEnded)]
}

fn reason() -> impl Strategy<Value = DeathReason> {
    prop_oneof![
        Just(DeathReason::RetriesExhausted),
        Just(DeathReason::LeaseEnded),
        Just(DeathReason::Expired),
        Just(DeathReason::Rejected)
    ]
}

prop_compose! {
    fn retried()(
        message in message(), group in group(), cause in cause(), due_ms: u64, priority: u8, error_bytes: u32,
    ) -> Record {
        Record::Retried { message, group, cause, due_ms, priority, error_bytes }
    }
}

prop_compose! {
    fn dead_lettered()(
        message in message(), reason in reason(), error_bytes: u32, queue in queue(), dead_letter in message(),
    ) -> Record {
        Record::DeadLettered { message, reason, error_bytes, queue, dead_letter }
    }
}

prop_compose! {
    fn leased()(
        queue in queue(), group in group(), consumer in name(), until_ms: u64, attempt: Option<u128>,
        messages in proptest::collection::vec(lease(), 0..20),
    ) -> Record {
        Record::Leased { queue, group, consumer: consumer.into(), until_ms, attempt, messages }
    }
}

/// Records about queues and epochs.
fn rare() -> impl Strategy<Value = Record> {
    prop_oneof![
        any::<[u8; 32]>().prop_map(|secret| Record::Founded { secret }),
        any::<u64>().prop_map(|epoch| Record::Fenced { epoch }),
        (queue(), name(), config()).prop_map(|(queue, name, config)| Record::QueueCreated {
            queue,
            name,
            config: config.into(),
        }),
        (queue(), config()).prop_map(|(queue, config)| Record::QueueUpdated {
            queue,
            config: config.into()
        }),
        queue().prop_map(|queue| Record::QueueDeleted { queue }),
        (queue(), any::<u32>()).prop_map(|(queue, dedup_entries)| Record::Forgotten {
            queue,
            dedup_entries
        }),
        (queue(), any::<u32>(), any::<u32>()).prop_map(|(queue, count, dedup_entries)| {
            Record::Reaped {
                queue,
                count,
                dedup_entries,
            }
        }),
    ]
}

prop_compose! {
    fn paused()(enqueue: bool, receive: bool) -> Paused {
        Paused { enqueue, receive }
    }
}

/// What people do to queues and messages.
fn managed() -> impl Strategy<Value = Record> {
    prop_oneof![
        (queue(), paused()).prop_map(|(queue, paused)| Record::QueuePaused { queue, paused }),
        (queue(), queue()).prop_map(|(queue, fresh)| Record::QueuePurged { queue, fresh }),
        (message(), any::<u8>(), any::<Option<u64>>()).prop_map(|(message, priority, due_ms)| {
            Record::Changed {
                message,
                priority,
                due_ms,
            }
        }),
        message().prop_map(|message| Record::Deleted { message }),
        (message(), any::<Option<u128>>())
            .prop_map(|(message, freed)| Record::Lost { message, freed }),
        (queue(), any::<u32>()).prop_map(|(queue, count)| Record::Retired { queue, count }),
    ]
}

/// Records about consumer groups.
fn of_groups() -> impl Strategy<Value = Record> {
    prop_oneof![
        (queue(), group(), name(), queue()).prop_map(|(queue, group, name, shadow)| {
            Record::GroupCreated {
                queue,
                group,
                name,
                shadow,
            }
        }),
        (queue(), name()).prop_map(|(queue, consumer)| Record::MemberJoined { queue, consumer }),
        (queue(), name()).prop_map(|(queue, consumer)| Record::MemberLeft { queue, consumer }),
        (queue(), any::<u32>()).prop_map(|(queue, count)| Record::Reassigned { queue, count }),
        (queue(), any::<u32>()).prop_map(|(queue, count)| Record::Returned { queue, count }),
    ]
}

fn followed_up() -> impl Strategy<Value = Record> {
    let one = (message(), any::<bool>());
    let one = one.prop_map(|(message, duplicate)| Followed { message, duplicate });
    (message(), group(), proptest::collection::vec(one, 1..5)).prop_map(
        |(message, group, messages)| Record::FollowedUp {
            message,
            group,
            messages: messages.into(),
        },
    )
}

fn moved() -> impl Strategy<Value = Record> {
    let part = prop_oneof![Just(Part::Envelope), Just(Part::Error), Just(Part::Result)];
    let from = (any::<u64>(), any::<u32>(), any::<u32>());
    (message(), part, from, any::<u32>()).prop_map(|(message, part, from, blob_bytes)| {
        let (lsn, offset, length) = from;
        let from = Location {
            lsn,
            offset,
            length,
        };
        Record::Moved {
            message,
            part,
            from,
            blob_bytes,
        }
    })
}

/// Every variant.
pub fn record() -> impl Strategy<Value = Record> {
    prop_oneof![
        rare(),
        of_groups(),
        managed(),
        sweeps::swept(),
        enqueued().prop_map(Record::Enqueued),
        message().prop_map(|message| Record::Due { message }),
        leased(),
        (message(), group()).prop_map(|(message, group)| Record::Acked { message, group }),
        (message(), group(), any::<u64>(), any::<u32>()).prop_map(
            |(message, group, expires_at_ms, result_bytes)| Record::Completed {
                message,
                group,
                expires_at_ms,
                result_bytes,
            }
        ),
        moved(),
        any::<u32>().prop_map(|count| Record::ResultsForgotten { count }),
        any::<u32>().prop_map(|count| Record::ResultsEvicted { count }),
        followed_up(),
        retried(),
        (message(), group(), any::<u64>()).prop_map(|(message, group, until_ms)| {
            Record::Extended {
                message,
                group,
                until_ms,
            }
        }),
        (message(), group(), any::<u64>()).prop_map(|(message, group, since_ms)| {
            Record::Released {
                message,
                group,
                since_ms,
            }
        }),
        (message(), group(), any::<u64>()).prop_map(|(message, group, due_ms)| {
            Record::Postponed {
                message,
                group,
                due_ms,
            }
        }),
        (message(), reason(), any::<u32>()).prop_map(|(message, reason, error_bytes)| {
            Record::Died {
                message,
                reason,
                error_bytes,
            }
        }),
        dead_lettered(),
    ]
}
