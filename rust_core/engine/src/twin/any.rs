//! Any settings and any message, of the kind that makes random commands meet each other.

use proptest::prelude::*;

use super::{config, limit};
use crate::command::{Blob, ConfigPatch, DedupKey, NewMessage};
use crate::config::{Backoff, Fairness, QueueConfig, RateLimit, Scheduling, Weight};

/// Few, so that they meet.
pub(super) const QUEUES: [&str; 3] = ["orders", "mails", "letters"];

fn any_limit() -> impl Strategy<Value = Option<RateLimit>> {
    let some = (1_u32..9, 1_u32..5).prop_map(|(n, burst)| limit(n, 100, burst));
    prop_oneof![3 => Just(None), 1 => some]
}

fn any_fairness() -> impl Strategy<Value = Fairness> {
    let weight = |(hash, weight): (u64, u32)| Weight {
        key: hash.to_string().into(),
        hash,
        weight,
    };
    let weights = prop::collection::vec((0_u64..4, 1_u32..9).prop_map(weight), 0..3);
    (weights, 0_u32..3).prop_map(|(weights, in_flight_max)| Fairness {
        weights,
        in_flight_max,
    })
}

pub(super) fn any_config() -> impl Strategy<Value = QueueConfig> {
    let scheduling = prop_oneof![
        Just(Scheduling::Strict),
        (0_u64..500).prop_map(|aging_ms| Scheduling::Fair { aging_ms })
    ];
    let dead_letter_queue = prop::option::of(prop::sample::select(QUEUES.to_vec()));
    let limits = (any_limit(), any_limit(), any_limit(), any_fairness());
    let times = (
        1_u64..200,
        0_u64..400,
        prop_oneof![3 => Just(0_u64), 1 => 1_u64..80],
        prop_oneof![3 => Just(0_u64), 1 => 1_u64..400],
        prop_oneof![2 => Just(0_u64), 1 => 1_u64..200],
    );
    let caps = (
        prop_oneof![2 => Just(0_u64), 1 => 1_u64..12],
        prop_oneof![2 => Just(0_u32), 1 => 1_u32..4],
        prop_oneof![4 => Just(None), 1 => (50_u32..90, 3_u32..9).prop_map(|(n, burst)| limit(n, 100, burst))],
        prop_oneof![2 => Just(30_000_u64), 1 => 20_u64..200],
        prop_oneof![3 => Just(QueueConfig::RESULT_RETENTION_MS_DEFAULT), 1 => 0_u64..100],
    );
    (scheduling, dead_letter_queue, limits, 0_u32..3, times, caps).prop_map(
        |(
            scheduling,
            dead_letter_queue,
            (rate_limit, consumer_rate_limit, key_rate_limit, fairness),
            max_retries,
            (timeout, window, delay_ms, ttl_ms, dead_retention_ms),
            (messages_max, in_flight_max, ingress_limit, session_timeout_ms, result_retention_ms),
        )| QueueConfig {
            dead_letter_queue: dead_letter_queue.map(Into::into),
            rate_limit,
            consumer_rate_limit,
            key_rate_limit,
            fairness,
            scheduling,
            dedup_window_ms: window,
            messages_max,
            in_flight_max,
            ingress_limit,
            session_timeout_ms,
            result_retention_ms,
            dead_retention_ms,
            delay_ms,
            ttl_ms,
            backoff: Backoff {
                initial_ms: 5,
                max_ms: 40,
                ..config().backoff
            },
            ..QueueConfig::new(timeout, max_retries)
        },
    )
}

pub(super) fn any_patch() -> impl Strategy<Value = ConfigPatch> {
    any_config().prop_map(|config| ConfigPatch {
        max_retries: Some(config.max_retries),
        dead_letter_queue: Some(config.dead_letter_queue),
        rate_limit: Some(config.rate_limit),
        consumer_rate_limit: Some(config.consumer_rate_limit),
        key_rate_limit: Some(config.key_rate_limit),
        fairness_weights: Some(config.fairness.weights),
        fairness_in_flight_max: Some(config.fairness.in_flight_max),
        messages_max: Some(config.messages_max),
        in_flight_max: Some(config.in_flight_max),
        ingress_limit: Some(config.ingress_limit),
        session_timeout_ms: Some(config.session_timeout_ms),
        dead_retention_ms: Some(config.dead_retention_ms),
        ..ConfigPatch::default()
    })
}

pub(super) fn any_message() -> impl Strategy<Value = NewMessage> {
    let dedup = prop_oneof![2 => Just(None), 1 => (0_u128..6, 0_u64..2, any::<bool>()).prop_map(|(hash, fingerprint, until_done)| Some(DedupKey { hash, fingerprint, until_done }))];
    let times = (
        prop::option::of(0_u64..60),
        prop_oneof![3 => Just(None), 1 => (0_u64..150).prop_map(Some)],
    );
    (
        0_u8..4,
        times,
        dedup,
        (prop::option::of(0_u64..3), prop::option::of(0_u64..4)),
        (prop::option::of(0_u32..3), prop::option::of(1_u64..90)),
        0_u32..50,
    )
        .prop_map(
            |(
                priority,
                (delay_ms, ttl_ms),
                dedup,
                (ordering_key, fairness_key),
                (max_retries, backoff_ms),
                length,
            )| NewMessage {
                priority: priority * 85,
                delay_ms,
                ttl_ms,
                dedup,
                ordering_key,
                fairness_key,
                max_retries,
                backoff: backoff_ms.map(|initial_ms| Backoff {
                    initial_ms,
                    max_ms: 2 * initial_ms,
                    ..Backoff::DEFAULT
                }),
                blob: Blob {
                    index: length,
                    length,
                },
            },
        )
}
