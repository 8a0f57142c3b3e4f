//! How much of the journal is still needed, by range: each is closed when a quarter of a segment was written to it, and
//! counts the blobs that lie there and are referred to. The first range that has any is where the journal must begin.
//!
//! It follows from the state, so it is neither recorded nor part of it. What a range takes in the journal is told by
//! whoever writes; of ranges that were restored it is shared out by their numbers of batches.

use std::collections::VecDeque;

use crate::ids::Location;

/// Ranges that a restored state's batches are divided into.
const RESTORED_RANGES: u64 = 1024;

/// The journal may take twice what is needed and so many ranges: a segment.
const SPARE_RANGES: u64 = 4;

/// Of those, what may come until moves free anything: what was written since the checkpoint before the last.
const AHEAD_RANGES: u64 = 2;

/// And where nearly nothing comes, half a range: a quarter of one goes before it is asked again, and the bound comes
/// nearer by twice as much.
const AHEAD_PARTS: u64 = 2;

/// A move writes so much more than it moves, about: its record, and when an envelope was accepted.
const MOVED_BYTES: u64 = 32;

/// Batches that follow each other, up to the next range's first.
#[derive(Clone, Copy, Debug)]
struct Range {
    first_lsn: u64,
    /// In the journal.
    bytes: u64,
    /// That are referred to; what copies of a message share counts once, as it is moved once.
    blobs: u64,
    live_bytes: u64,
}

/// See the module.
pub(crate) struct Live {
    ranges: VecDeque<Range>,
    /// Those before this one have no blobs.
    needed: usize,
    /// Ranges at the front whose bytes are shared out.
    restored: usize,
    range_bytes: u64,
    /// Bytes that came lately, and that were needed and went, without moves; both are halved when they are a range together.
    came: u64,
    went: u64,
    /// That the last batch moved.
    moved: u64,
}

impl Range {
    /// What moving all that is referred to here writes, at most.
    fn moved_bytes(&self) -> u64 {
        self.live_bytes + MOVED_BYTES * self.blobs
    }
}

impl Live {
    pub fn new(range_bytes: u64) -> Self {
        let first = Range {
            first_lsn: 0,
            bytes: 0,
            blobs: 0,
            live_bytes: 0,
        };
        Live {
            ranges: [first].into(),
            needed: 0,
            restored: 0,
            range_bytes,
            came: 0,
            went: 0,
            moved: 0,
        }
    }

    /// For a state at `lsn` whose references are counted next.
    pub fn restored(lsn: u64, range_bytes: u64) -> Self {
        let mut live = Live::new(range_bytes);
        let each = lsn / RESTORED_RANGES + 1;
        let firsts = (1..=RESTORED_RANGES).map(|index| each.saturating_mul(index));
        firsts
            .take_while(|&first_lsn| first_lsn <= lsn)
            .for_each(|first_lsn| live.open(first_lsn));
        live.restored = live.ranges.len();
        live.open(lsn.saturating_add(1));
        live
    }

    fn open(&mut self, first_lsn: u64) {
        self.ranges.push_back(Range {
            first_lsn,
            bytes: 0,
            blobs: 0,
            live_bytes: 0,
        });
    }

    /// The batch at `lsn` begins.
    pub fn begin(&mut self, lsn: u64) {
        let last = self.ranges.back().expect("a range is open");
        if last.bytes >= self.range_bytes && last.first_lsn < lsn {
            self.open(lsn);
        }
    }

    /// The last batch takes so many bytes.
    pub fn journaled(&mut self, bytes: u64) {
        self.ranges.back_mut().expect("a range is open").bytes += bytes;
        self.came += bytes.saturating_sub(std::mem::take(&mut self.moved));
        self.age();
    }

    /// What was long ago counts little.
    fn age(&mut self) {
        if self.came + self.went > self.range_bytes {
            (self.came, self.went) = (self.came / 2, self.went / 2);
        }
    }

    /// What may come until moves free anything. Less than usual where much more goes than comes, because a backlog is
    /// worked off: most of what would be moved is about to go.
    fn ahead(&self) -> u64 {
        let most = AHEAD_RANGES * self.range_bytes;
        if self.came >= self.went {
            return most;
        }
        let share = u128::from(most) * 2 * u128::from(self.came);
        let share = share / u128::from(self.came + self.went);
        (share as u64).max(self.range_bytes / AHEAD_PARTS)
    }

    fn index_of(&self, lsn: u64) -> usize {
        let last = self.ranges.len() - 1;
        if self.ranges[last].first_lsn <= lsn {
            return last;
        }
        let after = self.ranges.partition_point(|range| range.first_lsn <= lsn);
        after.saturating_sub(1)
    }

    /// One more refers to `at`; `counts` when it is the first copy that does.
    pub fn take(&mut self, at: Location, counts: bool) {
        if at.lsn > 0 && counts {
            let index = self.index_of(at.lsn);
            self.needed = self.needed.min(index);
            let range = &mut self.ranges[index];
            range.blobs += 1;
            range.live_bytes += u64::from(at.length);
        }
    }

    /// One fewer refers to `at`; `counts` when it was the last copy that did.
    pub fn drop(&mut self, at: Location, counts: bool) {
        if at.lsn > 0 && counts {
            self.leave(at);
            self.went += u64::from(at.length);
            self.age();
        }
    }

    /// Who referred to `from` refers to `to`; `counts` for the first copy.
    pub fn shift(&mut self, from: Location, to: Location, counts: bool) {
        if counts {
            if from.lsn > 0 {
                self.leave(from);
            }
            self.take(to, true);
            self.moved += u64::from(to.length);
        }
    }

    fn leave(&mut self, at: Location) {
        let index = self.index_of(at.lsn);
        let range = &mut self.ranges[index];
        range.blobs -= 1;
        range.live_bytes -= u64::from(at.length);
        let last = self.ranges.len() - 1;
        while self.needed < last && self.ranges[self.needed].blobs == 0 {
            self.needed += 1;
        }
    }

    /// The journal begins with `first_lsn` and takes so many bytes in all.
    pub fn kept(&mut self, first_lsn: u64, bytes: u64) {
        while self.ranges.len() > 1 && self.ranges[1].first_lsn <= first_lsn {
            self.ranges.pop_front();
            self.needed = self.needed.saturating_sub(1);
            self.restored = self.restored.saturating_sub(1);
        }
        let known = self.ranges.iter().skip(self.restored);
        let rest = bytes.saturating_sub(known.map(|range| range.bytes).sum());
        let end = self
            .ranges
            .get(self.restored)
            .map_or(0, |range| range.first_lsn);
        let all = u128::from(end.saturating_sub(first_lsn).max(1));
        for index in 0..self.restored {
            let next = self.ranges[index + 1].first_lsn;
            let from = self.ranges[index].first_lsn.max(first_lsn);
            let share = u128::from(rest) * u128::from(next - from.min(next)) / all;
            self.ranges[index].bytes = u64::try_from(share).unwrap_or(u64::MAX);
        }
    }

    /// Nothing that lies before this LSN is referred to.
    pub fn oldest_lsn(&self) -> Option<u64> {
        let mut ranges = self.ranges.range(self.needed..);
        let oldest = ranges.find(|range| range.blobs > 0);
        oldest.map(|range| range.first_lsn)
    }

    /// Whether what is needed must be moved out of the journal's way, range by range before `lsn`, a byte for each that
    /// others write, for the journal to stay within its bound. Later would be too late at that pace; sooner would move
    /// what may be gone by then.
    pub fn is_due(&self, lsn: u64) -> bool {
        let bytes: u64 = self.ranges.iter().map(|range| range.bytes).sum();
        let kept: u64 = self.ranges.iter().map(Range::moved_bytes).sum();
        let ahead = self.ahead();
        if bytes <= kept + ahead {
            return false; // what is here is needed, nearly all of it
        }
        let bound = 2 * self.live_bytes() + SPARE_RANGES * self.range_bytes;
        let (mut to_move, mut freed) = (0, 0);
        for (range, next) in self.ranges.iter().zip(self.ranges.iter().skip(1)) {
            if next.first_lsn > lsn {
                break;
            }
            to_move += range.moved_bytes();
            // More than may be written until what lies before this range is gone.
            if range.blobs > 0 && bytes + ahead + to_move > bound + freed {
                return true;
            }
            freed += range.bytes.saturating_sub(range.moved_bytes());
        }
        false
    }

    pub fn live_bytes(&self) -> u64 {
        self.ranges.iter().map(|range| range.live_bytes).sum()
    }

    /// Blobs and their bytes, in all.
    #[cfg(test)]
    pub fn counts(&self) -> Vec<(u64, u64)> {
        let counts = |range: &Range| (range.blobs, range.live_bytes);
        self.ranges.iter().map(counts).collect()
    }

    /// The same ranges without references.
    #[cfg(test)]
    pub fn emptied(&self) -> Live {
        let empty = |range: &Range| Range {
            blobs: 0,
            live_bytes: 0,
            ..*range
        };
        Live {
            ranges: self.ranges.iter().map(empty).collect(),
            needed: 0,
            ..*self
        }
    }
}

#[cfg(test)]
mod tests;
