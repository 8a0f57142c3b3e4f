//! When the dedup entries of one queue end, and whose ids they are of. They are accepted in order of time, so with one window they end in
//! that order; a window that is shortened begins another run, and the ends of all runs are merged.

use std::collections::VecDeque;

use crate::ids::QueueNumber;

/// Runs of one queue. Whoever changes a window more often while old entries last keeps some entries longer.
const RUNS_MAX: usize = 8;

/// When an entry's time is over.
#[derive(Clone, Copy)]
pub(crate) struct Expiry {
    key_high: u64,
    key_low: u64,
    pub expires_at_ms: u64,
}

impl Expiry {
    pub fn new(key: u128, expires_at_ms: u64) -> Self {
        Expiry {
            key_high: (key >> 64) as u64,
            key_low: key as u64,
            expires_at_ms,
        }
    }

    pub fn key(&self) -> u128 {
        u128::from(self.key_high) << 64 | u128::from(self.key_low)
    }
}

/// See the module.
pub(crate) struct Expiries {
    /// The number the queue had when it was made: its ids are told from those of others by it for good.
    pub of: QueueNumber,
    runs: Vec<Run>,
    len: usize,
}

impl Expiries {
    pub fn new(of: QueueNumber) -> Self {
        Expiries {
            of,
            runs: Vec::new(),
            len: 0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn push(&mut self, expiry: Expiry) {
        self.len += 1;
        let fits = |run: &Run| run.last_ms() <= expiry.expires_at_ms;
        match self.runs.iter().position(fits) {
            Some(run) => self.runs[run].push(expiry),
            None if self.runs.len() < RUNS_MAX => self.runs.push(Run::of(expiry)),
            None => self.runs[RUNS_MAX - 1].push(expiry),
        }
    }

    /// The earliest end.
    pub fn first_ms(&self) -> Option<u64> {
        self.runs.iter().map(|run| run.first().expires_at_ms).min()
    }

    pub fn pop(&mut self) -> Option<Expiry> {
        let runs = 0..self.runs.len();
        let run = runs.min_by_key(|&run| self.runs[run].first().expires_at_ms)?;
        self.len -= 1;
        let first = self.runs[run].first();
        if self.runs[run].drop_first() {
            self.runs.remove(run);
        }
        Some(first)
    }

    /// How many are over, counted up to `max`.
    pub fn due(&self, now_ms: u64, max: usize) -> usize {
        let due = |expiry: &&Expiry| expiry.expires_at_ms <= now_ms;
        let runs = self.runs.iter();
        runs.flat_map(|run| run.iter().take_while(due))
            .take(max)
            .count()
    }

    /// Run by run.
    pub fn iter(&self) -> impl Iterator<Item = &Expiry> {
        self.runs.iter().flat_map(Run::iter)
    }
}

/// Ends in order, never empty; in chunks, so that growing copies little.
struct Run {
    chunks: VecDeque<Vec<Expiry>>,
    /// Taken from the first chunk already.
    taken: usize,
}

const CHUNK: usize = 1024;

impl Run {
    fn of(expiry: Expiry) -> Self {
        Run {
            chunks: VecDeque::from([vec![expiry]]),
            taken: 0,
        }
    }

    fn push(&mut self, expiry: Expiry) {
        match self.chunks.back_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(expiry),
            _ => self.chunks.push_back(vec![expiry]),
        }
    }

    fn first(&self) -> Expiry {
        self.chunks[0][self.taken]
    }

    fn last_ms(&self) -> u64 {
        let last = self.chunks.back().and_then(|chunk| chunk.last());
        last.expect("a run is never empty").expires_at_ms
    }

    /// True when it was the only one.
    fn drop_first(&mut self) -> bool {
        self.taken += 1;
        if self.taken == self.chunks[0].len() {
            self.chunks.pop_front();
            self.taken = 0;
        }
        self.chunks.is_empty()
    }

    fn iter(&self) -> impl Iterator<Item = &Expiry> {
        self.chunks.iter().flatten().skip(self.taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ends: &[u64]) -> Expiries {
        let mut expiries = Expiries::new(QueueNumber(0));
        let ends = (0..).zip(ends);
        ends.for_each(|(key, &end)| expiries.push(Expiry::new(key, end)));
        expiries
    }

    fn drained(mut expiries: Expiries) -> Vec<u64> {
        std::iter::from_fn(|| expiries.pop())
            .map(|expiry| expiry.expires_at_ms)
            .collect()
    }

    #[test]
    fn the_earliest_goes_first_whatever_the_windows_were() {
        let expiries = of(&[900, 10, 11, 905, 12, 5, 13]);
        assert_eq!((expiries.len(), expiries.first_ms()), (7, Some(5)));
        assert_eq!((expiries.due(11, 9), expiries.due(11, 2)), (3, 2));
        assert_eq!(drained(expiries), [5, 10, 11, 12, 13, 900, 905]);
    }

    #[test]
    fn runs_are_bounded_and_nothing_is_lost() {
        let ends: Vec<u64> = (1..=20).rev().collect();
        let expiries = of(&ends);
        assert_eq!(expiries.runs.len(), RUNS_MAX);
        let mut all = drained(expiries);
        all.sort_unstable();
        assert_eq!(all, (1..=20).collect::<Vec<_>>());
    }

    #[test]
    fn a_long_run_keeps_its_order() {
        let ends: Vec<u64> = (0..5000).collect();
        assert_eq!(drained(of(&ends)), ends);
    }
}
