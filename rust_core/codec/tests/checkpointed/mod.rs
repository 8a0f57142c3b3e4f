//! One block of each kind, with every field set to something, and every choice made both ways.

use codec::checkpoint::{Entry, Manifest, encode_block};
use engine::checkpoint::*;
use engine::config::{Backoff, QueueConfig};
use engine::ids::{GroupNumber, Location, MessageId, PartitionNumber, QueueNumber};
use engine::record::{DeathReason, Followed, Lease, Paused};
use engine::reply::State;
use engine::sweep::*;

pub const LSN: u64 = 700;
const NOW_MS: u64 = 1_767_323_045_678;

fn id(number: u64) -> MessageId {
    MessageId {
        number,
        slot: number as u32 * 3,
    }
}

fn location(lsn: u64) -> Location {
    Location {
        lsn,
        offset: 100,
        length: 20,
    }
}

fn message(number: u64) -> MessageImage {
    MessageImage {
        number,
        envelope: location(number * 2),
        at_ms: NOW_MS + number,
        leased_until_ms: if number % 5 == 0 { NOW_MS + 30_000 } else { 0 },
        expires_at_ms: if number % 3 == 0 { NOW_MS * 2 } else { 0 },
        queue: QueueNumber(number as u32 / 4),
        key: if number % 2 == 0 { u32::MAX } else { 7 },
        flow: u32::MAX,
        next: number as u32 + 1,
        previous: number as u32 - 1,
        deliveries: 2,
        attempts: 1,
        priority: 200,
        status: 1,
    }
}

fn free(next: u32) -> MessageImage {
    MessageImage {
        number: 0,
        envelope: Location::default(),
        at_ms: 0,
        leased_until_ms: 0,
        expires_at_ms: 0,
        queue: QueueNumber(0),
        key: u32::MAX,
        flow: u32::MAX,
        next,
        previous: u32::MAX,
        deliveries: 0,
        attempts: 0,
        priority: 0,
        status: 0,
    }
}

fn failures() -> FailuresImage {
    FailuresImage {
        first_ms: NOW_MS,
        last_ms: NOW_MS + 5,
        error: location(9),
    }
}

fn death(reason: DeathReason, full: bool) -> DeathImage {
    DeathImage {
        reason,
        source_queue: "mails".into(),
        source_group: "default".into(),
        source_message: id(4),
        deliveries: 4,
        attempts: 3,
        failures: full.then(failures),
        died_at_ms: NOW_MS,
        ordering_key: full.then_some(u64::MAX - 5),
        redrives: 1,
        over: full,
    }
}

fn queue() -> QueueImage {
    QueueImage {
        name: "mails".into(),
        group: GroupNumber(1),
        group_name: "audit".into(),
        source: QueueNumber(0),
        groups: vec![QueueNumber(3)],
        config: QueueConfig {
            dead_letter_queue: Some("mails-dead".into()),
            messages_max: 5,
            ..QueueConfig::new(30_000, 3)
        },
        created_at_ms: NOW_MS,
        paused: Paused {
            enqueue: true,
            receive: false,
        },
        deleted: false,
        orphans: 2,
        dispatched: 1 << 90,
        ingressed: 3,
        lists: (5, 6),
        retired: vec![4],
        members: vec![MemberImage {
            name: "worker-1".into(),
            joined_at_ms: NOW_MS,
            list: 6,
            leases: vec![1, 5, 9],
        }],
        left: vec![vec![2, 3], vec![]],
        dedup_of: QueueNumber(0),
        dedup_runs: vec![(1, 2), (u32::MAX, u32::MAX)],
    }
}

fn sweep(ended: bool) -> SweepImage {
    let total = ended.then_some(1 << 40);
    SweepImage {
        view: SweepView {
            number: 1,
            queue: "mails".into(),
            plan: SweepPlan {
                action: SweepAction::Redrive {
                    destination: Some("again".into()),
                },
                filter: SweepFilter {
                    state: Some(State::Dead),
                    older_than_ms: Some(5),
                    ..SweepFilter::default()
                },
                ids: ended.then(|| vec![id(1), id(2)]),
                messages_max: 10,
                rate: Some(SweepRate {
                    messages: 5,
                    per_ms: 1000,
                }),
                dry_run: true,
            },
            total,
            tally: SweepTally {
                matched: 4,
                moved: 2,
                skipped: 1,
                failed: [0, 1, 0, 0],
            },
            created_at_ms: NOW_MS,
            ended: ended.then_some((SweepEnd::Cancelled, NOW_MS + 1)),
            sample: vec![id(3)],
        },
        queue: QueueNumber(2),
        numbered: 100,
        cursor: 50,
        next_at_ms: NOW_MS,
    }
}

fn backoff() -> Backoff {
    Backoff {
        initial_ms: 250,
        multiplier_permille: 1500,
        max_ms: u64::MAX,
        jitter_permille: 1000,
    }
}

fn arrays() -> Vec<Image> {
    let settled = |copy, acked| SettledImage {
        copy,
        delivery: 1,
        acked,
    };
    vec![
        Image::Messages(
            (1..20)
                .map(message)
                .chain([free(21), free(u32::MAX)])
                .collect(),
        ),
        Image::Keys(vec![KeyImage {
            queue: QueueNumber(1),
            hash: u64::MAX,
            list: 2,
            head: 3,
            waiting: (4, 5),
            next: u32::MAX,
            previous: 0,
        }]),
        Image::Flows(vec![FlowImage {
            queue: QueueNumber(1),
            hash: 77,
            messages: 9,
        }]),
        Image::DedupIds(vec![DedupIdImage {
            key: u128::MAX - 1,
            fingerprint: 5,
            expires_at_ms: u64::MAX,
            message: id(2),
            next: u32::MAX,
        }]),
        Image::Settled(vec![settled(1 << 48 | 5, true), settled(6, false)]),
    ]
}

/// See the module.
pub fn blocks() -> Vec<Block> {
    let followed = |number, duplicate| Followed {
        message: id(number),
        duplicate,
    };
    let maps = vec![
        Image::Followed(vec![(7, vec![followed(8, true), followed(9, false)])]),
        Image::Retries(vec![(0, 5), (1, 0), (1000, u32::MAX)]),
        Image::Failures(vec![(2, failures())]),
        Image::Deaths(vec![
            (1, death(DeathReason::Rejected, true)),
            (5, death(DeathReason::Expired, false)),
        ]),
        Image::Copies(vec![(
            u64::MAX,
            CopiesImage {
                first: 3,
                copies: vec![(QueueNumber(0), 3), (QueueNumber(1), u32::MAX)],
            },
        )]),
        Image::Results(vec![(
            3,
            ResultImage {
                slot: 4,
                queue: QueueNumber(1),
                group: GroupNumber(2),
                done_at_ms: NOW_MS,
                expires_at_ms: NOW_MS + 1,
                result: location(3),
            },
        )]),
        Image::Attempts(vec![(
            1,
            AttemptImage {
                key: 1 << 100,
                at_ms: NOW_MS,
                leases: vec![Lease {
                    message: id(5),
                    delivery: 2,
                }],
            },
        )]),
        Image::Queues(vec![(2, queue())]),
        Image::Sweeps(vec![(1, sweep(true)), (2, sweep(false))]),
        Image::Backoffs(vec![(1, Backoff::DEFAULT), (7, backoff())]),
    ];
    let images = arrays().into_iter().chain(maps);
    let block = |(index, image)| Block {
        index: index as u64 * 1000,
        image,
    };
    images.enumerate().map(block).collect()
}

/// A manifest that names all of them.
pub fn manifest() -> Manifest {
    let entry = |(at, block): (usize, Block)| {
        let (bytes, hash) = encode_block(&block, LSN);
        Entry {
            kind: block.image.kind(),
            index: block.index,
            sequence: at as u64 + 1,
            parts: 1,
            byte_count: bytes.len() as u64,
            hash,
        }
    };
    Manifest {
        head: Head {
            partition: PartitionNumber(0),
            lsn: LSN,
            epoch: 3,
            now_ms: NOW_MS,
            secret: std::array::from_fn(|at| at as u8),
            numbered: 500,
            arrays: [(21, 19), (1, u32::MAX), (1, u32::MAX), (1, u32::MAX)],
            settled: 2,
            attempts: 1,
            queues: 3,
            reaping: vec![QueueNumber(1)],
            sweeps: 2,
        },
        batch_hash: [7; 16],
        directory: blocks().into_iter().enumerate().map(entry).collect(),
    }
}
