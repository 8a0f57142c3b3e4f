//! The way back: a partition from a checkpoint's head and blocks. Whatever is in them, it ends with a state that holds
//! together, or with what contradicts what. Replay goes on at the batch after the head's.

use std::fmt;

use super::image::{
    Block, DedupIdImage, FlowImage, Head, Image, KeyImage, MessageImage, SettledImage,
};
use super::paged::BLOCK;
use super::{derive, load};
use crate::config::Settings;
use crate::dedup::Id;
use crate::flows::{Debt, Flow};
use crate::ids::{LSN_MAX, MESSAGE_NUMBER_MAX};
use crate::keys::Key;
use crate::list::List;
use crate::message::{Message, NONE, Place};
use crate::partition::Partition;
use crate::settled::{Ending, Entry, SETTLED_MAX};
use crate::state::{Cursor, State};

/// What of a checkpoint can't be: it was not written by a checkpoint of this format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction(pub(crate) String);

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Contradiction {}

/// Err, with what `says`, unless `holds`.
pub(crate) fn check(holds: bool, says: impl FnOnce() -> String) -> Result<(), Contradiction> {
    if holds {
        Ok(())
    } else {
        Err(Contradiction(says()))
    }
}

/// A partition that is being restored.
pub struct Restoration {
    head: Head,
    state: State,
}

impl Restoration {
    /// Begins with a head. `settings` are the owner's.
    pub fn new(head: Head, settings: Settings) -> Self {
        let mut state = State::new(settings);
        (state.lsn, state.epoch) = (head.lsn, head.epoch);
        state.secret = Some(head.secret);
        state.numbered = head.numbered;
        state.cursor = Cursor {
            lsn: head.lsn,
            now_ms: head.now_ms,
            offset: 0,
        };
        load::begin(&mut state, &head);
        Restoration { head, state }
    }

    /// Adds a block. Blocks of one kind come in ascending order, each once.
    pub fn add(&mut self, block: Block) -> Result<(), Contradiction> {
        let (index, state, arrays) = (block.index, &mut self.state, &self.head.arrays);
        match block.image {
            Image::Messages(images) => {
                let there = state.messages.slots.len();
                append(index, there, arrays[0].0, images.len())?;
                for image in &images {
                    state.messages.slots.push(message(image)?);
                }
            }
            Image::Keys(images) => {
                append(index, state.keys.keys.len(), arrays[1].0, images.len())?;
                let keys = images.iter().map(key);
                keys.for_each(|key| state.keys.keys.push(key));
            }
            Image::Flows(images) => {
                append(index, state.flows.flows.len(), arrays[2].0, images.len())?;
                let flows = images.iter().map(flow);
                flows.for_each(|flow| state.flows.flows.push(flow));
            }
            Image::DedupIds(images) => {
                let entries = &mut state.dedup.ids.entries;
                append(index, entries.len(), arrays[3].0, images.len())?;
                images.iter().map(dedup_id).for_each(|id| entries.push(id));
            }
            Image::Settled(images) => {
                let ring = &mut state.settled.ring;
                let len = self.head.settled.min(SETTLED_MAX as u64) as u32;
                append(index, ring.len(), len, images.len())?;
                images.iter().map(settled).for_each(|one| ring.push(one));
            }
            image => load::add(state, image)?,
        }
        Ok(())
    }

    /// The partition, with every block added.
    pub fn finish(mut self) -> Result<Partition, Contradiction> {
        let Head { lsn, numbered, .. } = self.head;
        check(lsn < LSN_MAX && numbered < MESSAGE_NUMBER_MAX, || {
            format!("nothing can follow batch {lsn} and message {numbered}")
        })?;
        derive::finish(&mut self.state, &self.head)?;
        Ok(Partition::restored(
            self.head.partition,
            self.state,
            self.head.now_ms,
        ))
    }
}

fn key(image: &KeyImage) -> Key {
    let (head, tail) = image.waiting;
    Key {
        queue: image.queue,
        hash: image.hash,
        list: image.list,
        head: image.head,
        waiting: List { head, tail },
        next: image.next,
        previous: image.previous,
    }
}

fn flow(image: &FlowImage) -> Flow {
    Flow {
        queue: image.queue,
        hash: image.hash,
        messages: image.messages,
        in_flight: 0,
        weight: 1,
        waits: false,
        debt: Debt::default(),
    }
}

fn dedup_id(image: &DedupIdImage) -> Id {
    let mut id = Id::new(
        image.key,
        image.fingerprint,
        image.expires_at_ms,
        image.message,
    );
    id.next = image.next;
    id
}

fn settled(image: &SettledImage) -> Entry {
    let ending = match image.acked {
        true => Ending::Acked,
        false => Ending::Nacked,
    };
    Entry {
        copy: image.copy,
        delivery: image.delivery,
        ending,
    }
}

/// A block of an array continues it.
fn append(index: u64, len: usize, all: u32, count: usize) -> Result<(), Contradiction> {
    let first = index.saturating_mul(BLOCK as u64);
    let left = u64::from(all).saturating_sub(first);
    let fits = first == len as u64 && count as u64 == left.min(BLOCK as u64);
    check(fits, || {
        format!("block {index} holds {count} entries after {len} of {all}")
    })
}

fn message(image: &MessageImage) -> Result<Message, Contradiction> {
    let holds =
        image.number <= MESSAGE_NUMBER_MAX && (image.number > 0) == (image.status & 0b111 != 0);
    check(holds && image.status & 0b111 <= 5, || {
        format!(
            "message {} has the status {:#x}",
            image.number, image.status
        )
    })?;
    check(image.envelope.can_be(), || {
        format!("message {} lies at {:?}", image.number, image.envelope)
    })?;
    let is_leased = image.status & 0b111 == Place::Leased as u8;
    check(is_leased == (image.leased_until_ms > 0), || {
        format!("a lease of message {} can't be", image.number)
    })?;
    if image.number == 0 {
        return Ok(Message::free(image.next));
    }
    let mut message = Message::new(image.number, image.queue, image.priority, image.envelope);
    message.restore(image.status, image.at_ms);
    if is_leased {
        message.lease(image.at_ms, image.leased_until_ms);
    }
    message.set_expiry(image.expires_at_ms);
    (message.key, message.flow) = (image.key, image.flow);
    (message.next, message.previous) = (image.next, image.previous);
    (message.deliveries, message.attempts) = (image.deliveries, image.attempts);
    Ok(message)
}

/// Whether each entry of a chain of free ones, which begins at `first`, is one that `is_free` says so of; the count of
/// them.
pub(super) fn free_entries(
    what: &str,
    first: u32,
    len: u32,
    next_free: impl Fn(u32) -> Option<u32>,
) -> Result<Vec<bool>, Contradiction> {
    let mut free = vec![false; len as usize];
    let mut place = first;
    while place != NONE {
        let next = (place < len && !free[place as usize]).then(|| next_free(place));
        let Some(Some(next)) = next else {
            return Err(Contradiction(format!(
                "{what} {place} is among the free ones"
            )));
        };
        free[place as usize] = true;
        place = next;
    }
    Ok(free)
}
