//! One partition's state, and the chain of batches that leads to it.

mod checkpoint;
mod intake;

use crate::bug::{EngineBug, caught, caught_bug};
use crate::checkpoint::{BlockEntry, kind_of};
use crate::command::Command;
use crate::errors;
use crate::fresh::Fresh;
use crate::reply::Reply;
use crate::step::Step;
use codec::batch::{self, Draft, FRAME_BYTES, View};
use codec::blob::Pieces;
use codec::chain::Chain;
use codec::hash::StateHasher;
use codec::json::answer::{Answer, Context};
use codec::json::request::Authority;
use codec::receipt::Secret;
use codec::record;
use engine::Partition;
use engine::config::{DEDUP_ID_BYTES, QueueConfig, Settings};
use engine::ids::PartitionNumber;
use engine::woken::Woken;
use intake::Intake;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// One partition's state. After an `EngineBug` it refuses further use and must be dropped.
#[pyclass(module = "hanzo_queues._core")]
pub struct Engine {
    number: PartitionNumber,
    settings: Settings,
    partition: Partition,
    chain: Chain,
    /// An assertion failed: the state can't be trusted.
    broken: bool,
    /// The checkpoint under way.
    under_way: Option<checkpoint::UnderWay>,
    /// Encoded records of the batch being made; kept for its memory.
    records: Vec<u8>,
    /// What the last step decided; kept for its memory.
    decided: engine::Step,
}

impl Engine {
    fn check_usable(&self) -> PyResult<()> {
        if self.broken {
            return Err(PyRuntimeError::new_err(
                "the engine met a bug and is of no further use: drop it and replay the journal",
            ));
        }
        Ok(())
    }

    /// Does `work`, whose panic is a bug that ends this engine.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> PyResult<T>) -> PyResult<T> {
        self.check_usable()?;
        let result = caught(|| work(self));
        self.broken = result.is_err();
        result.unwrap_or_else(|text| Err(EngineBug::new_err(text)))
    }

    fn decide(
        &mut self,
        py: Python<'_>,
        now_ms: u64,
        commands: &[PyRef<'_, Command>],
        wake: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Step> {
        let context = self.context(now_ms)?;
        let authority = Authority {
            partition: self.number,
            secret: &context.secret,
        };
        let mut intake = Intake::new(py, commands, authority);
        let mut admitted = std::mem::take(&mut intake.admitted);
        let mut receives = |woken: Woken| {
            let queues = woken.queues.iter();
            let queues: Vec<_> = queues.map(|(queue, ready)| (&**queue, *ready)).collect();
            let members = woken.members.iter();
            let members: Vec<_> = members
                .map(|(queue, who, ready)| (&**queue, &**who, *ready))
                .collect();
            let told = wake.expect("who is told").call1((queues, members));
            let receives = told.and_then(|receives| receives.extract::<Vec<PyRef<'_, Command>>>());
            // As bad as a bug: the state has changed, and no batch tells of it yet.
            let receives = receives.unwrap_or_else(|error| panic!("waking failed: {error}"));
            intake.take_receives(&receives, authority);
            std::mem::take(&mut intake.admitted)
        };
        let mut step = std::mem::take(&mut self.decided);
        let wake = wake.is_some().then_some(&mut receives as _);
        self.partition
            .step_into(&mut step, now_ms, &mut admitted, wake);
        let carried: Vec<Pieces<'_>> = step
            .blobs
            .iter()
            .map(|index| intake.blobs[*index as usize])
            .collect();
        // The state has changed, and no batch tells of it: as bad as a bug of its own.
        let batch = self.frame(py, now_ms, &step, &carried);
        let batch = batch.unwrap_or_else(|error| panic!("framing failed: {error}"));
        step.records.clear();
        let answers = intake.answers(commands, context, step.replies.drain(..));
        let told = step_of(py, batch, &mut step, answers);
        self.decided = step;
        told
    }

    /// Frames the records of a step.
    fn frame<'py>(
        &mut self,
        py: Python<'py>,
        now_ms: u64,
        step: &engine::Step,
        blobs: &[Pieces<'_>],
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        if step.records.is_empty() {
            return Ok(None);
        }
        batch::assert_accounted(&step.records, blobs);
        self.records.clear();
        step.records
            .iter()
            .for_each(|record| record::encode(&mut self.records, record));
        let draft = Draft {
            header: self.chain.header(&self.partition, now_ms, step),
            records: &self.records,
            blobs,
        };
        let mut batch = Fresh::new(py, draft.length())?;
        self.chain.written(draft.write(&mut batch));
        self.partition.journaled(draft.length() as u64);
        Ok(Some(batch.finish()))
    }

    /// Without a secret nothing may be answered: anyone could write the receipts.
    fn context(&self, now_ms: u64) -> PyResult<Context> {
        let secret = self.partition.secret();
        let secret = secret.ok_or_else(|| {
            PyRuntimeError::new_err("the journal is empty: fence before the first step")
        })?;
        Ok(Context {
            partition: self.number,
            secret,
            epoch: self.partition.epoch(),
            now_ms,
        })
    }
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (partition, *, visibility_timeout_ms=30_000, max_retries=3, queues_max=100_000, dedup_memory_bytes=1 << 30, results_bytes_max=1 << 30, segment_bytes=64 << 20))]
    fn new(
        partition: u16,
        visibility_timeout_ms: u64,
        max_retries: u32,
        queues_max: u64,
        dedup_memory_bytes: u64,
        results_bytes_max: u64,
        segment_bytes: u64,
    ) -> Self {
        let number = PartitionNumber(partition);
        let settings = Settings {
            queue_config: QueueConfig::new(visibility_timeout_ms, max_retries),
            queues_max,
            dedup_ids_max: dedup_memory_bytes / DEDUP_ID_BYTES,
            results_bytes_max,
            segment_bytes,
        };
        let partition = Partition::new(number, settings.clone());
        Engine {
            number,
            settings,
            partition,
            chain: Chain::default(),
            broken: false,
            under_way: None,
            records: Vec::new(),
            decided: engine::Step::default(),
        }
    }

    #[getter]
    fn lsn(&self) -> u64 {
        self.partition.lsn()
    }

    #[getter]
    fn epoch(&self) -> u64 {
        self.partition.epoch()
    }

    /// The instant of the last step or replayed batch; 0 when there was none.
    #[getter]
    fn now_ms(&self) -> u64 {
        self.partition.now_ms()
    }

    /// The first batch that is needed for its blobs.
    #[getter]
    fn oldest_live_lsn(&self) -> u64 {
        self.partition.oldest_live_lsn()
    }

    /// The same, exactly: looks at every message.
    fn first_needed_lsn(&self) -> u64 {
        self.partition.first_needed_lsn()
    }

    #[getter]
    fn live_bytes(&self) -> u64 {
        self.partition.live_bytes()
    }

    #[getter]
    fn message_count(&self) -> u64 {
        self.partition.message_count()
    }

    #[getter]
    fn queue_count(&self) -> u64 {
        self.partition.queue_count()
    }

    /// Sweeps that have not ended: whoever drives sweeps goes on with these.
    #[getter]
    fn sweeps_running(&self) -> Vec<u64> {
        self.partition.sweeps_running()
    }

    /// Verifies one batch and applies it. A journal that contradicts itself is found while it is applied.
    fn replay(&mut self, py: Python<'_>, sequence: u64, batch: &[u8]) -> PyResult<()> {
        self.check_usable()?;
        let bytes = batch.len() as u64;
        let read = self.chain.read(&self.partition, sequence, batch);
        let batch = read.map_err(|fault| errors::batch(py, fault))?;
        let applied = caught(|| self.chain.apply(&mut self.partition, sequence, batch));
        self.partition.journaled(bytes);
        self.broken = applied.is_err();
        applied.map_err(|text| errors::contradiction(py, &text))
    }

    /// The batch that begins a new epoch.
    fn fence(&mut self, py: Python<'_>, now_ms: u64, secret: Secret) -> PyResult<Step> {
        self.guarded(|engine| {
            let mut step = engine.partition.fence(now_ms, secret);
            let batch = engine.frame(py, now_ms, &step, &[])?;
            step_of(py, batch, &mut step, Vec::new())
        })
    }

    /// Decides `commands` in order, after the timers due at `now_ms`, and the receives that `wake` returns.
    #[pyo3(signature = (now_ms, commands, wake=None))]
    fn step(
        &mut self,
        py: Python<'_>,
        now_ms: u64,
        commands: Vec<PyRef<'_, Command>>,
        wake: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Step> {
        self.guarded(|engine| engine.decide(py, now_ms, &commands, wake.as_ref()))
    }

    /// Begins a checkpoint of the state as it is now.
    fn begin_checkpoint(&mut self) -> PyResult<Option<u64>> {
        self.checkpoint_begun()
    }

    /// The next block of the checkpoint under way.
    fn next_block(&mut self, py: Python<'_>) -> PyResult<Option<checkpoint::Taken>> {
        self.block_taken(py)
    }

    /// Ends the checkpoint under way, all of whose blocks were taken: its manifest.
    fn end_checkpoint<'py>(
        &mut self,
        py: Python<'py>,
        blocks: Vec<PyRef<'py, BlockEntry>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        self.checkpoint_ended(py, &blocks)
    }

    /// Gives up the checkpoint under way, or the last one that ended.
    fn abandon_checkpoint(&mut self) -> PyResult<()> {
        self.checkpoint_abandoned()
    }

    /// Of each kind: how many entries a checkpoint begun now has, at most, and one of all there is.
    fn extents(&mut self) -> PyResult<Vec<(u8, usize, usize)>> {
        self.guarded(|engine| {
            let extents = engine.partition.extents().into_iter();
            let counts = extents.map(|extent| (extent.kind as u8, extent.changed, extent.all));
            Ok(counts.collect())
        })
    }

    /// Has this block come with the next checkpoint, changed or not.
    fn rewrite_block(&mut self, kind: u8, index: u64) -> PyResult<()> {
        let kind = kind_of(kind)?;
        self.guarded(|engine| {
            engine.partition.rewrite_block(kind, index);
            Ok(())
        })
    }

    /// A hash of the whole state, for tests: equal after a step and after its replay.
    fn state_hash(&self) -> PyResult<String> {
        caught_bug(|| {
            let mut hasher = StateHasher::default();
            self.partition.fold_state(&mut |bytes| hasher.update(bytes));
            Ok(hasher.finish())
        })
    }
}

fn step_of(
    py: Python<'_>,
    batch: Option<Bound<'_, PyBytes>>,
    step: &mut engine::Step,
    answers: Vec<Answer>,
) -> PyResult<Step> {
    let replies = answers
        .into_iter()
        .map(|answer| Py::new(py, Reply { answer }));
    Ok(Step {
        batch: batch.map(Bound::unbind),
        lsn: step.lsn,
        replies: replies.collect::<PyResult<_>>()?,
        next_deadline_ms: step.next_deadline_ms,
        woken: std::mem::take(&mut step.woken),
        woken_members: std::mem::take(&mut step.woken_members),
    })
}

/// Bytes a step may add to its commands' `batch_bytes_max` (frame, timers, taking away).
#[pyfunction]
pub fn step_batch_bytes_min() -> usize {
    FRAME_BYTES + record::bound::STEP
}

/// When a batch was decided. Raises BatchError.
#[pyfunction]
pub fn batch_now_ms(py: Python<'_>, batch: &[u8]) -> PyResult<u64> {
    let view = View::open(batch).map_err(|fault| errors::batch(py, fault))?;
    Ok(view.header.now_ms)
}

/// Checks the frame and hash of one batch read back for its payloads. Raises BatchError.
#[pyfunction]
pub fn verify_batch(py: Python<'_>, batch: &[u8]) -> PyResult<()> {
    codec::batch::verify(batch).map_err(|fault| errors::batch(py, fault))
}
