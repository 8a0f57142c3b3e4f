//! Settings that came with format 2: how many follow, then each as its tag and its value, in order of tag. Tags
//! are never reused; a new one is a format change.

use super::{put_rate_limit, rate_limit};
use crate::varint::{Malformed, Reader, put, put_text};
use engine::config::{Fairness, QueueConfig, Weight};

const CONSUMER_RATE_LIMIT: u8 = 1;
const KEY_RATE_LIMIT: u8 = 2;
const INGRESS_LIMIT: u8 = 3;
const FAIRNESS: u8 = 4;
const MESSAGES_MAX: u8 = 5;
const IN_FLIGHT_MAX: u8 = 6;
const DEAD_RETENTION: u8 = 7;
const RESULT_RETENTION: u8 = 8;
const SESSION_TIMEOUT: u8 = 9;

/// A tag and its shortest value.
const SETTING_BYTES_MIN: usize = 2;

/// A text's length, a hash and a weight.
const WEIGHT_BYTES_MIN: usize = 10;

/// What an absent setting means: part of the format, whatever becomes of a new queue's.
const RESULT_RETENTION_MS_DEFAULT: u64 = 86_400_000;
const SESSION_TIMEOUT_MS_DEFAULT: u64 = 30_000;

fn numbers(config: &QueueConfig) -> [(u8, u64, u64); 5] {
    [
        (MESSAGES_MAX, config.messages_max, 0),
        (IN_FLIGHT_MAX, u64::from(config.in_flight_max), 0),
        (DEAD_RETENTION, config.dead_retention_ms, 0),
        (
            RESULT_RETENTION,
            config.result_retention_ms,
            RESULT_RETENTION_MS_DEFAULT,
        ),
        (
            SESSION_TIMEOUT,
            config.session_timeout_ms,
            SESSION_TIMEOUT_MS_DEFAULT,
        ),
    ]
}

fn count(config: &QueueConfig) -> usize {
    let limits = [
        &config.consumer_rate_limit,
        &config.key_rate_limit,
        &config.ingress_limit,
    ];
    let set = |(_, value, default): &(u8, u64, u64)| value != default;
    limits.iter().filter(|limit| limit.is_some()).count()
        + usize::from(config.fairness != Fairness::default())
        + numbers(config).iter().filter(|number| set(number)).count()
}

/// Whether any must be written.
pub fn are_any(config: &QueueConfig) -> bool {
    count(config) > 0
}

/// Appends them.
pub fn encode(out: &mut Vec<u8>, config: &QueueConfig) {
    put(out, count(config) as u64);
    for (tag, limit) in [
        (CONSUMER_RATE_LIMIT, &config.consumer_rate_limit),
        (KEY_RATE_LIMIT, &config.key_rate_limit),
        (INGRESS_LIMIT, &config.ingress_limit),
    ] {
        if let Some(limit) = limit {
            out.push(tag);
            put_rate_limit(out, limit);
        }
    }
    if config.fairness != Fairness::default() {
        out.push(FAIRNESS);
        put_fairness(out, &config.fairness);
    }
    for (tag, value, default) in numbers(config) {
        if value != default {
            out.push(tag);
            put(out, value);
        }
    }
}

fn put_fairness(out: &mut Vec<u8>, fairness: &Fairness) {
    put(out, u64::from(fairness.in_flight_max));
    put(out, fairness.weights.len() as u64);
    for weight in &fairness.weights {
        put_text(out, &weight.key);
        out.extend_from_slice(&weight.hash.to_le_bytes());
        put(out, u64::from(weight.weight));
    }
}

/// The settings before any is read.
pub fn absent(config: QueueConfig) -> QueueConfig {
    QueueConfig {
        result_retention_ms: RESULT_RETENTION_MS_DEFAULT,
        session_timeout_ms: SESSION_TIMEOUT_MS_DEFAULT,
        ..config
    }
}

/// Reads what [`encode`] wrote into `config`, which holds what absent settings mean.
pub fn decode(reader: &mut Reader<'_>, config: &mut QueueConfig) -> Result<(), Malformed> {
    let (written, mut last) = (reader.count(SETTING_BYTES_MIN)?, 0);
    for _ in 0..written {
        let tag = reader.byte()?;
        if tag <= last {
            return Err(Malformed("a queue's tagged settings are out of order"));
        }
        last = tag;
        match tag {
            CONSUMER_RATE_LIMIT => config.consumer_rate_limit = Some(rate_limit(reader)?),
            KEY_RATE_LIMIT => config.key_rate_limit = Some(rate_limit(reader)?),
            INGRESS_LIMIT => config.ingress_limit = Some(rate_limit(reader)?),
            FAIRNESS => config.fairness = fairness(reader)?,
            MESSAGES_MAX => config.messages_max = reader.u64()?,
            IN_FLIGHT_MAX => config.in_flight_max = reader.u32()?,
            DEAD_RETENTION => config.dead_retention_ms = reader.u64()?,
            RESULT_RETENTION => config.result_retention_ms = reader.u64()?,
            SESSION_TIMEOUT => config.session_timeout_ms = reader.u64()?,
            _ => return Err(Malformed("a queue's settings have an unknown tag")),
        }
    }
    if written == 0 || written != count(config) {
        return Err(Malformed(
            "a queue's tagged settings say what their absence says",
        ));
    }
    Ok(())
}

fn fairness(reader: &mut Reader<'_>) -> Result<Fairness, Malformed> {
    let in_flight_max = reader.u32()?;
    let count = reader.count(WEIGHT_BYTES_MIN)?;
    let mut weights = Vec::with_capacity(count);
    for _ in 0..count {
        weights.push(Weight {
            key: reader.text()?.into(),
            hash: u64::from_le_bytes(reader.array()?),
            weight: reader.u32()?,
        });
    }
    Ok(Fairness {
        weights,
        in_flight_max,
    })
}
