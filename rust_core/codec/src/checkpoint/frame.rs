//! What blocks and manifests have around them: magic and version before, the hash behind.

use super::fault::Fault;
use super::{FORMAT_VERSION, FORMAT_VERSION_OLDEST};
use crate::hash::{self, BATCH_HASH_BYTES, BatchHash};
use crate::varint::Reader;

/// Begins a frame.
pub fn begin(magic: [u8; 4]) -> Vec<u8> {
    [&magic[..], &FORMAT_VERSION.to_le_bytes()].concat()
}

/// Ends it: appends the hash of everything before.
pub fn seal(out: &mut Vec<u8>) -> BatchHash {
    let hash = hash::batch(out);
    out.extend_from_slice(&hash);
    hash
}

/// The version; the content behind it, proven; and the hash.
pub fn open(bytes: &[u8], magic: [u8; 4]) -> Result<(u16, Reader<'_>, BatchHash), Fault> {
    if bytes.len() < magic.len() + 2 {
        return Err(Fault::Truncated);
    }
    if bytes[..4] != magic {
        return Err(Fault::Magic);
    }
    let found = u16::from_le_bytes([bytes[4], bytes[5]]);
    if !(FORMAT_VERSION_OLDEST..=FORMAT_VERSION).contains(&found) {
        return Err(Fault::Version { found });
    }
    let length = bytes.len().checked_sub(BATCH_HASH_BYTES);
    let length = length
        .filter(|length| *length >= 6)
        .ok_or(Fault::Truncated)?;
    let (body, trailer) = bytes.split_at(length);
    let hash = hash::batch(body);
    if hash != trailer {
        return Err(Fault::Hash);
    }
    Ok((found, Reader::new(&body[6..]), hash))
}
