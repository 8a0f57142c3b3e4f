//! A queue's settings, as sent: the fields that are there, to lay over the defaults or over what is set.

mod fairness;
mod rate_limit;

pub use rate_limit::PERIODS;
pub(super) use rate_limit::period;

use super::Requests;
use crate::json::faults::Faults;
use crate::json::limits::Limits;
use crate::json::object::{Fields, Schema, read_raw};
use crate::json::scalar::{any_text, integer, seconds, thousandths};
use engine::command::{BackoffPatch, ConfigPatch, SchedulingPatch};
use fairness::fairness;
use rate_limit::rate_limit;

/// A shorter session would end between two polls.
const SESSION_TIMEOUT_MS_MIN: u64 = 1000;

struct Config;

impl Schema for Config {
    const WHAT: &'static str = "a queue's settings";
    const FIELDS: &'static [&'static str] = &[
        "maxRetries",
        "visibilityTimeout",
        "deadLetterQueue",
        "rateLimit",
        "scheduling",
        "backoff",
        "dedupWindow",
        "delay",
        "ttl",
        "consumerRateLimit",
        "keyRateLimit",
        "ingressLimit",
        "fairness",
        "maxMessages",
        "maxInFlight",
        "deadRetention",
        "resultRetention",
        "sessionTimeout",
    ];
}

/// Fields for which `null` means "none"; for any other it means nothing.
const NULLABLE: [usize; 9] = [2, 3, 8, 9, 10, 11, 13, 14, 15];

struct SchedulingFields;

impl Schema for SchedulingFields {
    const WHAT: &'static str = "a scheduling";
    const FIELDS: &'static [&'static str] = &["mode", "agingSeconds"];
}

struct BackoffFields;

impl Schema for BackoffFields {
    const WHAT: &'static str = "a backoff";
    const FIELDS: &'static [&'static str] = &["initial", "multiplier", "max", "jitter"];
}

impl Requests {
    /// Reads settings. A limit and the weights replace what is set as a whole; of other nested objects what is left out stays.
    pub(super) fn config(&self, raw: &str, faults: &mut Faults) -> Option<ConfigPatch> {
        let limits = &self.limits;
        let fields = read_raw::<Config>(raw, faults)?;
        refuse_null(&fields, faults);
        let cleared = |index: usize| fields.is_null(index);
        let mut duration = |index, min_ms, max_ms| {
            let ms = fields.read(index, faults, |raw, faults| {
                seconds(raw, min_ms, max_ms, faults)
            });
            if cleared(index) { Some(0) } else { ms }
        };
        let patch = ConfigPatch {
            visibility_timeout_ms: duration(1, 1, limits.visibility_timeout_ms_max),
            dedup_window_ms: duration(6, 0, limits.dedup_window_ms_max),
            delay_ms: duration(7, 0, limits.delay_ms_max),
            ttl_ms: duration(8, 1, limits.ttl_ms_max),
            dead_retention_ms: duration(15, 1, limits.retention_ms_max),
            result_retention_ms: duration(16, 0, limits.retention_ms_max),
            session_timeout_ms: duration(17, SESSION_TIMEOUT_MS_MIN, limits.session_timeout_ms_max),
            ..ConfigPatch::default()
        };
        let mut limit = |index| {
            let limit = fields.read(index, faults, |raw, faults| rate_limit(raw, limits, faults));
            nullable(cleared(index), limit)
        };
        let patch = ConfigPatch {
            rate_limit: limit(3),
            consumer_rate_limit: limit(9),
            key_rate_limit: limit(10),
            ingress_limit: limit(11),
            ..patch
        };
        let fairness = fields.read(12, faults, |raw, faults| fairness(raw, limits, faults));
        let fairness = fairness.unwrap_or_default();
        let messages_max = fields.read(13, faults, |raw, faults| {
            integer(raw, 1, limits.queue_messages_max, faults)
        });
        let in_flight_max = fields.read(14, faults, |raw, faults| {
            integer(raw, 1, u64::from(u32::MAX), faults)
        });
        Some(ConfigPatch {
            max_retries: fields.read(0, faults, |raw, faults| {
                integer(raw, 0, limits.max_retries_max, faults)
            }),
            dead_letter_queue: nullable(
                cleared(2),
                fields.read(2, faults, |raw, faults| self.queue_name_field(raw, faults)),
            ),
            scheduling: fields
                .read(4, faults, |raw, faults| {
                    scheduling(raw, limits.delay_ms_max, faults)
                })
                .flatten(),
            backoff: fields
                .read(5, faults, |raw, faults| backoff(raw, limits, faults))
                .unwrap_or_default(),
            fairness_weights: fairness.weights,
            fairness_in_flight_max: fairness.in_flight_max,
            messages_max: if cleared(13) { Some(0) } else { messages_max },
            in_flight_max: if cleared(14) { Some(0) } else { in_flight_max },
            ..patch
        })
    }

    /// A queue named in a body.
    pub(super) fn queue_name_field(&self, raw: &str, faults: &mut Faults) -> Option<Box<str>> {
        let name = any_text(raw, faults)?;
        if self.limits.is_queue_name(&name) {
            return Some(name.into());
        }
        faults.add(format!(
            "is not a queue's name: {}",
            self.limits.queue_name_rule()
        ));
        None
    }
}

fn nullable<T>(cleared: bool, value: Option<T>) -> Option<Option<T>> {
    if cleared { Some(None) } else { value.map(Some) }
}

fn refuse_null(fields: &Fields<'_, Config>, faults: &mut Faults) {
    for (index, name) in Config::FIELDS.iter().enumerate() {
        if fields.is_null(index) && !NULLABLE.contains(&index) {
            faults.at(name, |faults| {
                faults.add("can't be null; leave it out instead")
            });
        }
    }
}

/// Without a mode an aging means mode fair, whose it is; with neither nothing changes.
fn scheduling(
    raw: &str,
    aging_ms_max: u64,
    faults: &mut Faults,
) -> Option<Option<SchedulingPatch>> {
    let fields = read_raw::<SchedulingFields>(raw, faults)?;
    let mode = fields.read(0, faults, any_text);
    let aging_ms = fields.read(1, faults, |raw, faults| {
        seconds(raw, 1, aging_ms_max, faults)
    });
    match mode.as_deref() {
        None => Some(aging_ms.map(|_| SchedulingPatch::Fair { aging_ms })),
        Some("fair") => Some(Some(SchedulingPatch::Fair { aging_ms })),
        Some("strict") if aging_ms.is_some() => {
            faults.at("agingSeconds", |faults| {
                faults.add("belongs to mode fair; strict has no aging")
            });
            None
        }
        Some("strict") => Some(Some(SchedulingPatch::Strict)),
        Some(_) => {
            faults.at("mode", |faults| faults.add("must be fair or strict"));
            None
        }
    }
}

/// What is given of a backoff.
pub(super) fn backoff(raw: &str, limits: &Limits, faults: &mut Faults) -> Option<BackoffPatch> {
    let fields = read_raw::<BackoffFields>(raw, faults)?;
    let delay = |raw: &str, faults: &mut Faults| seconds(raw, 0, limits.delay_ms_max, faults);
    let multiplier_permille_max = limits.backoff_multiplier_max.saturating_mul(1000);
    let factor = |raw: &str, faults: &mut Faults| {
        thousandths(raw, "a number", 1000, multiplier_permille_max, faults)
    };
    let share = |raw: &str, faults: &mut Faults| thousandths(raw, "a number", 0, 1000, faults);
    let patch = BackoffPatch {
        initial_ms: fields.read(0, faults, delay),
        multiplier_permille: fields.read(1, faults, factor),
        max_ms: fields.read(2, faults, delay),
        jitter_permille: fields.read(3, faults, share),
    };
    if patch
        .max_ms
        .is_some_and(|max_ms| patch.initial_ms > Some(max_ms))
    {
        faults.at("max", |faults| faults.add("must not be less than initial"));
    }
    Some(patch)
}
