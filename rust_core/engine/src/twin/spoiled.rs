//! Checkpoints in which one thing is not as it was taken: the restoration says which. Whatever else `hostile` draws, each of
//! these is refused by its own reason, so that none of the reasons is lost.

mod messages;
mod queues;

use std::iter::from_fn;

use super::{Twin, config, folded, message, nack, settings};
use crate::checkpoint::{
    Block, DedupIdImage, FlowImage, Head, Image, KeyImage, MessageImage, QueueImage, Restoration,
};
use crate::command::{Command, DedupKey, Nack, NewMessage};
use crate::config::Backoff;
use crate::ids::QueueNumber;
use crate::message::{Flag, NONE, Place};

const ORDERS: QueueNumber = QueueNumber(0);
const MAILS: QueueNumber = QueueNumber(1);
/// It has one message, delayed.
const LONE: QueueNumber = QueueNumber(2);
/// Deleted, with one message.
const GONE: QueueNumber = QueueNumber(3);
/// That nobody was given.
const NOBODY: QueueNumber = QueueNumber(90);

/// A checkpoint, to be spoiled.
struct Taken {
    head: Head,
    blocks: Vec<Block>,
}

/// A block's entries, of one kind.
macro_rules! entries {
    ($name:ident, $kind:ident, $entry:ty) => {
        fn $name(&mut self) -> &mut Vec<$entry> {
            let of = |block| match block {
                &mut Block {
                    image: Image::$kind(ref mut all),
                    ..
                } => Some(all),
                _ => None,
            };
            self.blocks.iter_mut().find_map(of).expect("such a block")
        }
    };
}

impl Taken {
    entries!(messages, Messages, MessageImage);
    entries!(keys, Keys, KeyImage);
    entries!(flows, Flows, FlowImage);
    entries!(ids, DedupIds, DedupIdImage);
    entries!(queues, Queues, (u64, QueueImage));

    /// Slots of a queue's messages in one place, as they are linked.
    fn list(&mut self, queue: QueueNumber, place: Place) -> Vec<u32> {
        let all = self.messages();
        let is_here = |slot: u32| {
            let one = &all[slot as usize];
            one.queue == queue && one.status & 7 == place as u8
        };
        let mut heads = (0..all.len() as u32).filter(|&slot| is_here(slot));
        let head = heads.find(|&slot| all[slot as usize].previous == NONE);
        let next = |&slot: &u32| Some(all[slot as usize].next).filter(|&next| next != NONE);
        std::iter::successors(head, next).collect()
    }

    fn at(&mut self, slot: u32) -> &mut MessageImage {
        &mut self.messages()[slot as usize]
    }

    fn first(&mut self, queue: QueueNumber, place: Place) -> &mut MessageImage {
        let slot = self.list(queue, place)[0];
        self.at(slot)
    }

    fn restored(self) -> Result<Vec<u8>, String> {
        let mut restoration = Restoration::new(self.head, settings());
        let mut blocks = self.blocks.into_iter();
        let restored = blocks
            .try_for_each(|block| restoration.add(block))
            .and_then(|()| restoration.finish());
        let restored = restored.map_err(|why| why.to_string())?;
        restored.assert_invariants();
        Ok(folded(&restored))
    }
}

/// Messages in every place, free entries of everything, and members that hold some.
fn taken() -> (Taken, Vec<u8>) {
    let mut twin = Twin::new();
    for name in ["orders", "mails", "lone", "gone"] {
        twin.create(name, config());
    }
    let plain = |delay_ms| NewMessage {
        delay_ms: Some(delay_ms),
        ..message()
    };
    let keyed = |hash, until_done| NewMessage {
        ordering_key: Some(hash),
        fairness_key: Some(hash),
        dedup: Some(DedupKey {
            hash: hash.into(),
            fingerprint: 1,
            until_done,
        }),
        ..message()
    };
    // Gone again, so that their entries are free.
    for hash in 11..20 {
        twin.enqueue("orders", keyed(hash, true));
    }
    for delivered in twin.receive("orders", 9) {
        twin.ask(super::ack(delivered.lease));
    }
    for _ in 0..4 {
        twin.enqueue("orders", plain(500));
        twin.enqueue("orders", message());
    }
    for queue in ["mails", "lone", "gone"] {
        twin.enqueue(queue, plain(500));
    }
    for hash in [5, 6] {
        twin.enqueue("orders", keyed(hash, false));
        let behind = NewMessage {
            dedup: None,
            ..keyed(hash, false)
        };
        twin.enqueue("orders", behind.clone());
        twin.enqueue("orders", behind);
    }
    twin.enqueue("mails", keyed(7, false));
    let own = [(Some(1), None), (None, Some(Backoff::DEFAULT))];
    for (max_retries, backoff) in own {
        let own = NewMessage {
            max_retries,
            backoff,
            ..plain(900)
        };
        twin.enqueue("mails", own);
    }
    for _ in 0..3 {
        twin.enqueue("mails", message());
    }
    for consumer in ["ann", "bob"] {
        twin.ask(Command::Heartbeat {
            queue: "mails".into(),
            group: "default".into(),
            consumer: consumer.into(),
            members_max: 9,
        });
    }
    let leases = twin.receive("mails", 9);
    // The last one comes first among the delayed, and lies in a later slot.
    twin.nack(leases[2].lease, Some(700));
    twin.nack(leases[1].lease, Some(700));
    twin.ask(Command::Nack(Nack {
        reject: true,
        ..nack(leases[0].lease)
    }));
    for _ in 0..2 {
        twin.enqueue("mails", message());
    }
    twin.receive("mails", 2);
    for _ in 0..2 {
        twin.enqueue("lone", message());
    }
    for delivered in twin.receive("lone", 2) {
        twin.ask(super::ack(delivered.lease));
    }
    twin.ask(Command::DeleteQueue {
        name: "gone".into(),
    });
    twin.live.begin_checkpoint();
    let blocks = from_fn(|| twin.live.next_block()).collect();
    let head = twin.live.end_checkpoint();
    (Taken { head, blocks }, folded(&twin.live))
}

type Change = fn(&mut Taken);

fn refusal(change: Change) -> String {
    let (mut taken, _) = taken();
    change(&mut taken);
    match taken.restored() {
        Err(why) => why,
        Ok(_) => panic!("nothing contradicts it"),
    }
}

fn assert_refused(says: &str, changes: &[Change]) {
    for (number, change) in changes.iter().enumerate() {
        let refusal = refusal(*change);
        assert!(refusal.contains(says), "change {number}: {refusal}");
    }
}

#[test]
fn as_it_was_taken_it_is_restored() {
    let (taken, state) = taken();
    assert!(taken.restored() == Ok(state));
}
