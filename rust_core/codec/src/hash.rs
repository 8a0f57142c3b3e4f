//! Every hash of the product is BLAKE3, cut to the length its use needs. A change here changes what journals
//! and receipts mean: it is a format change.

mod many;

/// Bytes of a batch's hash.
pub const BATCH_HASH_BYTES: usize = 16;

/// A batch's hash: it proves the batch's bytes, and the next batch repeats it.
pub type BatchHash = [u8; BATCH_HASH_BYTES];

/// What the first batch names as the hash of the one before.
pub const BATCH_HASH_NONE: BatchHash = [0; BATCH_HASH_BYTES];

fn cut<const N: usize>(hash: &blake3::Hash) -> [u8; N] {
    std::array::from_fn(|index| hash.as_bytes()[index])
}

/// The hash of a batch's bytes before its trailer.
pub fn batch(bytes: &[u8]) -> BatchHash {
    cut(&blake3::hash(bytes))
}

/// A dedup id, as the dedup window remembers it: 128 bits, so that two ids never meet by chance.
pub fn dedup_id(id: &str) -> u128 {
    many::beginning(id.as_bytes())
}

/// An attempt of a consumer to receive.
pub fn attempt(consumer: &str, id: &str) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(consumer.len() as u64).to_le_bytes());
    hasher.update(consumer.as_bytes());
    hasher.update(id.as_bytes());
    u128::from_le_bytes(cut(&hasher.finalize()))
}

/// A payload's fingerprint, of its bytes as sent.
pub fn fingerprint(payload: &[u8]) -> u64 {
    u64::from_le_bytes(cut(&blake3::hash(payload)))
}

/// Those of many payloads.
pub fn fingerprints(payloads: &[&[u8]]) -> Vec<u64> {
    many::hash_many(payloads)
}

/// An ordering or fairness key. Keys that meet by chance (one pair in four billion keys) only share a turn.
pub fn key(text: &str) -> u64 {
    many::beginning(text.as_bytes()) as u64
}

/// The hash of a state that arrives in pieces.
#[derive(Default)]
pub struct StateHasher(blake3::Hasher);

impl StateHasher {
    /// Adds a piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all pieces, in hexadecimal.
    pub fn finish(&self) -> String {
        self.0.finalize().to_hex().to_string()
    }
}
