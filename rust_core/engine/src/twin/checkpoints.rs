//! Checkpoints of a twin: what was taken is kept as a server keeps it, the last block of each kind and index. Whenever
//! one ends, a partition restored from it must hold the state that the live one had when it began, and go on as a
//! replica from there.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{SECOND, Twin, config, folded, message, receive, settings, with_dedup};
use crate::checkpoint::{Block, Head, Kind, Restoration};
use crate::command::{Command, Complete, FollowUp, NewMessage};
use crate::config::QueueConfig;
use crate::ids::PartitionNumber;
use crate::partition::{Partition, Step};
use crate::record::Paused;
use crate::reply::{Accepted, Reply};

/// What to do about checkpoints.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CheckpointMove {
    /// Begin one, unless one is under way.
    Begin,
    /// Take so many blocks.
    Take(usize),
    /// Take the rest, and end it.
    End,
    /// Give it up.
    Abandon,
    /// End it, and have it come to nothing after all.
    Lose,
    /// Trim the journal, as if the last one were of so many batches ago.
    Trim(u64),
    /// The journal lost its beginning, up to so many batches ago, and that is accepted.
    Lost(u64),
}

pub(super) fn any_move() -> impl Strategy<Value = CheckpointMove> {
    prop_oneof![
        6 => Just(CheckpointMove::Begin),
        6 => (0_usize..4).prop_map(CheckpointMove::Take),
        6 => Just(CheckpointMove::End),
        1 => Just(CheckpointMove::Abandon),
        1 => Just(CheckpointMove::Lose),
        6 => (0_u64..5).prop_map(CheckpointMove::Trim),
        1 => (0_u64..9).prop_map(CheckpointMove::Lost),
    ]
}

/// See the module.
#[derive(Default)]
pub(super) struct Checkpoints {
    /// One is taken after each step.
    pub each_step: bool,
    /// Of checkpoints that ended, and of the one under way.
    kept: BTreeMap<(Kind, u64), Block>,
    taken: Vec<Block>,
    /// The fold when the one under way began.
    begun: Option<Vec<u8>>,
    /// How many blocks it was to have.
    blocks: usize,
    /// Steps since then.
    since: Vec<(Step, u64)>,
    /// Restored from the last one that ended.
    restored: Option<Partition>,
}

impl Checkpoints {
    /// A takeover, by what was restored if there is any: it knows which blocks are kept. Whoever replayed all of it
    /// knows of none.
    pub fn take_over(&mut self) -> Option<Partition> {
        let restored = self.restored.take();
        self.begun = None;
        if restored.is_none() {
            self.kept.clear();
        }
        restored
    }

    /// What was restored replays what was decided since.
    pub fn replay(&mut self, step: &Step, now_ms: u64, live: &Partition) {
        if step.records.is_empty() {
            return;
        }
        if self.begun.is_some() {
            self.since.push((step.clone(), now_ms));
        }
        if let Some(restored) = &mut self.restored {
            go_on(restored, step, now_ms);
            assert!(
                folded(restored) == folded(live),
                "a restored one differs after {:?}",
                step.records
            );
        }
    }

    pub fn make(&mut self, next: CheckpointMove, live: &mut Partition) {
        match next {
            CheckpointMove::Begin => {
                let blocks = changed_blocks(live);
                if live.begin_checkpoint().is_some() {
                    self.begun = Some(folded(live));
                    self.blocks = blocks;
                    self.taken.clear();
                    self.since.clear();
                }
            }
            CheckpointMove::Trim(_) | CheckpointMove::Lost(_) => {
                unreachable!("the twin's journal is trimmed, and lost, by itself")
            }
            _ if self.begun.is_none() => {}
            CheckpointMove::Take(count) => (0..count).for_each(|_| {
                self.taken.extend(live.next_block());
            }),
            CheckpointMove::Abandon => {
                live.abandon_checkpoint();
                self.begun = None;
            }
            CheckpointMove::Lose => {
                while live.next_block().is_some() {}
                live.end_checkpoint();
                live.abandon_checkpoint();
                self.begun = None;
            }
            CheckpointMove::End => {
                self.taken.extend(std::iter::from_fn(|| live.next_block()));
                let head = live.end_checkpoint();
                assert_eq!(self.taken.len(), self.blocks, "blocks that changed");
                for block in self.taken.drain(..) {
                    self.kept.insert((block.image.kind(), block.index), block);
                }
                self.kept.retain(|_, block| !block.image.is_empty());
                let mut restored = restored(head, self.kept.values().cloned());
                assert!(
                    Some(folded(&restored)) == self.begun.take(),
                    "a restored state differs"
                );
                restored.assert_invariants();
                for (step, now_ms) in self.since.drain(..) {
                    go_on(&mut restored, &step, now_ms);
                }
                assert!(folded(&restored) == folded(live), "a restored one differs");
                self.restored = Some(restored);
            }
        }
    }
}

fn go_on(restored: &mut Partition, step: &Step, now_ms: u64) {
    restored.replay(step.lsn, now_ms, &step.records);
    restored.assert_invariants();
}

fn restored(head: Head, blocks: impl Iterator<Item = Block>) -> Partition {
    let mut restoration = Restoration::new(head, settings());
    blocks.for_each(|block| restoration.add(block).expect("a block of this checkpoint"));
    let mut restored = restoration.finish().expect("a whole checkpoint");
    assert_eq!(changed_blocks(&mut restored), 0, "it is as written");
    let state = restored.state();
    let holds = |queue| state.queues.get(queue).members.left().next().is_some();
    assert!(state.returning.iter().all(|&queue| holds(queue)));
    restored
}

#[test]
fn a_checkpoint_is_of_the_instant_of_its_batch() {
    let mut twin = Twin::new();
    let founded_ms = twin.now_ms;
    // Steps that record nothing are not in the journal: a new owner's clock may be behind theirs.
    twin.wait(1000).step(Vec::new());
    for mut partition in [twin.live, twin.replica] {
        partition.begin_checkpoint();
        let blocks: Vec<Block> = std::iter::from_fn(|| partition.next_block()).collect();
        let mut restored = restored(partition.end_checkpoint(), blocks.into_iter());
        assert_eq!(restored.now_ms(), founded_ms);
        restored.fence(founded_ms, [7; 32]);
    }
}

/// A partition that has something of every kind.
fn of_every_kind() -> Twin {
    let mut twin = super::sweeps::letters(1);
    let config = QueueConfig {
        result_retention_ms: 60 * SECOND,
        ..config()
    };
    twin.create("every", config);
    twin.create_group("every", "other");
    let [failed, completed] = [1, 2].map(|hash| NewMessage {
        ordering_key: Some(hash),
        fairness_key: Some(hash),
        max_retries: Some(9),
        backoff: Some(super::config().backoff),
        ..with_dedup(hash.into(), 0)
    });
    twin.enqueue("every", failed);
    twin.enqueue("every", completed);
    let mut attempt = receive("every", 2);
    if let Command::Receive { attempt, .. } = &mut attempt {
        *attempt = Some(1);
    }
    let Reply::Received { messages, .. } = twin.ask(attempt) else {
        panic!("not received")
    };
    twin.nack(messages[0].lease, None);
    let follow_up = FollowUp {
        queue: "q".into(),
        message: message(),
    };
    twin.ask(Command::Complete(Box::new(Complete {
        lease: messages[1].lease,
        result: Some(message().blob),
        enqueue: vec![follow_up],
    })));
    let other = twin.receive_for("every", "other", 1).remove(0);
    twin.ask(super::ack(other.lease));
    twin.start_sweep("q", super::sweeps::redrive());
    twin
}

fn changed_blocks(live: &mut Partition) -> usize {
    let extents = live.extents().into_iter();
    extents.map(|extent| extent.changed_blocks).sum()
}

#[test]
fn a_block_of_any_kind_comes_again_when_it_was_lost() {
    let mut twin = of_every_kind();
    twin.checkpoint(CheckpointMove::Begin);
    twin.checkpoint(CheckpointMove::End);
    let places: Vec<(Kind, u64)> = twin.checkpoints.kept.keys().copied().collect();
    let kinds: BTreeSet<Kind> = places.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, BTreeSet::from(Kind::ALL));
    for extent in twin.live.extents() {
        assert_eq!((extent.changed_blocks, extent.changed), (0, 0));
        assert!(extent.all > 0, "{:?}", extent.kind);
    }
    for &(kind, index) in &places {
        twin.live.rewrite_block(kind, index);
    }
    for extent in twin.live.extents() {
        let kept = places.iter().filter(|(kind, _)| *kind == extent.kind);
        let of_all = (kept.count(), extent.all);
        assert_eq!((extent.changed_blocks, extent.changed), of_all);
    }
    twin.checkpoints.kept.clear();
    twin.checkpoint(CheckpointMove::Begin);
    twin.checkpoint(CheckpointMove::End);
    assert!(twin.checkpoints.kept.keys().eq(&places));
}

#[test]
fn extents_count_each_queue_and_each_sweep() {
    let mut twin = Twin::new();
    twin.create("q", config());
    twin.create("other", config());
    (0..2).for_each(|_| _ = twin.start_sweep("q", super::sweeps::redrive()));
    let extents = twin.live.extents().into_iter();
    let few = [Kind::Queues, Kind::Sweeps];
    let few = extents.filter(|extent| few.contains(&extent.kind));
    assert_eq!(few.map(|extent| extent.all).collect::<Vec<_>>(), [2, 2]);
}

#[test]
fn a_block_that_repeats_another_is_refused_whatever_its_kind() {
    let mut twin = of_every_kind();
    twin.live.begin_checkpoint();
    let blocks: Vec<Block> = std::iter::from_fn(|| twin.live.next_block()).collect();
    let head = twin.live.end_checkpoint();
    for (at, repeated) in blocks.iter().enumerate() {
        let mut restoration = Restoration::new(head.clone(), settings());
        for block in &blocks[..=at] {
            restoration.add(block.clone()).expect("a block of it");
        }
        let kind = repeated.image.kind();
        let refused = restoration.add(repeated.clone());
        let why = refused.map_err(|why| why.to_string());
        assert!(why.is_err_and(|why| !why.is_empty()), "{kind:?}");
    }
}

#[test]
fn all_that_changed_comes_again_when_a_checkpoint_comes_to_nothing() {
    for ends in [CheckpointMove::Abandon, CheckpointMove::Lose] {
        let mut twin = of_every_kind();
        let changed = changed_blocks(&mut twin.live);
        assert!(changed >= Kind::ALL.len());
        twin.checkpoint(CheckpointMove::Begin);
        assert_eq!(twin.live.begin_checkpoint(), None, "one is under way");
        twin.checkpoint(ends);
        assert_eq!(changed_blocks(&mut twin.live), changed);
        twin.checkpoint(CheckpointMove::Begin);
        twin.checkpoint(CheckpointMove::End);
        assert_eq!(twin.checkpoints.kept.len(), changed);
    }
    let mut empty = Partition::new(PartitionNumber(0), settings());
    assert_eq!(empty.begin_checkpoint(), None, "nothing was journaled");
}

#[test]
fn whoever_takes_over_from_a_checkpoint_tells_a_repeated_ack_what_it_did() {
    let mut twin = Twin::new();
    twin.create("q", config());
    twin.enqueue("q", message());
    let ack = Complete {
        lease: twin.receive("q", 1)[0].lease,
        result: None,
        enqueue: vec![FollowUp {
            queue: "q".into(),
            message: message(),
        }],
    };
    let ack = Command::Complete(Box::new(ack));
    let Reply::Completed { already, enqueued } = twin.ask(ack.clone()) else {
        panic!("not acked")
    };
    assert!(!already);
    twin.checkpoint(CheckpointMove::Begin);
    twin.checkpoint(CheckpointMove::End);
    twin.fence();
    let Reply::Completed {
        already,
        enqueued: told,
    } = twin.ask(ack)
    else {
        panic!("not told")
    };
    let messages = |all: &[Accepted]| all.iter().map(|one| one.message).collect::<Vec<_>>();
    assert_eq!((already, messages(&told)), (true, messages(&enqueued)));
}

#[test]
fn leases_of_every_block_are_taken_as_they_were_when_it_began() {
    let mut twin = Twin::new();
    twin.create("q", config());
    // The replica is not fed: comparing takes long with so many.
    let (mut partition, now_ms) = (twin.live, twin.now_ms);
    let count = 2 * 8192 + 9;
    let enqueue = Command::Enqueue {
        queue: "q".into(),
        messages: vec![message(); count],
        atomic: true,
    };
    let commands = vec![enqueue, receive("q", count as u32)];
    let mut replies = partition.step(now_ms, commands).replies;
    let Some(Reply::Received { messages, .. }) = replies.pop() else {
        panic!("not received")
    };
    let last = |ms: u64| {
        let leases = (ms..).zip(&messages);
        let extends = leases.map(|(ms, one)| super::extend(one.lease, ms));
        extends.collect()
    };
    partition.step(now_ms, last(60 * SECOND));
    let began = folded(&partition);
    partition.begin_checkpoint();
    let mut blocks: Vec<Block> = partition.next_block().into_iter().collect();
    partition.step(now_ms, last(90 * SECOND));
    blocks.extend(std::iter::from_fn(|| partition.next_block()));
    let restored = restored(partition.end_checkpoint(), blocks.into_iter());
    assert!(folded(&restored) == began);
}

#[test]
fn queues_of_every_block_are_taken_as_they_were_when_it_began() {
    let mut twin = Twin::new();
    let create = |number: u32| Command::CreateQueue {
        name: number.to_string().into(),
        config: config().into(),
    };
    twin.step((0..150).map(create).collect());
    let pause = |number: u32| Command::PauseQueue {
        name: number.to_string().into(),
        what: Paused {
            enqueue: true,
            receive: false,
        },
    };
    let blocks = changed_blocks(&mut twin.live);
    for (numbers, end) in [
        ([3, 70, 140], CheckpointMove::Abandon),
        ([4, 71, 141], CheckpointMove::End),
    ] {
        twin.checkpoint(CheckpointMove::Begin);
        twin.checkpoint(CheckpointMove::Take(1));
        twin.step(numbers.map(pause).into());
        twin.checkpoint(end);
        assert_eq!(changed_blocks(&mut twin.live), blocks);
    }
    let kept = twin.checkpoints.kept.values();
    assert_eq!(
        kept.filter(|one| one.image.kind() == Kind::Queues).count(),
        3
    );
}
