//! Why a block or a manifest can't be trusted.

use super::{FORMAT_VERSION, FORMAT_VERSION_OLDEST};
use crate::varint::Malformed;
use std::fmt;

/// What is wrong. Each kind has a reason that programs may compare; the text is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// These bytes are no part of a checkpoint.
    Magic,
    /// A format this code does not know.
    Version {
        /// Its number.
        found: u16,
    },
    /// Too short to be one.
    Truncated,
    /// The bytes are not those that were written.
    Hash,
    /// The hash is right, and the content makes no sense.
    Malformed(&'static str),
}

impl Fault {
    /// The kind, as programs compare it.
    pub fn reason(&self) -> &'static str {
        match self {
            Fault::Magic => "magic",
            Fault::Version { .. } => "version",
            Fault::Truncated => "truncated",
            Fault::Hash => "hash",
            Fault::Malformed(_) => "malformed",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Magic => out.write_str("these bytes are no part of a checkpoint"),
            Fault::Version { found } if *found > FORMAT_VERSION => write!(
                out,
                "it has format {found}, written by a newer server; this one reads formats up to {FORMAT_VERSION}"
            ),
            Fault::Version { found } => write!(
                out,
                "it has format {found}, which never was; this server reads formats {FORMAT_VERSION_OLDEST} to {FORMAT_VERSION}"
            ),
            Fault::Truncated => out.write_str("it ends early"),
            Fault::Hash => {
                out.write_str("its bytes are not those that were written: its hash differs")
            }
            Fault::Malformed(what) => write!(out, "its content makes no sense: {what}"),
        }
    }
}

impl std::error::Error for Fault {}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Fault::Malformed(malformed.0)
    }
}
