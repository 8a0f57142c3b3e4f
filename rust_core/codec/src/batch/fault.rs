//! Why a batch can't be trusted.

use super::{FORMAT_VERSION, FORMAT_VERSION_OLDEST};
use std::fmt;

/// What is wrong with a batch. Each kind has a reason that programs may compare; the text is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// These bytes are no batch at all.
    Magic {
        /// How they begin.
        found: [u8; 4],
    },
    /// A format this code does not know.
    Version {
        /// Its number.
        found: u16,
    },
    /// The batch ends early.
    Truncated {
        /// Bytes it should have at least.
        expected: u64,
        /// Bytes it has.
        found: u64,
    },
    /// The bytes are not those that were written.
    Hash,
    /// The batch does not follow the one before it.
    Chain {
        /// The batch's LSN.
        lsn: u64,
    },
    /// The batch does not lie where it belongs.
    Sequence {
        /// The LSN that belongs there.
        expected: u64,
        /// The batch's LSN.
        found: u64,
    },
    /// The hash is right, and the content makes no sense.
    Malformed(&'static str),
}

impl Fault {
    /// The kind, as programs compare it.
    pub fn reason(&self) -> &'static str {
        match self {
            Fault::Magic { .. } => "magic",
            Fault::Version { .. } => "version",
            Fault::Truncated { .. } => "truncated",
            Fault::Hash => "hash",
            Fault::Chain { .. } => "chain",
            Fault::Sequence { .. } => "sequence",
            Fault::Malformed(_) => "malformed",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Magic { found } => {
                let expected = super::MAGIC.escape_ascii();
                write!(
                    out,
                    "not a journal batch: it begins with \"{}\", not \"{expected}\"",
                    found.escape_ascii()
                )
            }
            Fault::Version { found } if *found > FORMAT_VERSION => write!(
                out,
                "the batch has format {found}, written by a newer server; this one reads formats up to {FORMAT_VERSION}"
            ),
            Fault::Version { found } => {
                write!(
                    out,
                    "the batch has format {found}, which never was; this server reads formats {FORMAT_VERSION_OLDEST} to {FORMAT_VERSION}"
                )
            }
            Fault::Truncated { expected, found } => {
                write!(
                    out,
                    "the batch ends early: {found} bytes of at least {expected}"
                )
            }
            Fault::Hash => write!(
                out,
                "the batch's bytes are not those that were written: its hash differs"
            ),
            Fault::Chain { lsn } => write!(
                out,
                "batch {lsn} does not follow the batch before it: it names another predecessor than the one read"
            ),
            Fault::Sequence { expected, found } => {
                write!(out, "batch {found} lies where batch {expected} belongs")
            }
            Fault::Malformed(what) => write!(out, "the batch's content makes no sense: {what}"),
        }
    }
}

impl std::error::Error for Fault {}

impl From<crate::varint::Malformed> for Fault {
    fn from(malformed: crate::varint::Malformed) -> Self {
        Fault::Malformed(malformed.0)
    }
}
