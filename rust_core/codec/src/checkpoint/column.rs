//! A column: one field of all entries of a block. Neighbours are alike, so what is written is by how much each differs
//! from the one before, zigzag; and when that was the same twice, how many times more it is the same.

use crate::varint::{Malformed, Reader, put};

/// Entries of one block at most, whatever its bytes say: a run of equal ones costs nothing to promise.
const ENTRIES_MAX: usize = 1 << 16;

fn zigzag(difference: u64) -> u64 {
    let signed = difference as i64;
    ((signed << 1) ^ (signed >> 63)) as u64
}

fn unzigzag(code: u64) -> u64 {
    (code >> 1) ^ (code & 1).wrapping_neg()
}

/// Appends how many entries there are.
pub fn put_count(out: &mut Vec<u8>, count: usize) {
    put(out, count as u64);
}

/// Reads how many entries there are.
pub fn count(reader: &mut Reader<'_>) -> Result<usize, Malformed> {
    let count = reader.u64()?;
    let fits = usize::try_from(count).ok();
    fits.filter(|count| *count <= ENTRIES_MAX)
        .ok_or(Malformed("a block has more entries than any block"))
}

/// Appends a column.
pub fn put_column(out: &mut Vec<u8>, values: impl Iterator<Item = u64>) {
    let (mut before, mut last, mut run) = (0u64, None, None);
    for value in values {
        let code = zigzag(value.wrapping_sub(before));
        before = value;
        match run.as_mut() {
            Some(more) if last == Some(code) => {
                *more += 1;
                continue;
            }
            Some(more) => {
                put(out, *more);
                run = None;
            }
            None => {}
        }
        put(out, code);
        if last == Some(code) {
            run = Some(0u64);
        }
        last = Some(code);
    }
    if let Some(more) = run {
        put(out, more);
    }
}

/// Reads a column of `count` entries.
pub fn column(reader: &mut Reader<'_>, count: usize) -> Result<Vec<u64>, Malformed> {
    let mut values = Vec::with_capacity(count);
    let (mut before, mut last, mut ended_run) = (0u64, None, false);
    while values.len() < count {
        let code = reader.u64()?;
        if ended_run && last == Some(code) {
            return Err(Malformed("a run of a column ends early"));
        }
        before = before.wrapping_add(unzigzag(code));
        values.push(before);
        if last == Some(code) && !ended_run {
            let times = usize::try_from(reader.u64()?).unwrap_or(usize::MAX);
            if times > count - values.len() {
                return Err(Malformed("a run of a column exceeds its entries"));
            }
            for _ in 0..times {
                before = before.wrapping_add(unzigzag(code));
                values.push(before);
            }
            ended_run = true;
        } else {
            ended_run = false;
        }
        last = Some(code);
    }
    Ok(values)
}

/// Reads a column whose values fit 32 bits.
pub fn column_u32(reader: &mut Reader<'_>, count: usize) -> Result<Vec<u32>, Malformed> {
    narrow(reader, count)
}

/// Reads a column whose values fit a narrower number.
pub fn narrow<T: TryFrom<u64>>(reader: &mut Reader<'_>, count: usize) -> Result<Vec<T>, Malformed> {
    let values = column(reader, count)?;
    let narrowed = values.into_iter().map(T::try_from);
    narrowed
        .collect::<Result<_, _>>()
        .map_err(|_| Malformed("a column holds a number that is too large"))
}

/// Appends a column of hashes, which nothing makes shorter.
pub fn put_hashes(out: &mut Vec<u8>, hashes: impl Iterator<Item = u64>) {
    hashes.for_each(|hash| out.extend_from_slice(&hash.to_le_bytes()));
}

/// Reads a column of hashes.
pub fn hashes(reader: &mut Reader<'_>, count: usize) -> Result<Vec<u64>, Malformed> {
    let bytes = reader.take(count * 8)?;
    let words = bytes.chunks_exact(8);
    Ok(words
        .map(|word| u64::from_le_bytes(std::array::from_fn(|at| word[at])))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(values: &[u64]) -> Vec<u8> {
        let mut out = Vec::new();
        put_column(&mut out, values.iter().copied());
        out
    }

    proptest! {
        #[test]
        fn a_column_comes_back(values in proptest::collection::vec(prop_oneof![0..3u64, any::<u64>()], 0..60)) {
            let out = written(&values);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(column(&mut reader, values.len()), Ok(values));
            prop_assert!(reader.end().is_ok());
        }

        #[test]
        fn what_decodes_encodes_back(bytes in proptest::collection::vec(0..6u8, 0..20), count in 0..12usize) {
            let mut reader = Reader::new(&bytes);
            if let Ok(values) = column(&mut reader, count) {
                prop_assert_eq!(&bytes[..bytes.len() - reader.remaining()], &written(&values)[..]);
            }
        }
    }

    #[test]
    fn what_grows_evenly_takes_a_few_bytes() {
        let values: Vec<u64> = (1000..9192).collect();
        assert!(written(&values).len() <= 8);
        assert!(written(&[7; 8192]).len() <= 8);
    }
}
