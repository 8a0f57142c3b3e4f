//! The journal batches an answer's payloads lie in.

use crate::batch::{Fault, View};
use engine::ids::Location;

/// Batches by LSN.
#[derive(Default)]
pub struct Batches<'a> {
    views: Vec<(u64, View<'a>)>,
}

impl<'a> Batches<'a> {
    /// Adds a batch, which was verified before. LSNs come in ascending order, as [`super::Answer::lsns`] gives them.
    pub fn add(&mut self, lsn: u64, batch: &'a [u8]) -> Result<(), Fault> {
        let view = View::open(batch)?;
        if view.header.lsn != lsn {
            return Err(Fault::Sequence {
                expected: lsn,
                found: view.header.lsn,
            });
        }
        self.views.push((lsn, view));
        Ok(())
    }

    /// The bytes at `location`, and the instant they were accepted at.
    pub fn blob(&self, location: Location) -> Result<(&'a [u8], u64), Fault> {
        let found = self
            .views
            .binary_search_by_key(&location.lsn, |(lsn, _)| *lsn);
        let view = found.map_err(|_| Fault::Malformed("the batch of a payload was not given"))?;
        let view = &self.views[view].1;
        Ok((view.blob(location)?, view.header.now_ms))
    }
}
