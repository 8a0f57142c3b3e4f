//! Draws from a seed: splitmix64 (Steele et al. 2014). The same seed gives the same draws on every machine.

/// See the module.
pub struct Random(u64);

impl Random {
    /// Draws that follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Random(seed ^ 0x6a09_e667_f3bc_c908)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// One of `0..end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.any() % end
    }

    /// One of `range`, both ends included.
    pub fn within(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    /// True `percent` times of a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    /// A value, `percent` times of a hundred.
    pub fn maybe<T>(&mut self, percent: u64, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.chance(percent).then(|| value(self))
    }

    /// A length of time whose order of magnitude is drawn first: from 1 ms to `max_ms`.
    pub fn time_ms(&mut self, max_ms: u64) -> u64 {
        let magnitude = self.below(u64::from(max_ms.ilog2()) + 1);
        self.within(1 << magnitude, (2 << magnitude) - 1)
            .min(max_ms)
    }
}
