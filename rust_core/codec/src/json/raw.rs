//! JSON that passes through unparsed: what is asked of it, so that every consumer can parse it again.
//!
//! Its grammar was checked when it was found. Left are two things a grammar allows and parsers don't: nesting
//! without end, and an escape of half a surrogate pair, which is no character. One of either would make a whole
//! answer unreadable for a strict client. Most texts are cleared by what their reader saw in passing, or by counting bytes.

use super::faults::Faults;

/// A value as text, and what its reader saw in passing.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'de> {
    /// As sent, without white space around it.
    pub text: &'de str,
    /// How deep containers are in it, and whether there are escapes.
    pub(super) seen: Option<(u32, bool)>,
}

impl<'de> Raw<'de> {
    /// One that nobody looked at.
    pub fn new(text: &'de str) -> Raw<'de> {
        Raw { text, seen: None }
    }

    /// One of which this is known.
    pub fn looked_at(text: &'de str, depth: u32, escapes: bool) -> Raw<'de> {
        let seen = Some((depth, escapes));
        Raw { text, seen }
    }
}

/// Notes a fault when `raw` can't pass. `depth_max`: containers inside containers.
pub fn check(raw: Raw<'_>, depth_max: u64, faults: &mut Faults) {
    let bytes = raw.text.as_bytes();
    let (deep, escapes) = match raw.seen {
        Some((depth, escapes)) => (u64::from(depth) > depth_max, escapes),
        None => {
            let (opening, escapes) = seen(bytes);
            (opening > depth_max && depth(bytes) > depth_max, escapes)
        }
    };
    if deep {
        faults.add(format!("is nested more than {depth_max} levels deep"));
    }
    if escapes && has_lone_surrogate(bytes) {
        faults.add(
            "has half a surrogate pair, which is no character; escape both halves, or neither",
        );
    }
}

/// How many containers begin at most, and whether there is an escape. In blocks of a fixed length whose count fits a
/// byte, which compilers look at sixteen bytes at once; the two brackets differ in one bit.
pub(super) fn seen(bytes: &[u8]) -> (u64, bool) {
    let begins = |byte: &u8| u8::from(byte | 0x20 == b'{');
    let opening = |block: &[u8]| u64::from(block.iter().map(begins).sum::<u8>());
    let escapes = |block: &[u8]| {
        let escapes = block.iter().map(|byte| u8::from(*byte == b'\\'));
        escapes.fold(0, |one, other| one | other)
    };
    let blocks = bytes.chunks_exact(128);
    let mut found = (opening(blocks.remainder()), escapes(blocks.remainder()));
    for block in blocks {
        found.0 += opening(block);
        found.1 |= escapes(block);
    }
    (found.0, found.1 != 0)
}

pub(super) fn depth(bytes: &[u8]) -> u64 {
    let (mut depth, mut deepest, mut at) = (0u64, 0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => at = string_end(bytes, at + 1),
            _ => {}
        }
        at += 1;
    }
    deepest
}

/// Where the string that begins at `at` has its closing quote.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at
}

/// Backslashes occur in strings only, and each begins an escape.
fn has_lone_surrogate(bytes: &[u8]) -> bool {
    let mut at = 0;
    while at + 1 < bytes.len() {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        match unit(bytes, at) {
            Some(0xd800..=0xdbff) if matches!(unit(bytes, at + 6), Some(0xdc00..=0xdfff)) => {
                at += 12
            }
            Some(0xd800..=0xdfff) => return true,
            _ => at += 2,
        }
    }
    false
}

/// The code unit of the `\uXXXX` at `at`, if there is one.
fn unit(bytes: &[u8], at: usize) -> Option<u32> {
    let escape = bytes.get(at..at + 6)?;
    if !escape.starts_with(b"\\u") {
        return None;
    }
    escape[2..].iter().try_fold(0, |unit, byte| {
        Some(unit * 16 + char::from(*byte).to_digit(16)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPTH_MAX: usize = 100;

    fn passes(raw: &str) -> bool {
        let mut faults = Faults::default();
        check(Raw::new(raw), DEPTH_MAX as u64, &mut faults);
        faults.finish(Some(())).is_ok()
    }

    #[test]
    fn what_is_seen_does_not_depend_on_where_it_stands() {
        for length in [0, 1, 127, 128, 129, 255, 256, 300] {
            assert_eq!(seen(&vec![b' '; length]), (0, false));
            assert_eq!(seen(&vec![b'['; length]), (length as u64, false));
            assert_eq!(seen(&vec![b'{'; length]), (length as u64, false));
            for at in 0..length {
                let mut bytes = vec![b'}'; length];
                bytes[at] = b'\\';
                assert_eq!(seen(&bytes), (0, true), "{length}, {at}");
            }
        }
    }

    #[test]
    fn depth_is_counted_outside_strings() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(passes(&nested(DEPTH_MAX)));
        assert!(!passes(&nested(DEPTH_MAX + 1)));
        assert!(passes(&format!(
            "[\"{}\\\"{}\"]",
            "[".repeat(300),
            "{".repeat(300)
        )));
        assert!(passes(&format!("[{}]", vec!["[]"; 1000].join(","))));
        assert!(!passes(&format!("[\"\\\\\",{}]", nested(DEPTH_MAX))));
    }

    #[test]
    fn surrogates_come_in_pairs() {
        for good in [
            r#""\ud83d\ude00""#,
            r#""\uD83D\uDE00x\n""#,
            r#""\\ud800""#,
            r#""\u0041""#,
        ] {
            assert!(passes(good), "{good}");
        }
        for bad in [
            r#""\ud800""#,
            r#""\udc00\ud800""#,
            r#""\ud83d\u0041""#,
            r#""\\\ud800""#,
            r#""\ud83d\ud83d\ude00""#,
        ] {
            assert!(!passes(bad), "{bad}");
        }
    }
}
