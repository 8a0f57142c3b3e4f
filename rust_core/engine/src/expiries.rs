//! The dedup ids of one queue that are remembered for a time, in the order in which they end. They are accepted in order
//! of time, so with one window they end in that order; a window that is shortened begins another run, and the ends of
//! all runs are merged. The links are in the ids.

use crate::dedup::Ids;
use crate::ids::QueueNumber;
use crate::message::NONE;

/// Runs of one queue. Whoever changes a window more often while old entries last keeps some entries longer.
pub(crate) const RUNS_MAX: usize = 8;

/// First and last of those that end in order; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub head: u32,
    pub tail: u32,
}

/// See the module.
pub(crate) struct Expiries {
    /// The number the queue had when it was made: its ids are told from those of others by it for good.
    pub of: QueueNumber,
    pub runs: Vec<Run>,
    pub len: usize,
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

    /// The id at `place`, which is in no run yet.
    pub fn push(&mut self, ids: &mut Ids, place: u32) {
        self.len += 1;
        let expires_at_ms = ids[place].expires_at_ms;
        let fits = |run: &Run| ids[run.tail].expires_at_ms <= expires_at_ms;
        let run = match self.runs.iter().position(fits) {
            Some(run) => run,
            None if self.runs.len() < RUNS_MAX => {
                let (head, tail) = (place, place);
                return self.runs.push(Run { head, tail });
            }
            None => RUNS_MAX - 1,
        };
        let tail = std::mem::replace(&mut self.runs[run].tail, place);
        ids[tail].next = place;
    }

    /// The earliest end.
    pub fn first_ms(&self, ids: &Ids) -> Option<u64> {
        let firsts = self.runs.iter().map(|run| ids[run.head].expires_at_ms);
        firsts.min()
    }

    /// Takes out the id that ends first.
    pub fn pop(&mut self, ids: &mut Ids) -> Option<u32> {
        let runs = 0..self.runs.len();
        let run = runs.min_by_key(|&run| ids[self.runs[run].head].expires_at_ms)?;
        self.len -= 1;
        let Run { head, tail } = self.runs[run];
        if head == tail {
            self.runs.remove(run);
        } else {
            self.runs[run].head = ids[head].next;
        }
        ids[head].next = NONE;
        Some(head)
    }

    /// How many are over, counted up to `max`.
    pub fn due(&self, ids: &Ids, now_ms: u64, max: usize) -> usize {
        let due = |&place: &u32| ids[place].expires_at_ms <= now_ms;
        let runs = self.runs.iter();
        runs.flat_map(|run| run.iter(ids).take_while(due))
            .take(max)
            .count()
    }

    /// Run by run.
    pub fn iter<'a>(&'a self, ids: &'a Ids) -> impl Iterator<Item = u32> + 'a {
        self.runs.iter().flat_map(|run| run.iter(ids))
    }
}

impl Run {
    pub fn iter(self, ids: &Ids) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors(Some(self.head), move |&place| {
            (place != self.tail).then(|| ids[place].next)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::Id;

    fn of(ends: &[u64]) -> (Ids, Expiries) {
        let (mut ids, mut expiries) = (Ids::new(), Expiries::new(QueueNumber(0)));
        for &end in ends {
            let place = ids.add(Id::ending(end));
            expiries.push(&mut ids, place);
        }
        (ids, expiries)
    }

    fn drained((mut ids, mut expiries): (Ids, Expiries)) -> Vec<u64> {
        let next = || {
            let place = expiries.pop(&mut ids)?;
            Some(ids[place].expires_at_ms)
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn the_earliest_goes_first_whatever_the_windows_were() {
        let (ids, expiries) = of(&[900, 10, 11, 905, 12, 5, 13]);
        assert_eq!((expiries.len(), expiries.first_ms(&ids)), (7, Some(5)));
        let due = |max| expiries.due(&ids, 11, max);
        assert_eq!((due(9), due(2)), (3, 2));
        let all: Vec<u64> = expiries
            .iter(&ids)
            .map(|place| ids[place].expires_at_ms)
            .collect();
        assert_eq!(all, [900, 905, 10, 11, 12, 13, 5]);
        assert_eq!(drained((ids, expiries)), [5, 10, 11, 12, 13, 900, 905]);
    }

    #[test]
    fn runs_are_bounded_and_nothing_is_lost() {
        let ends: Vec<u64> = (1..=20).rev().collect();
        let (ids, expiries) = of(&ends);
        assert_eq!(expiries.runs.len(), RUNS_MAX);
        let mut all = drained((ids, expiries));
        all.sort_unstable();
        assert_eq!(all, (1..=20).collect::<Vec<_>>());
    }

    #[test]
    fn a_long_run_keeps_its_order() {
        let ends: Vec<u64> = (0..5000).collect();
        assert_eq!(drained(of(&ends)), ends);
    }
}
