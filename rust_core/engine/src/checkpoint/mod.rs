//! Checkpoints: the whole state at one LSN, taken in blocks while steps go on, and written again only where it changed.

mod image;

pub use image::{
    AttemptImage, Block, CopiesImage, DeathImage, DedupIdImage, FailuresImage, FlowImage, Head,
    Image, KeyImage, MemberImage, MessageImage, QueueImage, ResultImage, SettledImage, SweepImage,
};
