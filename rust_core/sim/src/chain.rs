//! A partition and the chain of its batches: what the server's engine does around the engine. Replay proves each
//! batch's bytes, place and predecessor, and passes over what deposed owners had on their way.

use codec::batch::{Batch, Draft, Header};
use codec::hash::{BATCH_HASH_NONE, BatchHash};
use codec::record;
use engine::config::Settings;
use engine::ids::PartitionNumber;
use engine::record::Record;
use engine::{Partition, Step};

/// See the module.
pub(crate) struct Chain {
    pub partition: Partition,
    previous: BatchHash,
    passed_over: bool,
}

/// What a replayed batch was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Applied,
    PassedOver,
}

impl Chain {
    pub fn new(settings: Settings) -> Self {
        Chain {
            partition: Partition::new(PartitionNumber(0), settings),
            previous: BATCH_HASH_NONE,
            passed_over: false,
        }
    }

    /// Proves a batch and applies it. Err: it can't be trusted.
    pub fn replay(&mut self, sequence: u64, bytes: &[u8]) -> Result<Verdict, String> {
        let epoch_min = self.partition.epoch() + u64::from(self.passed_over);
        if Batch::is_deposed(bytes, sequence, epoch_min).map_err(|fault| fault.to_string())? {
            self.partition.pass_over(sequence);
            self.passed_over = true;
            return Ok(Verdict::PassedOver);
        }
        let batch =
            Batch::decode(bytes, sequence, &self.previous).map_err(|fault| fault.to_string())?;
        let mut fences = batch.records.iter().filter_map(|record| match record {
            Record::Fenced { epoch } => Some(*epoch),
            _ => None,
        });
        let epoch = fences.next_back().unwrap_or(self.partition.epoch());
        if batch.records.is_empty()
            || batch.header.epoch != epoch
            || batch.header.now_ms < self.partition.now_ms()
        {
            return Err("its header contradicts the batches before it".into());
        }
        self.partition
            .replay(sequence, batch.header.now_ms, &batch.records);
        self.previous = batch.hash;
        self.passed_over = false;
        Ok(Verdict::Applied)
    }

    /// The batch of a step that recorded something.
    pub fn frame(&mut self, now_ms: u64, step: &Step, texts: &[Vec<u8>]) -> Vec<u8> {
        let mut records = Vec::new();
        step.records
            .iter()
            .for_each(|record| record::encode(&mut records, record));
        let text = |&index: &u32| [&texts[index as usize][..], &[], &[]];
        let header = Header {
            lsn: step.lsn,
            epoch: self.partition.epoch(),
            now_ms,
            previous: self.previous,
            record_count: step.records.len() as u32,
        };
        let blobs: Vec<_> = step.blobs.iter().map(text).collect();
        let (bytes, hash) = Draft {
            header,
            records: &records,
            blobs: &blobs,
        }
        .to_bytes();
        self.previous = hash;
        self.passed_over = false;
        bytes
    }

    /// A hash of the whole state.
    pub fn state_hash(&self) -> u64 {
        let mut hash = Hash::default();
        self.partition.fold_state(&mut |bytes| hash.add(bytes));
        hash.0
    }
}

/// FNV-1a: to compare, not to prove.
#[derive(Clone, Copy)]
pub(crate) struct Hash(pub u64);

impl Default for Hash {
    fn default() -> Self {
        Hash(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    pub fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
