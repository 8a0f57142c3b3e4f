//! What the server asks by itself to trim the journal.

use super::{Ask, Request};
use crate::blob::Blobs;
use crate::record::bound;
use engine::command::{Command, DropLost, Trim};

/// Of an error whose text the journal lost.
const LOST_TEXT: &[u8] = b"(this text was lost with the beginning of the journal)";

/// Where the journal may begin; see [`Trim`]. It records nothing.
pub fn trim(trim: Trim) -> Request {
    Request::plain(Command::Trim(trim), 0)
}

/// One part of what refers to batches before `before_lsn` goes; see [`DropLost`].
pub fn drop_lost(before_lsn: u64, from_slot: u32) -> Request {
    let mut blobs = Blobs::default();
    blobs.owned().extend_from_slice(LOST_TEXT);
    let text = blobs.push(Default::default());
    let drop = DropLost {
        before_lsn,
        from_slot,
        text,
    };
    let command = Command::DropLost(drop);
    Request {
        // Of what is looked at, something goes, or two texts of errors are replaced.
        batch_bytes_max: 2 * command.messages_max() * (bound::MOVED + LOST_TEXT.len()),
        ask: Ask::Plain(command),
        blobs,
    }
}
