//! What was found to be in the journal's way, with its bytes: the command that writes it again; and what was taken away
//! because the journal lost it.

use super::Context;
use super::batches::Batches;
use super::message::{put_groups, state_name};
use super::write::Json;
use crate::batch::Fault;
use crate::blob::Blobs;
use crate::envelope;
use crate::json::request::{Ask, Request};
use crate::record::bound;
use engine::command::{Command, Move};
use engine::ids::Part;
use engine::reply::{Dropped, LostMessage, Trimming};

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

/// For whoever repairs a journal.
pub fn put_dropped(json: &mut Json, context: &Context, dropped: &Dropped) {
    json.object(|json| {
        json.name("messages");
        json.array(|json| {
            let messages = dropped.messages.iter();
            messages.for_each(|lost| put_lost(json, context, lost));
        });
        json.number("errors", dropped.errors);
        json.number("results", u64::from(dropped.results));
        if let Some(slot) = dropped.next_slot {
            json.number("nextSlot", u64::from(slot));
        }
    });
}

/// In the words of a message that is there.
fn put_lost(json: &mut Json, context: &Context, lost: &LostMessage) {
    json.object(|json| {
        json.id("id", context.partition, lost.message);
        json.text("queue", &lost.queue);
        json.plain("state", state_name(lost.state));
        put_groups(json, &lost.groups);
    });
}
