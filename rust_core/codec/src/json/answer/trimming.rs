//! What was found to be in the journal's way, with its bytes: the command that writes it again.

use super::batches::Batches;
use crate::batch::Fault;
use crate::blob::Blobs;
use crate::envelope;
use crate::json::request::{Ask, Request};
use crate::record::bound;
use engine::command::{Command, Move};
use engine::ids::Part;
use engine::reply::Trimming;

/// Of an envelope, when it was accepted comes with it.
pub fn moves(trimming: &Trimming, batches: &Batches<'_>) -> Result<Request, Fault> {
    let mut blobs = Blobs::default();
    let mut moves = Vec::with_capacity(trimming.found.len());
    for &survivor in &trimming.found {
        let (bytes, now_ms) = batches.blob(survivor.at)?;
        let owned = blobs.owned();
        if survivor.part == Part::Envelope {
            owned.extend(envelope::moved_head(bytes, now_ms));
        }
        owned.extend_from_slice(bytes);
        let blob = blobs.push(Default::default());
        moves.push(Move { survivor, blob });
    }
    Ok(Request {
        batch_bytes_max: moves.len() * bound::MOVED + blobs.bytes(),
        ask: Ask::Plain(Command::Move { moves }),
        blobs,
    })
}
