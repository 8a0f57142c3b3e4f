//! A message's blob: its payload and metadata exactly as sent, and the texts of which the engine keeps hashes.
//!
//! ```text
//! 5 varints: length of dedup id, ordering key, fairness key, traceparent, metadata | those bytes, in order | payload
//! ```
//! One that was moved within the journal begins with when it was accepted, as its batch no longer says so:
//!
//! ```text
//! varint 2^32 - 1 | varint milliseconds since 1970 | the above
//! ```
//! Length 0 means "none". The payload is what remains. Part of the batch format: a change here is one there.

use crate::varint::{Malformed, Reader, put};

/// No text is that long.
const MOVED: u32 = u32::MAX;

/// What comes before an envelope that is moved first.
pub const MOVED_BYTES_MAX: usize = 5 + 10;

/// The texts beside a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Texts<'a> {
    /// The dedup id.
    pub dedup_id: Option<&'a str>,
    /// Messages that share it are delivered in order, one at a time.
    pub ordering_key: Option<&'a str>,
    /// Messages that share it take turns with the others.
    pub fairness_key: Option<&'a str>,
    /// W3C trace context.
    pub traceparent: Option<&'a str>,
}

impl<'a> Texts<'a> {
    fn each(&self) -> [Option<&'a str>; 4] {
        [
            self.dedup_id,
            self.ordering_key,
            self.fairness_key,
            self.traceparent,
        ]
    }
}

/// A message as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// When it was accepted, where its batch does not say so: it was moved.
    pub accepted_at_ms: Option<u64>,
    /// Keys and ids.
    pub texts: Texts<'a>,
    /// A JSON object, as sent.
    pub metadata: Option<&'a [u8]>,
    /// A JSON value, as sent.
    pub payload: &'a [u8],
}

/// Appends what comes before metadata and payload. Empty texts are not stored: callers refuse them.
pub fn put_head(out: &mut Vec<u8>, texts: &Texts<'_>, metadata_bytes: usize) {
    for text in texts.each() {
        put(out, text.map_or(0, str::len) as u64);
    }
    put(out, metadata_bytes as u64);
    for text in texts.each().into_iter().flatten() {
        out.extend_from_slice(text.as_bytes());
    }
}

/// What comes before `blob`, of a batch of that instant, when it is moved: nothing when it was moved before.
pub fn moved_head(blob: &[u8], now_ms: u64) -> Vec<u8> {
    let mut head = Vec::new();
    if Reader::new(blob).u32() != Ok(MOVED) {
        put(&mut head, u64::from(MOVED));
        put(&mut head, now_ms);
    }
    head
}

fn text<'a>(reader: &mut Reader<'a>, length: u32) -> Result<Option<&'a str>, Malformed> {
    let bytes = reader.take(length as usize)?;
    let text =
        std::str::from_utf8(bytes).map_err(|_| Malformed("an envelope's text is not UTF-8"))?;
    Ok((length > 0).then_some(text))
}

/// Reads a blob written as `put_head`, metadata, payload.
pub fn decode(blob: &[u8]) -> Result<Envelope<'_>, Malformed> {
    let mut reader = Reader::new(blob);
    let (mut lengths, mut accepted_at_ms) = ([0; 5], None);
    lengths[0] = reader.u32()?;
    if lengths[0] == MOVED {
        accepted_at_ms = Some(reader.u64()?);
        lengths[0] = reader.u32()?;
    }
    for length in &mut lengths[1..] {
        *length = reader.u32()?;
    }
    let texts = Texts {
        dedup_id: text(&mut reader, lengths[0])?,
        ordering_key: text(&mut reader, lengths[1])?,
        fairness_key: text(&mut reader, lengths[2])?,
        traceparent: text(&mut reader, lengths[3])?,
    };
    let metadata = reader.take(lengths[4] as usize)?;
    let payload = reader.take(reader.remaining())?;
    if payload.is_empty() {
        return Err(Malformed("an envelope has no payload"));
    }
    Ok(Envelope {
        accepted_at_ms,
        texts,
        metadata: (lengths[4] > 0).then_some(metadata),
        payload,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_envelope_comes_back(
            keys in proptest::array::uniform4(proptest::option::of(".{1,40}")),
            metadata in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..40)),
            payload in proptest::collection::vec(any::<u8>(), 1..80),
        ) {
            let [dedup_id, ordering_key, fairness_key, traceparent] = keys.each_ref().map(Option::as_deref);
            let texts = Texts { dedup_id, ordering_key, fairness_key, traceparent };
            let mut blob = Vec::new();
            put_head(&mut blob, &texts, metadata.as_ref().map_or(0, Vec::len));
            blob.extend_from_slice(metadata.as_deref().unwrap_or(&[]));
            blob.extend_from_slice(&payload);
            let expected = Envelope { accepted_at_ms: None, texts, metadata: metadata.as_deref(), payload: &payload };
            prop_assert_eq!(decode(&blob), Ok(expected));
            let moved = [moved_head(&blob, 7), blob.clone()].concat();
            prop_assert_eq!(decode(&moved), Ok(Envelope { accepted_at_ms: Some(7), ..expected }));
            prop_assert!(moved_head(&moved, 8).is_empty());
        }

        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&bytes);
        }
    }
}
