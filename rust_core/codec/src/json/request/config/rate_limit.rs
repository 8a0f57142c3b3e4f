//! A rate limit, as sent.

use crate::json::faults::Faults;
use crate::json::limits::Limits;
use crate::json::object::{Schema, read_raw};
use crate::json::scalar::{any_text, integer};
use engine::config::RateLimit;

struct RateLimitFields;

impl Schema for RateLimitFields {
    const WHAT: &'static str = "a rate limit";
    const FIELDS: &'static [&'static str] = &["requests", "per", "burst"];
    const REQUIRED: u32 = 0b11;
}

/// A rate's periods.
pub const PERIODS: [(&str, u64); 4] = [
    ("second", 1000),
    ("minute", 60_000),
    ("hour", 3_600_000),
    ("day", 86_400_000),
];

pub(super) fn rate_limit(raw: &str, limits: &Limits, faults: &mut Faults) -> Option<RateLimit> {
    let fields = read_raw::<RateLimitFields>(raw, faults)?;
    let requests_max = limits.rate_limit_requests_max;
    let count = |raw: &str, faults: &mut Faults| integer(raw, 1, requests_max, faults);
    let requests = fields.read(0, faults, count);
    let per_ms = fields.read(1, faults, period);
    let burst = fields.read(2, faults, count).or(requests);
    Some(RateLimit {
        requests: requests?,
        per_ms: per_ms?,
        burst: burst?,
    })
}

/// A period by its name, in milliseconds.
pub(in crate::json::request) fn period(raw: &str, faults: &mut Faults) -> Option<u64> {
    let name = any_text(raw, faults)?;
    let found = PERIODS.iter().find(|(period, _)| *period == name);
    if found.is_none() {
        faults.add("must be second, minute, hour or day");
    }
    found.map(|(_, ms)| *ms)
}
