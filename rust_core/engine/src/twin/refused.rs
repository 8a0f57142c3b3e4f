//! Checkpoints in which one thing contradicts another: each is refused, and the refusal says what can't be.

use super::hostile::checkpoint;
use super::settings;
use crate::checkpoint::{
    Block, DedupIdImage, FlowImage, Head, Image, KeyImage, MessageImage, QueueImage, Restoration,
};
use crate::ids::QueueNumber;
use crate::message::{NONE, Place};

mod messages;
mod queues;

const NOWHERE: QueueNumber = QueueNumber(99);

/// A checkpoint whose arrays can be written to.
#[derive(Clone)]
struct Taken {
    head: Head,
    messages: Vec<MessageImage>,
    keys: Vec<KeyImage>,
    flows: Vec<FlowImage>,
    ids: Vec<DedupIdImage>,
    queues: Vec<(u64, QueueImage)>,
    others: Vec<Block>,
}

impl Taken {
    fn new() -> Taken {
        let (head, blocks) = checkpoint();
        let mut taken = Taken {
            head,
            messages: vec![],
            keys: vec![],
            flows: vec![],
            ids: vec![],
            queues: vec![],
            others: vec![],
        };
        for block in blocks {
            match block.image {
                Image::Messages(all) => taken.messages = all,
                Image::Keys(all) => taken.keys = all,
                Image::Flows(all) => taken.flows = all,
                Image::DedupIds(all) => taken.ids = all,
                Image::Queues(all) => taken.queues = all,
                _ => taken.others.push(block),
            }
        }
        taken
    }

    /// The first of this place in the order of slots.
    fn slot(&self, place: Place, queue: u32) -> usize {
        let is_it = |one: &MessageImage| {
            one.status & 0b111 == place as u8 && one.queue == QueueNumber(queue)
        };
        let slot = self.messages.iter().position(is_it);
        slot.expect("the checkpoint has such a message")
    }

    fn message(&mut self, place: Place, queue: u32) -> &mut MessageImage {
        let slot = self.slot(place, queue);
        &mut self.messages[slot]
    }

    /// The last ready one of a queue without keys; `message` is its first.
    fn last(&mut self, queue: u32) -> &mut MessageImage {
        let is_it = |one: &&mut MessageImage| {
            let is_ready = one.status & 0b111 == Place::Ready as u8;
            is_ready && one.queue == QueueNumber(queue) && one.next == NONE
        };
        self.messages.iter_mut().find(is_it).expect("a list ends")
    }

    /// Slots of a message of this place that has a next one, and of that.
    fn neighbours(&self, place: Place, queue: u32) -> (usize, usize) {
        let is_it = |slot: &usize| {
            let one = &self.messages[*slot];
            let is_here = one.status & 0b111 == place as u8 && one.queue == QueueNumber(queue);
            is_here && one.next != NONE
        };
        let slot = (0..self.messages.len()).find(is_it).expect("there are two");
        (slot, self.messages[slot].next as usize)
    }

    fn queue(&mut self, number: usize) -> &mut QueueImage {
        &mut self.queues[number].1
    }

    /// What is said against it, if anything is.
    fn refusal(self) -> Option<String> {
        let mut restoration = Restoration::new(self.head, settings());
        let blocks = [
            Image::Messages(self.messages),
            Image::Keys(self.keys),
            Image::Flows(self.flows),
            Image::DedupIds(self.ids),
            Image::Queues(self.queues),
        ];
        let blocks = blocks.into_iter().filter(|image| !image.is_empty());
        let blocks = blocks.map(|image| Block { index: 0, image });
        (blocks.chain(self.others))
            .try_for_each(|block| restoration.add(block))
            .and_then(|()| restoration.finish().map(|_| ()))
            .err()
            .map(|why| why.to_string())
    }
}

/// What is spoiled, and how.
type Spoil<'a> = (&'a str, fn(&mut Taken));

fn assert_refused(says: &str, spoils: &[Spoil<'_>]) {
    let taken = Taken::new();
    assert_eq!(taken.clone().refusal(), None, "as it was taken");
    for (what, spoil) in spoils {
        let mut spoiled = taken.clone();
        spoil(&mut spoiled);
        let why = spoiled.refusal();
        let is_said = why.as_ref().is_some_and(|why| why.contains(says));
        assert!(is_said, "{what}: {why:?}");
    }
}

const ORDERS: u32 = 0;
const MAILS: u32 = 1;
