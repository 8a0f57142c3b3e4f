//! The values of fields. Each takes a value's raw text and either returns it or notes a fault that says what
//! would be right.

use super::faults::Faults;
use super::plain::is_plain;
use std::borrow::Cow;

/// What kind of JSON value a raw text is.
pub fn kind(raw: &str) -> &'static str {
    match raw.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// A number's text, or what was found in its place. A hostile number may have a million digits.
fn shown(raw: &str) -> &str {
    if kind(raw) == "a number" && raw.len() <= 30 {
        raw
    } else {
        kind(raw)
    }
}

/// True for `null`, which stands for a field that was left out.
pub fn is_null(raw: &str) -> bool {
    raw == "null"
}

/// `true` or `false`.
pub fn boolean(raw: &str, faults: &mut Faults) -> Option<bool> {
    match raw {
        "true" => Some(true),
        "false" => Some(false),
        other => {
            faults.add(format!("must be true or false; found {}", kind(other)));
            None
        }
    }
}

/// A string of 1 to `bytes_max` bytes.
pub fn text<'de>(raw: &'de str, bytes_max: u64, faults: &mut Faults) -> Option<Cow<'de, str>> {
    let text = any_text(raw, faults)?;
    match text.len() as u64 {
        0 => faults.add("must not be empty; leave it out instead"),
        length if length > bytes_max => faults.add(format!(
            "has {length} bytes; at most {bytes_max} are allowed"
        )),
        _ => return Some(text),
    }
    None
}

/// A string of any length.
pub fn any_text<'de>(raw: &'de str, faults: &mut Faults) -> Option<Cow<'de, str>> {
    let inside = raw
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let Some(inside) = inside else {
        faults.add(format!("must be a string; found {}", kind(raw)));
        return None;
    };
    if is_plain(inside) {
        return Some(Cow::Borrowed(inside));
    }
    match serde_json::from_str(raw) {
        Ok(text) => Some(Cow::Owned(text)),
        Err(_) => {
            faults.add(
                "has half a surrogate pair, which is no character; escape both halves, or neither",
            );
            None
        }
    }
}

/// A whole number, `min` to `max`, that fits `T`.
pub fn integer<T: TryFrom<u64>>(raw: &str, min: u64, max: u64, faults: &mut Faults) -> Option<T> {
    let value = raw.parse::<u64>().ok().or_else(|| whole(raw));
    let value = value.filter(|value| (min..=max).contains(value));
    let value = value.and_then(|value| T::try_from(value).ok());
    if value.is_none() {
        let found = shown(raw);
        faults.add(format!(
            "must be a whole number, {min} to {max}; found {found}"
        ));
    }
    value
}

/// `3.0` and `1e2` are whole numbers too: some languages have only one kind of number.
fn whole(raw: &str) -> Option<u64> {
    let value = decimal(raw)?;
    let exact = value.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&value);
    exact.then_some(value as u64)
}

/// A number's value; infinite when it exceeds what a double holds.
fn decimal(raw: &str) -> Option<f64> {
    if kind(raw) == "a number" {
        raw.parse().ok()
    } else {
        None
    }
}

/// A number that is scaled and rounded to a whole one that fits `T`: seconds to milliseconds, factors to
/// thousandths. Bounds are in the scaled unit.
pub fn thousandths<T: TryFrom<u64>>(
    raw: &str,
    unit: &str,
    min: u64,
    max: u64,
    faults: &mut Faults,
) -> Option<T> {
    let scaled = decimal(raw).map(|value| value * 1000.0);
    let scaled = scaled.filter(|scaled| *scaled >= min as f64 && *scaled <= max as f64);
    let value = scaled.and_then(|scaled| T::try_from(scaled.round() as u64).ok());
    if value.is_none() {
        let (found, min, max) = (shown(raw), min as f64 / 1000.0, max as f64 / 1000.0);
        faults.add(format!("must be {unit}, {min} to {max}; found {found}"));
    }
    value
}

/// A duration in seconds, as milliseconds.
pub fn seconds(raw: &str, min_ms: u64, max_ms: u64, faults: &mut Faults) -> Option<u64> {
    thousandths(raw, "a number of seconds", min_ms, max_ms, faults)
}
