//! How far the inside of a string goes on with bytes that stand for themselves: all but quotes, backslashes and control
//! characters. Sixteen bytes at once, or sixty-four where the string is long and the processor has AVX2; eight elsewhere
//! than on x86-64.
#![allow(unsafe_code)] // loads of blocks, and instructions that not every processor has

/// What lies between where a scan began and where it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Bytes of it. What follows is a quote, a backslash, a control character or the end of the text.
    pub length: usize,
    /// False: all of it is ASCII, surely.
    pub maybe_beyond_ascii: bool,
}

/// The run that `text` begins with.
#[inline]
pub fn run(text: &[u8]) -> Run {
    #[cfg(target_arch = "x86_64")]
    return x86::run(text);
    #[cfg(not(target_arch = "x86_64"))]
    return by_words(text, Run::default());
}

fn ends(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// The run that goes on at `run.length`, by eight bytes at once (Mycroft 1987).
fn by_words(text: &[u8], mut run: Run) -> Run {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGH: u64 = ONES << 7;
    while let Some(&bytes) = text[run.length..].first_chunk() {
        let word = u64::from_le_bytes(bytes);
        // The high bit of each byte less than `least`. A borrow may set more, in bytes behind the first of those only.
        let less = |word: u64, least: u64| word.wrapping_sub(ONES * least) & !word;
        let equal = |byte: u8| less(word ^ (ONES * u64::from(byte)), 1);
        let ends = (less(word, 0x20) | equal(b'"') | equal(b'\\')) & HIGH;
        run.maybe_beyond_ascii |= word & HIGH != 0;
        if ends != 0 {
            run.length += ends.trailing_zeros() as usize / 8;
            return run;
        }
        run.length += bytes.len();
    }
    byte_by_byte(text, run)
}

/// The same, one by one.
fn byte_by_byte(text: &[u8], mut run: Run) -> Run {
    for &byte in &text[run.length..] {
        if ends(byte) {
            break;
        }
        run.maybe_beyond_ascii |= !byte.is_ascii();
        run.length += 1;
    }
    run
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Run, by_words};
    use std::arch::x86_64::*;

    /// Strings that are longer than so much are worth a call.
    const SHORT_BYTES: usize = 32;

    #[inline]
    pub fn run(text: &[u8]) -> Run {
        let short = &text[..text.len().min(SHORT_BYTES)];
        // SAFETY: every x86-64 has SSE2.
        let run = unsafe { sse2(short, Run::default()) };
        if run.length < SHORT_BYTES {
            return run;
        }
        long(text, run)
    }

    #[inline(never)]
    fn long(text: &[u8], run: Run) -> Run {
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: it has AVX2.
            return unsafe { avx2(text, run) };
        }
        // SAFETY: every x86-64 has SSE2.
        unsafe { sse2(text, run) }
    }

    /// # Safety
    /// The processor has SSE2.
    #[inline]
    pub(super) unsafe fn sse2(text: &[u8], mut run: Run) -> Run {
        const BLOCK: usize = 16;
        while let Some(block) = text.get(run.length..run.length + BLOCK) {
            // SAFETY: the block has sixteen bytes, and the load asks for no alignment.
            let (ends, high) = unsafe {
                let block = _mm_loadu_si128(block.as_ptr().cast());
                // The lesser of a byte and 31 is the byte: it is a control character.
                let control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(31)), block);
                let quote = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'"' as i8));
                let escape = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'\\' as i8));
                let ends = _mm_or_si128(control, _mm_or_si128(quote, escape));
                (_mm_movemask_epi8(ends), _mm_movemask_epi8(block))
            };
            run.maybe_beyond_ascii |= high != 0;
            if ends != 0 {
                run.length += ends.trailing_zeros() as usize;
                return run;
            }
            run.length += BLOCK;
        }
        by_words(text, run)
    }

    /// # Safety
    /// The processor has AVX2.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn avx2(text: &[u8], mut run: Run) -> Run {
        const BLOCK: usize = 32;
        while let Some(blocks) = text.get(run.length..run.length + 2 * BLOCK) {
            // SAFETY: there are two blocks of thirty-two bytes, and the loads ask for no alignment.
            let (ends, high) = unsafe {
                let ends = |block| {
                    let control =
                        _mm256_cmpeq_epi8(_mm256_min_epu8(block, _mm256_set1_epi8(31)), block);
                    let quote = _mm256_cmpeq_epi8(block, _mm256_set1_epi8(b'"' as i8));
                    let escape = _mm256_cmpeq_epi8(block, _mm256_set1_epi8(b'\\' as i8));
                    _mm256_or_si256(control, _mm256_or_si256(quote, escape))
                };
                let first = _mm256_loadu_si256(blocks.as_ptr().cast());
                let second = _mm256_loadu_si256(blocks.as_ptr().add(BLOCK).cast());
                let (ends_first, ends_second) = (ends(first), ends(second));
                let any = _mm256_movemask_epi8(_mm256_or_si256(ends_first, ends_second));
                let ends = (any != 0).then(|| {
                    let first = _mm256_movemask_epi8(ends_first) as u32;
                    let second = _mm256_movemask_epi8(ends_second) as u32;
                    u64::from(first) | u64::from(second) << BLOCK
                });
                let high = _mm256_movemask_epi8(_mm256_or_si256(first, second));
                (ends, high)
            };
            run.maybe_beyond_ascii |= high != 0;
            if let Some(ends) = ends {
                run.length += ends.trailing_zeros() as usize;
                return run;
            }
            run.length += 2 * BLOCK;
        }
        // SAFETY: what has AVX2 has SSE2.
        unsafe { sse2(text, run) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Way = fn(&[u8]) -> Run;

    /// All that this machine can do, one by one.
    fn ways() -> Vec<Way> {
        let mut ways: Vec<Way> = vec![run, |text| by_words(text, Run::default())];
        #[cfg(target_arch = "x86_64")]
        {
            // SAFETY: every x86-64 has SSE2.
            ways.push(|text| unsafe { x86::sse2(text, Run::default()) });
            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: it has AVX2.
                ways.push(|text| unsafe { x86::avx2(text, Run::default()) });
            }
        }
        ways
    }

    fn hold(text: &[u8]) {
        let plain = byte_by_byte(text, Run::default());
        for way in ways() {
            let run = way(text);
            assert_eq!(run.length, plain.length, "{}", text.escape_ascii());
            assert!(run.maybe_beyond_ascii || !plain.maybe_beyond_ascii);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn all_ways_lead_as_far(text in proptest::collection::vec(any::<u8>(), 0..200), from in 0..8usize) {
            hold(text.get(from..).unwrap_or_default());
            // Most bytes end no run.
            let longer: Vec<u8> = text.iter().map(|byte| if byte % 16 > 0 { byte | 0x60 } else { *byte }).collect();
            hold(&longer);
        }
    }

    #[test]
    fn every_byte_ends_a_run_or_not_wherever_it_stands() {
        for byte in 0..=255 {
            for length in [1, 15, 16, 17, 32, 33, 64, 100] {
                for at in 0..length {
                    let mut text = vec![b'a'; length];
                    text[at] = byte;
                    hold(&text);
                }
            }
        }
    }

    #[test]
    fn ascii_is_told() {
        let mut text = [b'a'; 100];
        assert!(ways().iter().all(|way| !way(&text).maybe_beyond_ascii));
        for at in 0..text.len() {
            text[at] = 0xc3;
            assert!(ways().iter().all(|way| way(&text).maybe_beyond_ascii));
            text[at] = b'a';
        }
    }
}
