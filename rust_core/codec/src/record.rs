//! The bytes of a record: one tag, then its fields in the order of declaration; numbers are varints, hashes
//! are fixed, texts carry their length.
//!
//! Tags are never reused. A new variant, or a new field, is a format change: see `batch::FORMAT_VERSION`.

pub mod bound;
mod complete;
mod config;
mod decode;
mod encode;
mod enqueued;
mod group;
mod lost;
mod manage;
mod moved;
mod sweep;

pub use decode::decode;
pub use encode::encode;

// Parts of records that checkpoints keep as well: a change to one changes both formats.
pub(crate) use config::{backoff as read_backoff, put_backoff as write_backoff};
pub(crate) use config::{decode as read_config, encode as write_config};
pub(crate) use decode::{message as read_message, reason as read_death_reason};
pub(crate) use encode::{put_message as write_message, reason_code as write_death_reason};
pub(crate) use sweep::view::{decode as read_sweep_view, encode as write_sweep_view};

/// Every record's tag.
mod tag {
    pub const FOUNDED: u8 = 1;
    pub const FENCED: u8 = 2;
    pub const QUEUE_CREATED: u8 = 3;
    pub const QUEUE_UPDATED: u8 = 4;
    pub const QUEUE_DELETED: u8 = 5;
    pub const REAPED: u8 = 6;
    pub const ENQUEUED: u8 = 7;
    pub const DUE: u8 = 8;
    pub const LEASED: u8 = 9;
    pub const ACKED: u8 = 10;
    pub const RETRIED: u8 = 11;
    pub const EXTENDED: u8 = 12;
    pub const RELEASED: u8 = 13;
    pub const DIED: u8 = 14;
    pub const DEAD_LETTERED: u8 = 15;
    pub const FORGOTTEN: u8 = 16;
    pub const QUEUE_PAUSED: u8 = 17;
    pub const QUEUE_PURGED: u8 = 18;
    pub const CHANGED: u8 = 19;
    pub const DELETED: u8 = 20;
    pub const POSTPONED: u8 = 24;
    pub const COMPLETED: u8 = 25;
    pub const RESULTS_FORGOTTEN: u8 = 27;
    pub const FOLLOWED_UP: u8 = 29;
    pub const RESULTS_EVICTED: u8 = 30;
    pub const SWEEP_STARTED: u8 = 40;
    pub const SWEEP_ADVANCED: u8 = 41;
    pub const SWEEP_ENDED: u8 = 42;
    pub const REDRIVEN: u8 = 43;
    pub const SWEEP_FORGOTTEN: u8 = 44;
    pub const RETIRED: u8 = 21;
    pub const LEASED_BY_ATTEMPT: u8 = 28;
    pub const GROUP_CREATED: u8 = 32;
    pub const MEMBER_JOINED: u8 = 33;
    pub const MEMBER_LEFT: u8 = 34;
    pub const REASSIGNED: u8 = 35;
    pub const RETURNED: u8 = 36;
    pub const MOVED: u8 = 50;
    pub const LOST: u8 = 51;
}
