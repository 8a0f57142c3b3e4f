//! The journal batches an answer's payloads lie in: whole, or what the answer needs of them. A batch can be a thousand
//! times what is needed of it, so one that was read for this answer alone is not kept until all of them are there.

use super::{Answer, needs};
use crate::batch::{Fault, View};
use engine::ids::Location;

/// Batches by LSN.
#[derive(Default)]
pub struct Batches<'a> {
    sources: Vec<(u64, Source<'a>)>,
}

enum Source<'a> {
    Batch(View<'a>),
    Excerpt(&'a Excerpt),
}

/// What one answer needs of one batch.
#[derive(Clone, Debug)]
pub struct Excerpt {
    lsn: u64,
    now_ms: u64,
    /// By offset and length; ascending.
    blobs: Vec<(u32, Box<[u8]>)>,
}

impl Excerpt {
    /// Of `batch`, which was verified before and lies at `lsn`.
    pub fn take(answer: &Answer, lsn: u64, batch: &[u8]) -> Result<Excerpt, Fault> {
        let view = open(lsn, batch)?;
        let mut blobs = Vec::new();
        for location in needs::of_reply(answer.reply()).filter(|location| location.lsn == lsn) {
            blobs.push((location.offset, view.blob(location)?.into()));
        }
        blobs.sort_unstable_by_key(|(offset, _)| *offset);
        Ok(Excerpt {
            lsn,
            now_ms: view.header.now_ms,
            blobs,
        })
    }

    /// Where it lies.
    pub fn lsn(&self) -> u64 {
        self.lsn
    }

    fn blob(&self, location: Location) -> Option<&[u8]> {
        let found = self
            .blobs
            .binary_search_by_key(&location.offset, |(offset, _)| *offset);
        let blob = &self.blobs[found.ok()?].1;
        (blob.len() == location.length as usize).then_some(blob)
    }
}

fn open(lsn: u64, batch: &[u8]) -> Result<View<'_>, Fault> {
    let view = View::open(batch)?;
    if view.header.lsn == lsn {
        return Ok(view);
    }
    Err(Fault::Sequence {
        expected: lsn,
        found: view.header.lsn,
    })
}

impl<'a> Batches<'a> {
    /// Adds a batch, which was verified before. LSNs come in ascending order, as [`super::Answer::lsns`] gives them.
    pub fn add(&mut self, lsn: u64, batch: &'a [u8]) -> Result<(), Fault> {
        self.sources.push((lsn, Source::Batch(open(lsn, batch)?)));
        Ok(())
    }

    /// Adds what is needed of a batch; in order of LSN, as the others.
    pub fn add_excerpt(&mut self, excerpt: &'a Excerpt) {
        self.sources.push((excerpt.lsn, Source::Excerpt(excerpt)));
    }

    /// The bytes at `location`, and the instant they were accepted at.
    pub fn blob(&self, location: Location) -> Result<(&'a [u8], u64), Fault> {
        let found = self
            .sources
            .binary_search_by_key(&location.lsn, |(lsn, _)| *lsn);
        let source = found.map_err(|_| Fault::Malformed("the batch of a payload was not given"))?;
        match &self.sources[source].1 {
            Source::Batch(view) => Ok((view.blob(location)?, view.header.now_ms)),
            Source::Excerpt(excerpt) => {
                let blob = excerpt.blob(location).ok_or(Fault::Malformed(
                    "an excerpt lacks a payload that is needed of its batch",
                ))?;
                Ok((blob, excerpt.now_ms))
            }
        }
    }
}
