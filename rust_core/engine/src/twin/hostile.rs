//! Checkpoints that nobody took: a number in one is another. A restoration says what contradicts what, or makes a state
//! of it; it never panics, and always ends.

use std::iter::from_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Twin, config, folded, message, receive, settings, with_dedup};
use crate::checkpoint::{Block, Head, Image, Restoration};
use crate::command::{Command, NewMessage};
use crate::ids::QueueNumber;
use crate::segmented::mix;

/// Draws from a seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(1);
        (mix(self.0) >> 20) as usize % end
    }

    fn number(&mut self) -> u32 {
        [0, 1, 2, 3, 5, 8, 13, 21, 1 << 30, u32::MAX - 1, u32::MAX][self.below(11)]
    }

    fn long(&mut self) -> u64 {
        match self.number() {
            u32::MAX => u64::MAX,
            number => number.into(),
        }
    }
}

/// A bit of everything.
pub(super) fn checkpoint() -> (Head, Vec<Block>) {
    let mut twin = Twin::new();
    twin.create("orders", config());
    twin.create("mails", config());
    twin.create_group("orders", "audit");
    for number in 0..12 {
        let keyed = NewMessage {
            ordering_key: Some(number % 2),
            fairness_key: Some(number % 3),
            delay_ms: (number % 5 == 4).then_some(1000),
            max_retries: (number % 4 == 0).then_some(0),
            backoff: (number % 6 == 1).then_some(crate::config::Backoff::DEFAULT),
            ..with_dedup(number.into(), 1)
        };
        twin.enqueue("orders", keyed);
        twin.enqueue("mails", message());
    }
    for lease in twin.receive("orders", 2).into_iter().map(|one| one.lease) {
        twin.nack(lease, Some(0));
    }
    let leases = twin.receive("mails", 4);
    twin.ask(super::ack(leases[0].lease));
    twin.nack(leases[1].lease, None);
    twin.receive_for("orders", "audit", 2);
    let heartbeat = |consumer: &str| Command::Heartbeat {
        queue: "orders".into(),
        group: "default".into(),
        consumer: consumer.into(),
        members_max: 9,
    };
    twin.step(vec![
        heartbeat("ann"),
        heartbeat("bob"),
        receive("orders", 1),
    ]);
    twin.live.begin_checkpoint();
    let blocks = from_fn(|| twin.live.next_block()).collect();
    (twin.live.end_checkpoint(), blocks)
}

fn spoil_head(head: &mut Head, draw: &mut Draw) {
    let value = draw.number();
    match draw.below(7) {
        0 => head.arrays[draw.below(4)].0 = value,
        1 => head.arrays[draw.below(4)].1 = value,
        2 => head.settled = draw.long(),
        3 => head.queues = value,
        4 => head.reaping = vec![QueueNumber(value); 2],
        5 => head.sweeps = draw.long(),
        _ => head.numbered = draw.long(),
    }
}

fn spoil(block: &mut Block, draw: &mut Draw) {
    let (value, long) = (draw.number(), draw.long());
    let field = draw.below(9);
    match &mut block.image {
        Image::Messages(all) => {
            let one = &mut all[draw.below(24)];
            match field {
                0 => one.number = long,
                1 => one.leased_until_ms = long,
                2 => one.expires_at_ms = long,
                3 => one.queue = QueueNumber(value),
                4 => one.key = value,
                5 => one.flow = value,
                6 => one.next = value,
                7 => one.previous = value,
                _ => one.status = value as u8,
            }
        }
        Image::Keys(all) => {
            let one = &mut all[0];
            match field {
                0..=1 => one.list = long,
                2 => one.queue = QueueNumber(value),
                3 => one.head = value,
                4 => one.waiting.0 = value,
                5 => one.waiting.1 = value,
                6 => one.next = value,
                _ => one.previous = value,
            }
        }
        Image::Flows(all) => match field {
            0..=4 => all[0].messages = value,
            _ => all[0].queue = QueueNumber(value),
        },
        Image::DedupIds(all) => {
            let one = &mut all[draw.below(9)];
            match field {
                0..=4 => one.next = value,
                5 => one.message.number = long,
                _ => one.expires_at_ms = long,
            }
        }
        Image::Queues(all) => {
            let at = draw.below(all.len());
            let (number, one) = &mut all[at];
            match field {
                0 => *number = long,
                1 => one.source = QueueNumber(value),
                2 => one.groups.push(QueueNumber(value)),
                3 => one.lists = (long, draw.long()),
                4 => one.retired.push(long),
                5 => one.members.iter_mut().for_each(|one| one.list = long),
                6 => one
                    .members
                    .iter_mut()
                    .for_each(|one| one.leases.push(value)),
                7 => one.dedup_runs.push((value, draw.number())),
                _ => one.deleted = !one.deleted,
            }
        }
        Image::Copies(all) => all[0].1.copies[0].1 = value,
        Image::Settled(all) => all[0].copy = long,
        _ => block.index = long,
    }
}

/// Whether there is a state, which can be looked at.
fn restore(head: Head, blocks: Vec<Block>) -> bool {
    let mut restoration = Restoration::new(head, settings());
    let restored = (blocks.into_iter())
        .try_for_each(|block| restoration.add(block))
        .and_then(|()| restoration.finish());
    restored.is_ok_and(|restored| !folded(&restored).is_empty())
}

#[test]
fn a_checkpoint_that_nobody_took_is_no_panic() {
    let (head, blocks) = checkpoint();
    assert!(restore(head.clone(), blocks.clone()), "as it was taken");
    let (mut panicked, mut refused) = (Vec::new(), 0);
    for seed in 0..6000 {
        let draw = &mut Draw(seed << 20);
        let (mut head, mut blocks) = (head.clone(), blocks.clone());
        let at = draw.below(blocks.len() + 1);
        match blocks.get_mut(at) {
            Some(block) => spoil(block, draw),
            None => spoil_head(&mut head, draw),
        }
        match catch_unwind(AssertUnwindSafe(|| restore(head, blocks))) {
            Ok(restored) => refused += u64::from(!restored),
            Err(_) => panicked.push((seed, at)),
        }
    }
    assert_eq!(panicked, []);
    assert!(refused > 1000, "{refused} of 6000 are refused");
}
