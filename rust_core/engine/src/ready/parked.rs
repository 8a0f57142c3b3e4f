//! Lanes that are out of every turn, and when they are looked at again.

use std::collections::BTreeSet;

/// Parked lanes, by (until, priority, flow).
#[derive(Default)]
pub(super) struct Parked {
    pub waiting: BTreeSet<(u64, u8, u32)>,
    /// Those whose reason to wait may be gone: they are looked at again, a few at a time.
    pub freed: BTreeSet<(u64, u8, u32)>,
}

impl Parked {
    pub fn remove(&mut self, lane: &(u64, u8, u32)) {
        let held = self.waiting.remove(lane) || self.freed.remove(lane);
        assert!(held, "a parked lane isn't among the parked");
    }

    pub fn pop_due(&mut self, now_ms: u64) -> Option<(u64, u8, u32)> {
        self.freed.pop_first().or_else(|| {
            let is_due = self.waiting.first()?.0 <= now_ms;
            is_due.then(|| self.waiting.pop_first()).flatten()
        })
    }

    pub fn is_due(&self, now_ms: u64) -> bool {
        let first = self.waiting.first();
        !self.freed.is_empty() || first.is_some_and(|&(until_ms, ..)| until_ms <= now_ms)
    }
}
