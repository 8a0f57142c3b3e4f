//! What of the journal may go, and what is moved for it.

use super::Blob;
use crate::reply::Survivor;

/// See [`Command::Trim`](super::Command::Trim).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// The first batch that the journal has.
    pub first_lsn: u64,
    /// What the journal takes in all.
    pub journal_bytes: u64,
    /// Up to here no batch is needed for its records. 0: all are.
    pub horizon_lsn: u64,
    /// What was found is on its way still: it is not looked for anew.
    pub is_moving: bool,
}

/// See [`Command::DropLost`](super::Command::DropLost).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropLost {
    /// Earlier batches are lost.
    pub before_lsn: u64,
    /// Where the step before this one stopped; 0: the first one.
    pub from_slot: u32,
    /// What an error says whose text is lost.
    pub text: Blob,
}

/// See [`Command::Move`](super::Command::Move).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// What was found.
    pub survivor: Survivor,
    /// Its bytes; of an envelope that was not moved before, with when it was accepted.
    pub blob: Blob,
}
