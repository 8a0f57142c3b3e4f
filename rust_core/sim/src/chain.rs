//! A partition and the chain of its batches, as the server's engine has them.

use codec::batch::Draft;
use codec::hash::BatchHash;
use codec::record;
use engine::config::Settings;
use engine::ids::PartitionNumber;
use engine::{Partition, Step};

/// See the module.
pub(crate) struct Chain {
    pub partition: Partition,
    chain: codec::chain::Chain,
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
            chain: codec::chain::Chain::default(),
        }
    }

    /// After the batch of this hash, at which a checkpoint was taken.
    pub fn restored(partition: Partition, hash: BatchHash) -> Self {
        let mut chain = codec::chain::Chain::default();
        chain.written(hash);
        Chain { partition, chain }
    }

    /// Proves a batch and applies it. Err: it can't be trusted.
    pub fn replay(&mut self, sequence: u64, bytes: &[u8]) -> Result<Verdict, String> {
        let read = self.chain.read(&self.partition, sequence, bytes);
        let batch = read.map_err(|fault| fault.to_string())?;
        let verdict = match batch {
            Some(_) => Verdict::Applied,
            None => Verdict::PassedOver,
        };
        self.chain.apply(&mut self.partition, sequence, batch);
        Ok(verdict)
    }

    /// The batch of a step that recorded something.
    pub fn frame(&mut self, now_ms: u64, step: &Step, texts: &[Vec<u8>]) -> Vec<u8> {
        let mut records = Vec::new();
        let encode = |record| record::encode(&mut records, record);
        step.records.iter().for_each(encode);
        let text = |&index: &u32| [&texts[index as usize][..], &[], &[]];
        let blobs: Vec<_> = step.blobs.iter().map(text).collect();
        let draft = Draft {
            header: self.chain.header(&self.partition, now_ms, step),
            records: &records,
            blobs: &blobs,
        };
        let (bytes, hash) = draft.to_bytes();
        self.chain.written(hash);
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
