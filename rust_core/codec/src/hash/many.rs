//! BLAKE3 of many texts at once. The blocks of one text wait for each other; those of texts that have as many are
//! compressed side by side, up to sixteen with the same instructions. What comes out is what `blake3::hash` gives.
//!
//! Only the crate's `platform` does that, which it has for its own benchmarks and may change: then this file does not
//! compile or its test fails (docs/adr/0017).

use super::fingerprint;
use blake3::platform::Platform;
use blake3::{BLOCK_LEN, CHUNK_LEN, IncrementCounter};

/// What every hash begins with: the first words of SHA-256's.
const IV: [u32; 8] = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

const CHUNK_START: u8 = 1;
const CHUNK_END: u8 = 2;
const ROOT: u8 = 8;

/// A chaining value.
const VALUE_BYTES: usize = 32;

/// Texts side by side, on the widest processors.
const SIDE_BY_SIDE: usize = 16;

/// A text of one chunk has a last block, and at most so many before it.
const BEFORE_LAST_MAX: usize = CHUNK_LEN / BLOCK_LEN - 1;

/// The beginning of each text's hash.
pub fn hash_many(texts: &[&[u8]]) -> Vec<u64> {
    let platform = Platform::detect();
    let mut hashes = vec![0; texts.len()];
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_unstable_by_key(|&index| before_last(texts[index]));
    for alike in order.chunk_by(|&one, &other| before_last(texts[one]) == before_last(texts[other]))
    {
        for beside in alike.chunks(SIDE_BY_SIDE) {
            hash_alike(platform, texts, beside, &mut hashes);
        }
    }
    hashes
}

/// Whole blocks before the last block, which may be whole or not.
fn before_last(text: &[u8]) -> usize {
    text.len().saturating_sub(1) / BLOCK_LEN
}

/// Of the texts at these places, which have as many blocks.
fn hash_alike(platform: Platform, texts: &[&[u8]], places: &[usize], hashes: &mut [u64]) {
    let blocks = before_last(texts[places[0]]);
    if blocks > BEFORE_LAST_MAX {
        for &place in places {
            hashes[place] = fingerprint(texts[place]);
        }
        return;
    }
    let mut values = [0; SIDE_BY_SIDE * VALUE_BYTES];
    if let Some(compress) = blocks.checked_sub(1).map(|index| COMPRESS[index]) {
        compress(platform, texts, places, &mut values);
    }
    for (&place, value) in places.iter().zip(values.chunks_exact(VALUE_BYTES)) {
        let (value, start) = match blocks {
            0 => (IV, CHUNK_START),
            _ => (words(value), 0),
        };
        let last = &texts[place][blocks * BLOCK_LEN..];
        let value = with_last(platform, value, start, last);
        hashes[place] = u64::from(value[0]) | u64::from(value[1]) << 32;
    }
}

/// The hash, of what came before and the last block.
fn with_last(platform: Platform, mut value: [u32; 8], start: u8, last: &[u8]) -> [u32; 8] {
    let mut block = [0; BLOCK_LEN];
    block[..last.len()].copy_from_slice(last);
    let flags = start | CHUNK_END | ROOT;
    platform.compress_in_place(&mut value, &block, last.len() as u8, 0, flags);
    value
}

/// The beginning of one text's hash. Of a short one, as ids and keys are, without the way there: a third of its time.
pub fn beginning(text: &[u8]) -> u128 {
    if text.len() > BLOCK_LEN {
        return u128::from_le_bytes(super::cut(&blake3::hash(text)));
    }
    let value = with_last(Platform::detect(), IV, CHUNK_START, text);
    let of = |index: usize| u128::from(value[index]) << (32 * index);
    of(0) | of(1) | of(2) | of(3)
}

fn words(value: &[u8]) -> [u32; 8] {
    std::array::from_fn(|index| {
        let bytes = value[index * 4..][..4].try_into();
        u32::from_le_bytes(bytes.expect("four bytes"))
    })
}

/// Chaining values after the first blocks of texts, by how many blocks these are.
type Compress = fn(Platform, &[&[u8]], &[usize], &mut [u8]);

const COMPRESS: [Compress; BEFORE_LAST_MAX] = [
    compress::<64>,
    compress::<128>,
    compress::<192>,
    compress::<256>,
    compress::<320>,
    compress::<384>,
    compress::<448>,
    compress::<512>,
    compress::<576>,
    compress::<640>,
    compress::<704>,
    compress::<768>,
    compress::<832>,
    compress::<896>,
    compress::<960>,
];

fn compress<const BYTES: usize>(
    platform: Platform,
    texts: &[&[u8]],
    places: &[usize],
    values: &mut [u8],
) {
    let mut inputs = [&[0; BYTES]; SIDE_BY_SIDE];
    for (input, &place) in inputs.iter_mut().zip(places) {
        *input = texts[place]
            .first_chunk()
            .expect("so many blocks come before its last");
    }
    let inputs = &inputs[..places.len()];
    platform.hash_many(
        inputs,
        &IV,
        0,
        IncrementCounter::No,
        0,
        CHUNK_START,
        0,
        values,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 7 + length) as u8).collect()
    }

    #[test]
    fn each_is_hashed_as_it_would_be_alone() {
        let lengths = (0..=CHUNK_LEN + 65)
            .chain([64; 40])
            .chain([1024; 33])
            .chain([1023; 9]);
        let texts: Vec<Vec<u8>> = lengths.map(text).collect();
        // In an order in which those alike are apart.
        let texts: Vec<&[u8]> = (0..texts.len())
            .map(|at| &*texts[at * 589 % texts.len()])
            .collect();
        let alone = texts.iter().map(|text| fingerprint(text));
        assert_eq!(hash_many(&texts), alone.collect::<Vec<_>>());
        assert!(hash_many(&[]).is_empty());
        for text in &texts {
            let whole = blake3::hash(text);
            assert_eq!(beginning(text).to_le_bytes(), whole.as_bytes()[..16]);
        }
    }
}
