//! What is told of a message that failed and lives on.

use crate::ids::Location;

/// A message's failed attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    /// When the first one failed, an instant.
    pub first_ms: u64,
    /// When the last one failed, an instant.
    pub last_ms: u64,
    /// The last error that had a text; `lsn` 0 when none had.
    pub error: Location,
}
