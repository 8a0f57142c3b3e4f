//! One partition's state, and the chain of batches that leads to it.

mod checkpoint;

use crate::bug::{EngineBug, caught, caught_bug};
use crate::checkpoint::{BlockEntry, kind_of};
use crate::command::Command;
use crate::errors;
use crate::reply::Reply;
use crate::step::Step;
use codec::batch::{self, Draft, FRAME_BYTES, View};
use codec::blob::Pieces;
use codec::chain::Chain;
use codec::hash::{BATCH_HASH_NONE, StateHasher};
use codec::json::answer::{Answer, Context};
use codec::json::request::{Admitted, Authority};
use codec::receipt::Secret;
use codec::record;
use engine::Partition;
use engine::config::{DEDUP_ID_BYTES, QueueConfig, Settings};
use engine::ids::PartitionNumber;
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
    ) -> PyResult<Step> {
        let context = self.context(now_ms)?;
        let authority = Authority {
            partition: self.number,
            secret: &context.secret,
        };
        let Intake {
            admitted,
            blobs,
            verdicts,
        } = Intake::new(py, commands, authority);
        let mut step = self.partition.step(now_ms, admitted);
        let carried: Vec<Pieces<'_>> = step
            .blobs
            .iter()
            .map(|index| blobs[*index as usize])
            .collect();
        let batch = self.frame(py, now_ms, &step, &carried)?;
        let replies = std::mem::take(&mut step.replies);
        let answers = answers(commands, verdicts, context, replies);
        step_of(py, batch, step, answers)
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
        let mut hash = BATCH_HASH_NONE;
        let batch = PyBytes::new_with(py, draft.length(), |out| {
            hash = draft.write(out);
            Ok(())
        })?;
        self.chain.written(hash);
        self.partition.journaled(draft.length() as u64);
        Ok(Some(batch))
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

/// Commands as the engine takes them, and what it takes to answer them.
struct Intake<'py> {
    admitted: Vec<engine::command::Command>,
    /// The blobs of all commands.
    blobs: Vec<Pieces<'py>>,
    /// For each command: was it admitted whole, in part, or refused.
    verdicts: Vec<Verdict>,
}

enum Verdict {
    Whole,
    Rest(codec::json::request::Refused),
    Refused(codec::json::request::Refusal),
}

impl<'py> Intake<'py> {
    fn new(
        py: Python<'py>,
        commands: &'py [PyRef<'py, Command>],
        authority: Authority<'_>,
    ) -> Self {
        let mut intake = Intake {
            admitted: Vec::with_capacity(commands.len()),
            blobs: Vec::new(),
            verdicts: Vec::new(),
        };
        for command in commands {
            let verdict = match command
                .request
                .ask
                .admit(authority, intake.blobs.len() as u32)
            {
                Admitted::Whole(command) => intake.admit(command, Verdict::Whole),
                Admitted::Rest(command, refused) => intake.admit(command, Verdict::Rest(refused)),
                Admitted::None(refusal) => Verdict::Refused(refusal),
            };
            intake.verdicts.push(verdict);
            let (blobs, body) = (&command.request.blobs, command.body_bytes(py));
            intake
                .blobs
                .extend((0..blobs.count()).map(|index| blobs.pieces(body, index)));
        }
        intake
    }

    fn admit(&mut self, command: engine::command::Command, verdict: Verdict) -> Verdict {
        self.admitted.push(command);
        verdict
    }
}

fn answers(
    commands: &[PyRef<'_, Command>],
    verdicts: Vec<Verdict>,
    context: Context,
    replies: Vec<engine::reply::Reply>,
) -> Vec<Answer> {
    let mut replies = replies.into_iter();
    let mut next = || replies.next().expect("the engine answers every command");
    let answer = |(command, verdict): (&PyRef<'_, Command>, Verdict)| {
        let ask = &command.request.ask;
        match verdict {
            Verdict::Whole => Answer::replied(ask, context, next()),
            Verdict::Rest(refused) => Answer::merged(ask, context, next(), refused),
            Verdict::Refused(refusal) => Answer::refused(ask, context, refusal),
        }
    };
    commands.iter().zip(verdicts).map(answer).collect()
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
            let step = engine.partition.fence(now_ms, secret);
            let batch = engine.frame(py, now_ms, &step, &[])?;
            step_of(py, batch, step, Vec::new())
        })
    }

    /// Decides `commands` in order, after the timers due at `now_ms`.
    fn step(
        &mut self,
        py: Python<'_>,
        now_ms: u64,
        commands: Vec<PyRef<'_, Command>>,
    ) -> PyResult<Step> {
        self.guarded(|engine| engine.decide(py, now_ms, &commands))
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

    /// How many blocks a checkpoint begun now has.
    fn changed_blocks(&mut self) -> PyResult<usize> {
        self.guarded(|engine| Ok(engine.partition.changed_blocks()))
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
    step: engine::Step,
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
        woken: step.woken,
        woken_members: step.woken_members,
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
