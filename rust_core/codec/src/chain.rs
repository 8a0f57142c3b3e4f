//! The chain of batches that leads to a partition's state: what a batch read back must be to be applied, and what the
//! next one written names as its predecessor. Whoever replays or writes a journal follows one.

use crate::batch::{Batch, Fault, Header};
use crate::hash::{BATCH_HASH_NONE, BatchHash};
use engine::record::Record;
use engine::{Partition, Step};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    /// Hash of the last batch that counts.
    previous: BatchHash,
    /// The last batch was void, and so is what follows until the next fence.
    passed_over: bool,
}

impl Default for Chain {
    /// Before the first batch.
    fn default() -> Self {
        Chain {
            previous: BATCH_HASH_NONE,
            passed_over: false,
        }
    }
}

impl Chain {
    /// After the batch of this hash, at which a checkpoint was taken.
    pub fn after(hash: BatchHash) -> Self {
        Chain {
            previous: hash,
            passed_over: false,
        }
    }

    /// The hash of the last batch, which the next one names. None: that one was passed over, and no state but that of
    /// the whole journal follows from it.
    pub fn last(&self) -> Option<BatchHash> {
        (!self.passed_over).then_some(self.previous)
    }

    /// Proves the batch read at `sequence`, which must be the next one. None: a deposed owner's, to be passed over.
    /// Changes nothing.
    pub fn read(
        &self,
        partition: &Partition,
        sequence: u64,
        bytes: &[u8],
    ) -> Result<Option<Batch>, Fault> {
        let expected = partition.lsn() + 1;
        if sequence != expected {
            let found = sequence;
            return Err(Fault::Sequence { expected, found });
        }
        // Behind a void batch its place was taken from the owner's own: what he sent behind that one is void too.
        let epoch_min = partition.epoch() + u64::from(self.passed_over);
        if Batch::is_deposed(bytes, sequence, epoch_min)? {
            return Ok(None);
        }
        let batch = Batch::decode(bytes, sequence, &self.previous)?;
        check(partition, &batch)?;
        Ok(Some(batch))
    }

    /// Applies what `read` proved, or passes it over. Panics when the journal contradicts itself.
    pub fn apply(&mut self, partition: &mut Partition, sequence: u64, batch: Option<Batch>) {
        self.passed_over = batch.is_none();
        match batch {
            Some(batch) => {
                self.previous = batch.hash;
                partition.replay(sequence, batch.header.now_ms, &batch.records);
            }
            None => partition.pass_over(sequence),
        }
    }

    /// The header of a step's batch.
    pub fn header(&self, partition: &Partition, now_ms: u64, step: &Step) -> Header {
        Header {
            lsn: step.lsn,
            epoch: partition.epoch(),
            now_ms,
            previous: self.previous,
            record_count: step.records.len() as u32,
        }
    }

    /// A batch was written behind the others.
    pub fn written(&mut self, hash: BatchHash) {
        self.previous = hash;
        self.passed_over = false;
    }
}

/// What can be refused before anything changes.
fn check(partition: &Partition, batch: &Batch) -> Result<(), Fault> {
    let epoch = batch.records.iter().rev().find_map(|record| match record {
        Record::Fenced { epoch } => Some(*epoch),
        _ => None,
    });
    if batch.records.is_empty() {
        return Err(Fault::Malformed("it has no records"));
    }
    if batch.header.epoch != epoch.unwrap_or(partition.epoch()) {
        return Err(Fault::Malformed(
            "its epoch is not the one its writer had begun",
        ));
    }
    if batch.header.now_ms < partition.now_ms() {
        return Err(Fault::Malformed(
            "its instant is before that of the batch before it",
        ));
    }
    Ok(())
}
