//! Random commands and clocks: the replica agrees, the invariants hold, the ledger balances.

use proptest::prelude::*;

use super::any::{QUEUES, any_config, any_message, any_patch};
use super::checkpoints::{self, CheckpointMove};
use super::completes::{self, CompleteMove};
use super::ledger::Ledger;
use super::lost::lose;
use super::sweeps::{self, SweepMove};
use super::trim::trim;
use super::{Twin, config, nack, peek};
use crate::command::{
    Ack, Blob, Command, ConfigPatch, Extend, GiveBack, Nack, NewMessage, PeekState, Release,
};
use crate::config::QueueConfig;
use crate::ids::LeaseId;
use crate::record::Paused;

/// The first is nobody.
const CONSUMERS: [&str; 5] = ["", "a", "b", "c", "d"];
const GROUPS: [&str; 3] = ["default", "audit", "search"];

/// What to do next. `which` picks among the leases or messages there have been, from the latest back.
#[derive(Clone, Debug)]
enum Move {
    Create {
        queue: usize,
        config: QueueConfig,
    },
    Update {
        queue: usize,
        patch: ConfigPatch,
    },
    Pause {
        queue: usize,
        what: Paused,
        resume: bool,
    },
    Purge {
        queue: usize,
    },
    Delete {
        queue: usize,
    },
    CreateGroup {
        queue: usize,
        group: usize,
    },
    DeleteGroup {
        queue: usize,
        group: usize,
    },
    Enqueue {
        queue: usize,
        messages: Vec<NewMessage>,
        atomic: bool,
    },
    Member {
        queue: usize,
        group: usize,
        consumer: usize,
        what: u8,
    },
    Receive {
        queue: usize,
        group: usize,
        consumer: usize,
        messages_max: u32,
        visibility_timeout_ms: Option<u64>,
        attempt: Option<u128>,
    },
    Ack {
        which: usize,
    },
    Nack {
        which: usize,
        delay_ms: Option<u64>,
        priority: Option<u8>,
        error: bool,
        reject: bool,
    },
    Extend {
        which: usize,
        visibility_timeout_ms: Option<u64>,
    },
    Settle {
        queue: usize,
        which: usize,
    },
    GiveBack {
        which: usize,
    },
    Release {
        which: usize,
        delay_ms: Option<u64>,
    },
    Change {
        which: usize,
        delay_ms: Option<u64>,
        priority: Option<u8>,
    },
    Cancel {
        which: usize,
    },
    Look {
        queue: usize,
        which: usize,
    },
    Complete(CompleteMove),
    Sweep(SweepMove),
    Checkpoint(CheckpointMove),
    Fence,
}

fn any_move() -> impl Strategy<Value = Move> {
    let queue = || 0..QUEUES.len();
    let group = || prop_oneof![2 => Just(0), 1 => 1..GROUPS.len()];
    let which = || 0_usize..6;
    let timeout = || prop::option::of(1_u64..120);
    prop_oneof![
        2 => (queue(), any_config()).prop_map(|(queue, config)| Move::Create { queue, config }),
        1 => (queue(), any_patch()).prop_map(|(queue, patch)| Move::Update { queue, patch }),
        2 => (queue(), any::<[bool; 2]>(), prop::bool::weighted(0.7)).prop_map(|(queue, [enqueue, receive], resume)| {
            Move::Pause { queue, what: Paused { enqueue, receive }, resume }
        }),
        1 => queue().prop_map(|queue| Move::Purge { queue }),
        1 => queue().prop_map(|queue| Move::Delete { queue }),
        8 => (queue(), prop::collection::vec(any_message(), 1..5), any::<bool>())
            .prop_map(|(queue, messages, atomic)| Move::Enqueue { queue, messages, atomic }),
        2 => (queue(), group()).prop_map(|(queue, group)| Move::CreateGroup { queue, group }),
        1 => (queue(), group()).prop_map(|(queue, group)| Move::DeleteGroup { queue, group }),
        2 => (queue(), group(), 1..CONSUMERS.len(), 0_u8..4)
            .prop_map(|(queue, group, consumer, what)| Move::Member { queue, group, consumer, what }),
        10 => (queue(), group(), 0..CONSUMERS.len(), 1_u32..5, timeout(), prop::option::of(0_u128..3))
            .prop_map(|(queue, group, consumer, messages_max, visibility_timeout_ms, attempt)| {
                Move::Receive { queue, group, consumer, messages_max, visibility_timeout_ms, attempt }
            }),
        4 => which().prop_map(|which| Move::Ack { which }),
        5 => (which(), prop::option::of(0_u64..50), prop::option::of(any::<u8>()), any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(which, delay_ms, priority, error, reject)| Move::Nack { which, delay_ms, priority, error, reject }),
        2 => (which(), timeout()).prop_map(|(which, visibility_timeout_ms)| Move::Extend { which, visibility_timeout_ms }),
        1 => (queue(), which()).prop_map(|(queue, which)| Move::Settle { queue, which }),
        2 => which().prop_map(|which| Move::GiveBack { which }),
        2 => (which(), prop::option::of(0_u64..50)).prop_map(|(which, delay_ms)| Move::Release { which, delay_ms }),
        4 => (which(), prop::option::of(0_u64..60), prop::option::of(any::<u8>()))
            .prop_map(|(which, delay_ms, priority)| Move::Change { which, delay_ms, priority }),
        1 => which().prop_map(|which| Move::Cancel { which }),
        2 => (queue(), which()).prop_map(|(queue, which)| Move::Look { queue, which }),
        4 => completes::any_move().prop_map(Move::Complete),
        8 => sweeps::any_move(QUEUES.len()).prop_map(Move::Sweep),
        3 => checkpoints::any_move().prop_map(Move::Checkpoint),
        1 => Just(Move::Fence),
    ]
}

fn command(ledger: &Ledger, next: Move) -> Option<Command> {
    let lease = |which: usize| ledger.leases.iter().rev().nth(which).copied();
    let name = |queue: usize| QUEUES[queue].into();
    Some(match next {
        Move::Create { queue, config } => Command::CreateQueue {
            name: name(queue),
            config: config.into(),
        },
        Move::Update { queue, patch } => Command::UpdateQueue {
            name: name(queue),
            patch: patch.into(),
        },
        Move::Delete { queue } => Command::DeleteQueue { name: name(queue) },
        Move::Enqueue {
            queue,
            messages,
            atomic,
        } => Command::Enqueue {
            queue: name(queue),
            messages,
            atomic,
        },
        Move::Receive {
            queue,
            group,
            consumer,
            messages_max,
            visibility_timeout_ms,
            attempt,
        } => {
            let consumer = CONSUMERS[consumer].into();
            let group = GROUPS[group].into();
            Command::Receive {
                queue: name(queue),
                group,
                consumer,
                members_max: 3,
                wait_ms: 20,
                messages_max,
                visibility_timeout_ms,
                answer_bytes_max: 100,
                attempt,
            }
        }
        Move::Ack { which } => Command::Ack(Ack {
            lease: lease(which)?,
        }),
        Move::Complete(next) => completes::command(ledger, next)?,
        Move::Nack {
            which,
            delay_ms,
            priority,
            error,
            reject,
        } => {
            let error = error.then_some(Blob {
                index: 99,
                length: 9,
            });
            Command::Nack(Nack {
                lease: lease(which)?,
                delay_ms,
                priority,
                error,
                reject,
            })
        }
        Move::Extend {
            which,
            visibility_timeout_ms,
        } => Command::Extend(Extend {
            lease: lease(which)?,
            visibility_timeout_ms,
        }),
        Move::Settle { queue, which } => settle(name(queue), lease(which)?, lease(which + 1)?),
        Move::GiveBack { which } => Command::GiveBack {
            leases: [lease(which)?]
                .into_iter()
                .chain(lease(which + 1))
                .map(|lease| GiveBack {
                    lease,
                    ready_since_ms: 1_700_000_000_000 + which as u64 * 100,
                    told: u32::MAX,
                })
                .collect(),
        },
        Move::Release { which, delay_ms } => Command::Release(Release {
            lease: lease(which)?,
            delay_ms,
        }),
        Move::Look { queue, which } => look(ledger, queue, which)?,
        other => return about_group(&other).or_else(|| manage(ledger, other)),
    })
}

fn about_group(next: &Move) -> Option<Command> {
    let name = |queue: usize| QUEUES[queue].into();
    Some(match *next {
        Move::Member {
            queue,
            group,
            consumer,
            what,
        } => about_member(
            name(queue),
            GROUPS[group].into(),
            CONSUMERS[consumer].into(),
            what,
        ),
        Move::CreateGroup { queue, group } => Command::CreateGroup {
            queue: name(queue),
            group: GROUPS[group].into(),
            groups_max: 2,
        },
        Move::DeleteGroup { queue, group } => Command::DeleteGroup {
            queue: name(queue),
            group: GROUPS[group].into(),
        },
        _ => return None,
    })
}

fn about_member(queue: Box<str>, group: Box<str>, consumer: Box<str>, what: u8) -> Command {
    match what {
        0 => Command::Heartbeat {
            queue,
            group,
            consumer,
            members_max: 3,
        },
        1 => Command::Seen {
            queue,
            group,
            consumer,
        },
        2 => Command::GetGroup { queue, group },
        _ => Command::Leave {
            queue,
            group,
            consumer,
        },
    }
}

fn look(ledger: &Ledger, queue: usize, which: usize) -> Option<Command> {
    Some(match which {
        0 => {
            let after = ledger.messages.last().copied();
            peek(QUEUES[queue], PeekState::Ready, after, 3)
        }
        1 => peek(QUEUES[queue], PeekState::Delayed, None, 3),
        3 => peek(QUEUES[queue], PeekState::Blocked, None, 3),
        2 => Command::ListQueues {
            prefix: "".into(),
            after: Some("m".into()),
            limit: 1,
        },
        _ => Command::GetMessage {
            message: *ledger.messages.iter().rev().nth(which)?,
        },
    })
}

fn manage(ledger: &Ledger, next: Move) -> Option<Command> {
    let message = |which: usize| ledger.messages.iter().rev().nth(which).copied();
    let name = |queue: usize| QUEUES[queue].into();
    Some(match next {
        Move::Pause {
            queue,
            what,
            resume: true,
        } => Command::ResumeQueue {
            name: name(queue),
            what,
        },
        Move::Pause { queue, what, .. } => Command::PauseQueue {
            name: name(queue),
            what,
        },
        Move::Purge { queue } => Command::PurgeQueue { name: name(queue) },
        Move::Change {
            which,
            delay_ms,
            priority,
        } => Command::ChangeMessage {
            message: message(which)?,
            delay_ms,
            priority,
        },
        Move::Cancel { which } => Command::DeleteMessage {
            message: message(which)?,
        },
        Move::Sweep(next) => sweeps::command(&QUEUES, ledger.sweeps, &ledger.messages, next),
        _ => return None,
    })
}

fn settle(queue: Box<str>, one: LeaseId, other: LeaseId) -> Command {
    let extends = vec![Extend {
        lease: other,
        visibility_timeout_ms: None,
    }];
    Command::Settle {
        queue,
        acks: vec![Ack { lease: one }.into()],
        nacks: vec![nack(other)],
        extends,
        releases: vec![Release {
            lease: one,
            delay_ms: None,
        }],
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_replica_agrees_and_the_ledger_balances(
        steps in prop::collection::vec((0_u64..60, prop::collection::vec(any_move(), 0..5)), 1..60),
        each in any::<bool>(),
    ) {
        let (mut twin, mut ledger) = (Twin::new(), Ledger::default());
        twin.checkpoint_each_step(each);
        let setup = QUEUES.map(|name| Command::CreateQueue { name: name.into(), config: config().into() });
        ledger.step(&mut twin, setup.into());
        for (wait_ms, moves) in steps {
            twin.wait(wait_ms);
            if moves.iter().any(|next| matches!(next, Move::Fence)) {
                twin.fence();
            }
            moves.iter().for_each(|next| match next {
                Move::Checkpoint(CheckpointMove::Trim(ago)) => trim(&mut twin, *ago, &mut |twin, asked| ledger.step(twin, asked)),
                Move::Checkpoint(CheckpointMove::Lost(ago)) => lose(&mut twin, *ago, &mut |twin, asked| ledger.step(twin, asked)),
                Move::Checkpoint(next) => twin.checkpoint(*next),
                _ => {}
            });
            let commands = moves.into_iter().filter_map(|next| command(&ledger, next)).collect();
            let step = ledger.step(&mut twin, commands);
            let idle = step.records.is_empty();
            prop_assert!(!idle || step.next_deadline_ms.is_none_or(|ms| ms > twin.now_ms), "a due timer did nothing");
        }
    }
}
