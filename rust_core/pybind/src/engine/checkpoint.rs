//! What an engine does for checkpoints of itself.

use super::Engine;
use crate::checkpoint::BlockEntry;
use codec::chain::Chain;
use codec::checkpoint::{Entry, Manifest, encode_block};
use codec::hash::BatchHash;
use engine::Partition;
use engine::config::Settings;
use engine::ids::PartitionNumber;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// The checkpoint under way.
#[derive(Clone, Copy)]
pub(super) struct UnderWay {
    lsn: u64,
    batch_hash: BatchHash,
}

/// A block's kind, its index, and its bytes; None: nothing is in it any more.
pub(super) type Taken = (u8, u64, Option<Py<PyBytes>>);

impl Engine {
    pub fn number(&self) -> PartitionNumber {
        self.number
    }

    pub fn settings(&self) -> Settings {
        self.settings.clone()
    }

    /// Takes a state that was restored, after the batch of this hash.
    pub fn put(&mut self, partition: Partition, batch_hash: BatchHash) {
        self.partition = partition;
        self.chain = Chain::after(batch_hash);
        self.under_way = None;
    }
}

impl Engine {
    /// Begins a checkpoint of the state as it is now.
    pub(super) fn checkpoint_begun(&mut self) -> PyResult<Option<u64>> {
        self.guarded(|engine| {
            let Some(batch_hash) = engine.chain.last() else {
                return Ok(None); // the last batch was passed over
            };
            let begun = engine.partition.begin_checkpoint();
            if let Some(lsn) = begun {
                engine.under_way = Some(UnderWay { lsn, batch_hash });
            }
            Ok(begun)
        })
    }

    /// The next block of the checkpoint under way.
    pub(super) fn block_taken(&mut self, py: Python<'_>) -> PyResult<Option<Taken>> {
        self.guarded(|engine| {
            let (Some(under_way), Some(block)) = (engine.under_way, engine.partition.next_block())
            else {
                return Ok(None);
            };
            let data = (!block.image.is_empty()).then(|| {
                let (bytes, _) = encode_block(&block, under_way.lsn);
                PyBytes::new(py, &bytes).unbind()
            });
            Ok(Some((block.image.kind() as u8, block.index, data)))
        })
    }

    /// Ends the checkpoint under way, all of whose blocks were taken: its manifest.
    pub(super) fn checkpoint_ended<'py>(
        &mut self,
        py: Python<'py>,
        blocks: &[PyRef<'py, BlockEntry>],
    ) -> PyResult<Bound<'py, PyBytes>> {
        self.guarded(|engine| {
            let under_way = engine.under_way.take();
            let under_way =
                under_way.ok_or_else(|| PyRuntimeError::new_err("no checkpoint is under way"))?;
            let mut directory: Vec<Entry> = blocks.iter().map(|block| block.0).collect();
            directory.sort_by_key(|entry| (entry.kind, entry.index));
            let manifest = Manifest {
                head: engine.partition.end_checkpoint(),
                batch_hash: under_way.batch_hash,
                directory,
            };
            Ok(PyBytes::new(py, &manifest.encode()))
        })
    }

    /// Gives up the checkpoint under way, or the last one that ended.
    pub(super) fn checkpoint_abandoned(&mut self) -> PyResult<()> {
        self.guarded(|engine| {
            engine.under_way = None;
            engine.partition.abandon_checkpoint();
            Ok(())
        })
    }
}
