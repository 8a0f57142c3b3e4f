//! Checkpoints: the whole state at one LSN, taken in blocks while steps go on, and written again only where it changed.

mod capture;
mod derive;
mod image;
mod kind;
mod load;
mod paged;
mod queues;
mod restore;
mod tracked;

pub use image::{
    AttemptImage, Block, CopiesImage, DeathImage, DedupIdImage, FailuresImage, FlowImage, Head,
    Image, KeyImage, MemberImage, MessageImage, QueueImage, ResultImage, SettledImage, SweepImage,
};

pub use kind::{Extent, Kind};
pub use restore::{Contradiction, Restoration};

pub(crate) use paged::Paged;
pub(crate) use queues::QueueMarks;
pub(crate) use restore::check;
pub(crate) use tracked::Tracked;
