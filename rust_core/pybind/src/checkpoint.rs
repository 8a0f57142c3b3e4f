//! Checkpoints as Python sees them: blocks on their way to the store, the manifest that names them, and the way back.

use crate::bug::caught;
use crate::engine::Engine;
use crate::errors;
use codec::checkpoint::{Entry, Manifest as Written, decode_block, entry, kind};
use codec::hash::BATCH_HASH_BYTES;
use engine::checkpoint::Restoration as Restoring;
use engine::ids::PartitionNumber;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Where a block lies.
#[pyclass(frozen, module = "hanzo_queues._core")]
#[derive(Clone)]
pub struct BlockEntry(pub Entry);

#[pymethods]
impl BlockEntry {
    /// Of the block `data`. Raises CheckpointError.
    #[new]
    fn new(py: Python<'_>, data: &[u8], sequence: u64, parts: u32) -> PyResult<Self> {
        let entry = entry(data, sequence, parts);
        let entry = entry.map_err(|fault| errors::checkpoint(py, &fault))?;
        Ok(BlockEntry(entry))
    }

    #[getter]
    fn place(&self) -> (u8, u64) {
        (self.0.kind as u8, self.0.index)
    }

    #[getter]
    fn kind_name(&self) -> String {
        format!("{:?}", self.0.kind)
    }

    #[getter]
    fn extent(&self) -> (u64, u32, u64) {
        (self.0.sequence, self.0.parts, self.0.byte_count)
    }

    /// Whether these are the bytes it was made of. Their last bytes are their hash, which `Restoration.add` proves.
    fn names(&self, data: &[u8]) -> bool {
        let hash = data
            .len()
            .checked_sub(BATCH_HASH_BYTES)
            .map(|at| &data[at..]);
        data.len() as u64 == self.0.byte_count && hash == Some(&self.0.hash[..])
    }
}

/// What one checkpoint is.
#[pyclass(frozen, module = "hanzo_queues._core")]
pub struct Manifest(pub Written);

#[pymethods]
impl Manifest {
    /// Raises CheckpointError.
    #[new]
    fn new(py: Python<'_>, data: &[u8]) -> PyResult<Self> {
        let read = Written::decode(data).map_err(|fault| errors::checkpoint(py, &fault))?;
        Ok(Manifest(read))
    }

    #[getter]
    fn lsn(&self) -> u64 {
        self.0.head.lsn
    }

    #[getter]
    fn epoch(&self) -> u64 {
        self.0.head.epoch
    }

    #[getter]
    fn now_ms(&self) -> u64 {
        self.0.head.now_ms
    }

    #[getter]
    fn blocks(&self) -> Vec<BlockEntry> {
        self.0.directory.iter().copied().map(BlockEntry).collect()
    }

    /// Whether `batch` is the one at this checkpoint's LSN: a batch ends with its hash.
    fn is_of(&self, batch: &[u8]) -> bool {
        batch.ends_with(&self.0.batch_hash)
    }
}

/// An engine that is being restored.
#[pyclass(module = "hanzo_queues._core")]
pub struct Restoration {
    manifest: Py<Manifest>,
    added: usize,
    restoring: Option<Restoring>,
}

#[pymethods]
impl Restoration {
    /// Raises CheckpointError when the manifest is of another partition.
    #[new]
    fn new(py: Python<'_>, engine: &Engine, manifest: Py<Manifest>) -> PyResult<Self> {
        let head = manifest.get().0.head.clone();
        if head.partition != engine.number() {
            let PartitionNumber(found) = head.partition;
            return Err(errors::contradicting_checkpoint(
                py,
                &format!("it is of partition {found}"),
            ));
        }
        let restoring = Restoring::new(head, engine.settings());
        Ok(Restoration {
            manifest,
            added: 0,
            restoring: Some(restoring),
        })
    }

    /// Adds the next block of the directory. Raises CheckpointError.
    fn add(&mut self, py: Python<'_>, data: &[u8]) -> PyResult<()> {
        let directory = &self.manifest.get().0.directory;
        let entry = directory.get(self.added);
        let entry = *entry.ok_or_else(|| PyValueError::new_err("every block was added"))?;
        let (block, _) = decode_block(data).map_err(|fault| errors::checkpoint(py, &fault))?;
        let is_it = (block.image.kind(), block.index) == (entry.kind, entry.index)
            && BlockEntry(entry).names(data);
        if !is_it {
            return Err(errors::contradicting_checkpoint(py, "it is another block"));
        }
        let Some(restoring) = self.restoring.as_mut() else {
            return Err(PyValueError::new_err("it was finished"));
        };
        self.added += 1;
        caught(|| restoring.add(block))
            .map_err(|text| errors::contradicting_checkpoint(py, &text))?
            .map_err(|contradiction| {
                errors::contradicting_checkpoint(py, &contradiction.to_string())
            })
    }

    /// Gives `engine` the state, when every block was added. Raises CheckpointError.
    fn finish(&mut self, py: Python<'_>, engine: &mut Engine) -> PyResult<()> {
        if self.added < self.manifest.get().0.directory.len() {
            return Err(PyValueError::new_err("blocks are missing"));
        }
        let restoring = self.restoring.take();
        let restoring = restoring.ok_or_else(|| PyValueError::new_err("it was finished"))?;
        let partition = caught(|| restoring.finish())
            .map_err(|text| errors::contradicting_checkpoint(py, &text))?
            .map_err(|contradiction| {
                errors::contradicting_checkpoint(py, &contradiction.to_string())
            })?;
        engine.put(partition, self.manifest.get().0.batch_hash);
        Ok(())
    }
}

/// The kind of that number. Raises ValueError.
pub fn kind_of(number: u8) -> PyResult<engine::checkpoint::Kind> {
    kind(number).map_err(|malformed| PyValueError::new_err(malformed.0))
}
