//! Random messages and settings of queues.

use engine::command::{BackoffPatch, Blob, ConfigPatch, DedupKey, NewMessage, SchedulingPatch};
use engine::config::{Backoff, Fairness, QueueConfig, RateLimit, Scheduling, Weight};

use super::{QUEUES, Style};
use crate::random::Random;

pub(super) fn message(random: &mut Random, style: &Style) -> NewMessage {
    NewMessage {
        priority: random.pick(&[0, 1, 1, 1, 5, 255]),
        delay_ms: random.maybe(style.delayed, |random| style.time_ms(random) - 1),
        ttl_ms: random.maybe(style.expiring, |random| style.time_ms(random) - 1),
        dedup: random.maybe(style.deduplicated, |random| DedupKey {
            hash: u128::from(random.below(5)),
            fingerprint: u64::from(random.chance(15)),
            until_done: random.chance(40),
        }),
        ordering_key: random.maybe(style.keyed, |random| random.below(3)),
        fairness_key: random.maybe(style.fair, |random| random.below(3)),
        max_retries: random.maybe(15, |random| random.below(3) as u32),
        backoff: random.maybe(15, |random| backoff(random, style)),
        blob: Blob {
            index: 0,
            length: random.within(0, 60) as u32,
        },
    }
}

fn backoff(random: &mut Random, style: &Style) -> Backoff {
    Backoff {
        initial_ms: style.time_ms(random) - 1,
        multiplier_permille: random.pick(&[1000, 1500, 2000, 10_000]),
        max_ms: style.time_ms(random),
        jitter_permille: random.pick(&[0, 200, 1000]),
    }
}

fn limit(random: &mut Random, style: &Style) -> RateLimit {
    RateLimit {
        requests: random.within(1, 9) as u32,
        per_ms: random.pick(&[100, 1000, style.time_ms_max]),
        burst: random.within(1, 5) as u32,
    }
}

fn fairness(random: &mut Random, style: &Style) -> Fairness {
    let weight = |hash| Weight {
        key: format!("key {hash}").into(),
        hash,
        weight: 1 + 7 * hash as u32,
    };
    Fairness {
        weights: random
            .maybe(style.fair / 2, |random| weight(random.below(3)))
            .into_iter()
            .collect(),
        in_flight_max: random
            .maybe(style.fair / 2, |random| random.within(1, 3) as u32)
            .unwrap_or(0),
    }
}

pub(super) fn config(random: &mut Random, style: &Style) -> QueueConfig {
    let scheduling = match random.chance(30) {
        true => Scheduling::Strict,
        false => Scheduling::Fair {
            aging_ms: style.time_ms(random) - 1,
        },
    };
    let backoff = backoff(random, style);
    let timeout_ms = style.time_ms(random);
    QueueConfig {
        dead_letter_queue: random.maybe(40, |random| random.pick(&QUEUES).into()),
        rate_limit: random.maybe(25, |random| limit(random, style)),
        ingress_limit: random.maybe(style.bounded, |random| limit(random, style)),
        consumer_rate_limit: random.maybe(style.fair / 4, |random| limit(random, style)),
        key_rate_limit: random.maybe(style.fair / 2, |random| limit(random, style)),
        fairness: fairness(random, style),
        scheduling,
        backoff,
        dedup_window_ms: match random.chance(40) {
            true => 86_400_000,
            false => style.time_ms(random) - 1,
        },
        delay_ms: random
            .maybe(20, |random| style.time_ms(random))
            .unwrap_or(0),
        ttl_ms: random
            .maybe(style.expiring, |random| style.time_ms(random))
            .unwrap_or(0),
        messages_max: random
            .maybe(style.bounded, |random| random.within(1, 12))
            .unwrap_or(0),
        in_flight_max: random
            .maybe(style.bounded, |random| random.within(1, 4) as u32)
            .unwrap_or(0),
        dead_retention_ms: random
            .maybe(30, |random| style.time_ms(random))
            .unwrap_or(0),
        result_retention_ms: match random.below(8) {
            0 => 0,
            1..=3 => QueueConfig::RESULT_RETENTION_MS_DEFAULT,
            _ => style.time_ms(random),
        },
        session_timeout_ms: match random.chance(30) {
            true => QueueConfig::SESSION_TIMEOUT_MS_DEFAULT,
            false => style.time_ms(random),
        },
        ..QueueConfig::new(timeout_ms, random.below(4) as u32)
    }
}

pub(super) fn patch(random: &mut Random, style: &Style) -> ConfigPatch {
    let config = config(random, style);
    let patch = ConfigPatch {
        max_retries: random.maybe(30, |_| config.max_retries),
        visibility_timeout_ms: random.maybe(30, |_| config.visibility_timeout_ms),
        dead_letter_queue: random.maybe(40, |_| config.dead_letter_queue),
        rate_limit: random.maybe(40, |_| config.rate_limit),
        consumer_rate_limit: random.maybe(30, |_| config.consumer_rate_limit),
        ingress_limit: random.maybe(30, |_| config.ingress_limit),
        key_rate_limit: random.maybe(30, |_| config.key_rate_limit),
        fairness_weights: random.maybe(30, |_| config.fairness.weights),
        fairness_in_flight_max: None,
        scheduling: random.maybe(30, |_| match config.scheduling {
            Scheduling::Strict => SchedulingPatch::Strict,
            Scheduling::Fair { aging_ms } => SchedulingPatch::Fair {
                aging_ms: Some(aging_ms),
            },
        }),
        backoff: random
            .maybe(30, |_| BackoffPatch {
                initial_ms: Some(config.backoff.initial_ms),
                multiplier_permille: Some(config.backoff.multiplier_permille),
                max_ms: Some(config.backoff.max_ms),
                jitter_permille: Some(config.backoff.jitter_permille),
            })
            .unwrap_or_default(),
        dedup_window_ms: random.maybe(30, |_| config.dedup_window_ms),
        delay_ms: random.maybe(30, |_| config.delay_ms),
        ttl_ms: random.maybe(30, |_| config.ttl_ms),
        messages_max: random.maybe(30, |_| config.messages_max),
        in_flight_max: random.maybe(30, |_| config.in_flight_max),
        dead_retention_ms: random.maybe(30, |_| config.dead_retention_ms),
        session_timeout_ms: random.maybe(30, |_| config.session_timeout_ms),
        result_retention_ms: random.maybe(30, |_| config.result_retention_ms),
    };
    let both = patch.fairness_weights.is_some();
    ConfigPatch {
        fairness_in_flight_max: both.then_some(config.fairness.in_flight_max),
        ..patch
    }
}
