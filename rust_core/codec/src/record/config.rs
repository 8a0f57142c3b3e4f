//! The bytes of a queue's settings. What came with format 2 follows as tagged settings, each only when it is not as
//! in a new queue.

mod tagged;

use crate::varint::{Malformed, Reader, put, put_text};
use engine::config::{Backoff, QueueConfig, RateLimit, Scheduling};

const DEAD_LETTER_QUEUE: u8 = 1;
const RATE_LIMIT: u8 = 2;
const STRICT: u8 = 4;
const TAGGED: u8 = 8;
const FLAGS: u8 = DEAD_LETTER_QUEUE | RATE_LIMIT | STRICT | TAGGED;

fn flags(config: &QueueConfig) -> u8 {
    let flag = |present: bool, bit: u8| if present { bit } else { 0 };
    flag(config.dead_letter_queue.is_some(), DEAD_LETTER_QUEUE)
        | flag(config.rate_limit.is_some(), RATE_LIMIT)
        | flag(config.scheduling == Scheduling::Strict, STRICT)
        | flag(tagged::are_any(config), TAGGED)
}

/// Appends `config`.
pub fn encode(out: &mut Vec<u8>, config: &QueueConfig) {
    out.push(flags(config));
    put(out, u64::from(config.max_retries));
    put(out, config.visibility_timeout_ms);
    if let Some(name) = &config.dead_letter_queue {
        put_text(out, name);
    }
    if let Some(limit) = &config.rate_limit {
        put_rate_limit(out, limit);
    }
    if let Scheduling::Fair { aging_ms } = config.scheduling {
        put(out, aging_ms);
    }
    put_backoff(out, &config.backoff);
    for field in [config.dedup_window_ms, config.delay_ms, config.ttl_ms] {
        put(out, field);
    }
    if tagged::are_any(config) {
        tagged::encode(out, config);
    }
}

/// Appends a backoff.
pub fn put_backoff(out: &mut Vec<u8>, backoff: &Backoff) {
    let jitter = u64::from(backoff.jitter_permille);
    for field in [
        backoff.initial_ms,
        u64::from(backoff.multiplier_permille),
        backoff.max_ms,
        jitter,
    ] {
        put(out, field);
    }
}

fn put_rate_limit(out: &mut Vec<u8>, limit: &RateLimit) {
    for field in [
        u64::from(limit.requests),
        limit.per_ms,
        u64::from(limit.burst),
    ] {
        put(out, field);
    }
}

/// Reads what [`encode`] wrote.
pub fn decode(reader: &mut Reader<'_>) -> Result<QueueConfig, Malformed> {
    let flags = reader.byte()?;
    if flags & !FLAGS != 0 {
        return Err(Malformed("a queue's settings have an unknown flag"));
    }
    let has = |bit: u8| flags & bit != 0;
    let (max_retries, visibility_timeout_ms) = (reader.u32()?, reader.u64()?);
    let mut config = QueueConfig {
        dead_letter_queue: if has(DEAD_LETTER_QUEUE) {
            Some(reader.text()?.into())
        } else {
            None
        },
        rate_limit: if has(RATE_LIMIT) {
            Some(rate_limit(reader)?)
        } else {
            None
        },
        scheduling: if has(STRICT) {
            Scheduling::Strict
        } else {
            Scheduling::Fair {
                aging_ms: reader.u64()?,
            }
        },
        backoff: backoff(reader)?,
        dedup_window_ms: reader.u64()?,
        delay_ms: reader.u64()?,
        ttl_ms: reader.u64()?,
        ..tagged::absent(QueueConfig::new(visibility_timeout_ms, max_retries))
    };
    if has(TAGGED) {
        tagged::decode(reader, &mut config)?;
    }
    Ok(config)
}

fn rate_limit(reader: &mut Reader<'_>) -> Result<RateLimit, Malformed> {
    Ok(RateLimit {
        requests: reader.u32()?,
        per_ms: reader.u64()?,
        burst: reader.u32()?,
    })
}

/// Reads what [`put_backoff`] wrote.
pub fn backoff(reader: &mut Reader<'_>) -> Result<Backoff, Malformed> {
    Ok(Backoff {
        initial_ms: reader.u64()?,
        multiplier_permille: reader.u32()?,
        max_ms: reader.u64()?,
        jitter_permille: reader.u16()?,
    })
}
