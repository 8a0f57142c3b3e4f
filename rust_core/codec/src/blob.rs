//! Blobs on their way from a request to a batch: what was made here (`owned`), and ranges of the request's body.
//!
//! A blob is up to three pieces laid end to end, so a payload is copied once: from the body into the batch.

use std::ops::Range;

/// Bytes of one blob, in order.
pub type Pieces<'a> = [&'a [u8]; 3];

/// Bytes of a blob in all.
pub fn length(pieces: &Pieces<'_>) -> usize {
    pieces.iter().map(|piece| piece.len()).sum()
}

/// Where one blob's pieces lie: first a range of `owned`, then two of the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ranges {
    owned: Range<u32>,
    body: [Range<u32>; 2],
}

/// The blobs of one request. Bodies are below 4 GiB: the caller's limit is far lower.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blobs {
    owned: Vec<u8>,
    ranges: Vec<Ranges>,
    bytes: usize,
}

impl Blobs {
    /// Where the next blob's own bytes are written before [`Blobs::push`].
    pub fn owned(&mut self) -> &mut Vec<u8> {
        &mut self.owned
    }

    /// Adds a blob: what was written to `owned` since the last one, then these ranges of the body.
    /// Returns it as the engine knows it.
    pub fn push(&mut self, body: [Range<u32>; 2]) -> engine::command::Blob {
        let start = self.ranges.last().map_or(0, |last| last.owned.end);
        let owned = start..self.owned.len() as u32;
        let length = owned.len() + body[0].len() + body[1].len();
        self.ranges.push(Ranges { owned, body });
        self.bytes += length;
        engine::command::Blob {
            index: self.ranges.len() as u32 - 1,
            length: length as u32,
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.ranges.len()
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Blob `index`; `body` is the one the request was parsed from.
    pub fn pieces<'a>(&'a self, body: &'a [u8], index: usize) -> Pieces<'a> {
        let ranges = &self.ranges[index];
        let part = |range: &Range<u32>| range.start as usize..range.end as usize;
        [
            &self.owned[part(&ranges.owned)],
            &body[part(&ranges.body[0])],
            &body[part(&ranges.body[1])],
        ]
    }
}
