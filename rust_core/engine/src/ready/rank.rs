//! Which of several levels goes first.

use std::cmp::Reverse;

use crate::config::Scheduling;

/// The least goes first. Fair: ready time minus priority times aging. Strict: levels alone decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(i128, Reverse<u8>);

impl Rank {
    /// Of a level whose oldest message waits since then.
    pub fn of(scheduling: Scheduling, since_ms: u64, priority: u8) -> Rank {
        let waited = match scheduling {
            Scheduling::Fair { aging_ms } => {
                i128::from(since_ms) - i128::from(priority) * i128::from(aging_ms)
            }
            Scheduling::Strict => 0,
        };
        Rank(waited, Reverse(priority))
    }
}
