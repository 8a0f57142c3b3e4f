//! A seed's plan: random settings, questions and faults. Short times meet long ones, few names meet often.

use engine::command::{Blob, ConfigPatch, DedupKey, NewMessage, PeekFilter, PeekState};
use engine::config::{Backoff, QueueConfig, RateLimit, Scheduling};
use engine::record::{DeathReason, Paused};

use crate::plan::{Action, Ask, Damage, Fault, Move, Plan};
use crate::random::Random;
use crate::world::settings;

const GROUPS: [&str; 4] = ["default", "audit", "search", "mirror"];
const QUEUES: [&str; 4] = ["orders", "mails", "letters", "last"];

/// How a plan leans, so that plans differ from each other more than moves do.
struct Style {
    /// The longest wait between two moves.
    wait_ms_max: u64,
    /// Of a hundred moves, so many are faults.
    faults: u64,
    /// Of a hundred messages, so many have these.
    keyed: u64,
    deduplicated: u64,
    delayed: u64,
    expiring: u64,
    /// Of a hundred receives and makings of groups, so many are of further groups.
    grouped: u64,
    /// Of a hundred queues, so many have a bound.
    bounded: u64,
    /// The greatest time a setting names.
    time_ms_max: u64,
    /// Times that settings and waits are drawn from again and again: edges are met, and missed by a millisecond.
    times_ms: [u64; 3],
}

impl Style {
    fn time_ms(&self, random: &mut Random) -> u64 {
        match random.chance(50) {
            true => random.pick(&self.times_ms),
            false => random.time_ms(self.time_ms_max),
        }
    }

    fn wait_ms(&self, random: &mut Random) -> u64 {
        match random.below(6) {
            0..=1 => 0,
            2..=3 => random.time_ms(self.wait_ms_max),
            _ => random.pick(&self.times_ms) + random.below(3) - 1,
        }
    }
}

/// The plan of a seed.
pub fn plan(seed: u64) -> Plan {
    let random = &mut Random::new(seed);
    let time_ms_max = random.pick(&[200, 5_000, 600_000]);
    let style = Style {
        wait_ms_max: random.pick(&[20, 2_000, 60_000, 600_000]),
        faults: random.pick(&[0, 3, 10, 25]),
        keyed: random.pick(&[0, 30, 100]),
        deduplicated: random.pick(&[0, 30, 80]),
        delayed: random.pick(&[5, 30]),
        expiring: random.pick(&[0, 10, 40]),
        grouped: random.pick(&[0, 0, 50, 80]),
        bounded: random.pick(&[0, 30]),
        time_ms_max,
        times_ms: [(); 3].map(|()| random.time_ms(time_ms_max)),
    };
    let count = random.within(40, 250);
    let mut moves: Vec<Move> = (QUEUES[..random.within(1, 3) as usize].iter())
        .map(|queue| create(random, &style, queue))
        .collect();
    for group in GROUPS.iter().skip(1).filter(|_| style.grouped > 0) {
        let queue = QUEUES[0];
        let ask = Box::new(Ask::CreateGroup { queue, group });
        moves.push(Move {
            wait_ms: 10,
            action: Action::Ask(0, ask),
        });
    }
    moves.extend((0..count).map(|_| next(random, &style)));
    Plan { seed, moves }
}

fn create(random: &mut Random, style: &Style, queue: &'static str) -> Move {
    let config = config(random, style);
    Move {
        wait_ms: 10,
        action: Action::Ask(0, Box::new(Ask::Create { queue, config })),
    }
}

fn next(random: &mut Random, style: &Style) -> Move {
    let wait_ms = style.wait_ms(random);
    let node = usize::from(random.chance(20));
    let action = match random.chance(style.faults) {
        true => Action::Fault(node, fault(random)),
        false => Action::Ask(node, Box::new(ask(random, style))),
    };
    Move { wait_ms, action }
}

fn ask(random: &mut Random, style: &Style) -> Ask {
    let queue = QUEUES[random.below(16) as usize * QUEUES.len() / 20];
    match random.below(100) {
        0..=12 => of_queue(random, style, queue),
        13..=37 => Ask::Enqueue {
            queue,
            messages: (0..random.within(1, 4))
                .map(|_| message(random, style))
                .collect(),
            atomic: random.chance(25),
        },
        38..=61 => Ask::Receive {
            queue,
            group: group(random, style),
            max: random.within(1, 4) as u32,
            timeout_ms: random.maybe(40, |random| style.time_ms(random)),
            bytes_max: random.pick(&[80, 200, 1 << 20, 1 << 20]),
            vanishes: random.chance(8),
        },
        62..=86 => of_lease(random, style, queue),
        87..=92 => of_message(random, style),
        _ => look(random, queue),
    }
}

fn group(random: &mut Random, style: &Style) -> &'static str {
    match random.chance(style.grouped) {
        true => random.pick(&GROUPS),
        false => "default",
    }
}

fn of_queue(random: &mut Random, style: &Style, queue: &'static str) -> Ask {
    let what = Paused {
        enqueue: random.chance(50),
        receive: random.chance(50),
    };
    match random.below(30) {
        0..=2 => {
            let config = config(random, style);
            Ask::Create { queue, config }
        }
        3..=5 => {
            let config = settings().queue_config;
            Ask::Create { queue, config }
        }
        6..=11 => {
            let patch = patch(random, style);
            Ask::Update { queue, patch }
        }
        12 => Ask::Delete { queue },
        13..=14 => Ask::Pause { queue, what },
        15..=18 => Ask::Resume { queue, what },
        19 => Ask::Purge { queue },
        20..=22 if random.chance(style.grouped) => Ask::CreateGroup {
            queue,
            group: random.pick(&GROUPS),
        },
        23..=27 => Ask::DeleteGroup {
            queue,
            group: random.pick(&GROUPS),
        },
        _ => Ask::Groups {
            queue,
            group: random.maybe(50, |random| random.pick(&GROUPS)),
        },
    }
}

fn of_lease(random: &mut Random, style: &Style, queue: &'static str) -> Ask {
    let which = random.time_ms(8) as usize - 1;
    match random.below(100) {
        0..=34 => Ask::Ack { which },
        35..=69 => Ask::Nack {
            which,
            delay_ms: random.maybe(50, |random| style.time_ms(random) - 1),
            priority: random.maybe(20, |random| random.pick(&[0, 1, 9])),
            error: random
                .maybe(30, |random| random.within(0, 60) as u32)
                .unwrap_or(0),
            reject: random.chance(12),
        },
        70..=79 => Ask::Extend {
            which,
            timeout_ms: random.maybe(40, |random| style.time_ms(random)),
        },
        80..=88 => Ask::Settle { queue, which },
        _ => Ask::Release { which },
    }
}

fn of_message(random: &mut Random, style: &Style) -> Ask {
    let which = random.time_ms(16) as usize - 1;
    match random.below(3) {
        0 => Ask::DeleteMessage { which },
        _ => Ask::Change {
            which,
            delay_ms: random.maybe(60, |random| match random.chance(60) {
                true => style.time_ms(random),
                false => 0,
            }),
            priority: random.maybe(40, |random| random.pick(&[0, 1, 5, 9])),
        },
    }
}

fn look(random: &mut Random, queue: &'static str) -> Ask {
    let states = [
        PeekState::Ready,
        PeekState::Blocked,
        PeekState::Delayed,
        PeekState::Leased,
        PeekState::Dead,
    ];
    let reasons = [DeathReason::Expired, DeathReason::RetriesExhausted];
    match random.below(16) {
        0..=6 => Ask::Get {
            which: random.time_ms(8) as usize - 1,
        },
        7..=14 => Ask::Peek {
            queue,
            state: random.pick(&states),
            filter: PeekFilter {
                ordering_key: random.maybe(20, |random| random.below(3)),
                reason: random.maybe(20, |random| random.pick(&reasons)),
            },
            after: random.maybe(30, |random| random.below(4) as usize),
            limit: random.within(1, 4) as u32,
        },
        _ => Ask::List {
            prefix: random.pick(&["", "l", "la"]),
            after: random.maybe(50, |random| random.pick(&QUEUES)),
            limit: random.within(1, 3) as u32,
        },
    }
}

fn message(random: &mut Random, style: &Style) -> NewMessage {
    NewMessage {
        priority: random.pick(&[0, 1, 1, 1, 5, 255]),
        delay_ms: random.maybe(style.delayed, |random| style.time_ms(random) - 1),
        ttl_ms: random.maybe(style.expiring, |random| style.time_ms(random) - 1),
        dedup: random.maybe(style.deduplicated, |random| DedupKey {
            hash: u128::from(random.below(5)),
            fingerprint: u64::from(random.chance(15)),
        }),
        ordering_key: random.maybe(style.keyed, |random| random.below(3)),
        fairness_key: None,
        max_retries: random.maybe(15, |random| random.below(3) as u32),
        blob: Blob {
            index: 0,
            length: random.within(0, 60) as u32,
        },
    }
}

fn limit(random: &mut Random, style: &Style) -> RateLimit {
    RateLimit {
        requests: random.within(1, 9) as u32,
        per_ms: random.pick(&[100, 1000, style.time_ms_max]),
        burst: random.within(1, 5) as u32,
    }
}

fn config(random: &mut Random, style: &Style) -> QueueConfig {
    let scheduling = match random.chance(30) {
        true => Scheduling::Strict,
        false => Scheduling::Fair {
            aging_ms: style.time_ms(random) - 1,
        },
    };
    let backoff = Backoff {
        initial_ms: style.time_ms(random) - 1,
        multiplier_permille: random.pick(&[1000, 1500, 2000, 10_000]),
        max_ms: style.time_ms(random),
        jitter_permille: random.pick(&[0, 200, 1000]),
    };
    let timeout_ms = style.time_ms(random);
    QueueConfig {
        dead_letter_queue: random.maybe(40, |random| random.pick(&QUEUES).into()),
        rate_limit: random.maybe(25, |random| limit(random, style)),
        scheduling,
        backoff,
        dedup_window_ms: style.time_ms(random) - 1,
        delay_ms: random
            .maybe(20, |random| style.time_ms(random))
            .unwrap_or(0),
        ttl_ms: random
            .maybe(style.expiring, |random| style.time_ms(random))
            .unwrap_or(0),
        messages_max: random
            .maybe(style.bounded, |random| random.within(1, 12))
            .unwrap_or(0),
        in_flight_max: random
            .maybe(style.bounded, |random| random.within(1, 4) as u32)
            .unwrap_or(0),
        dead_retention_ms: random
            .maybe(30, |random| style.time_ms(random))
            .unwrap_or(0),
        ..QueueConfig::new(timeout_ms, random.below(4) as u32)
    }
}

fn patch(random: &mut Random, style: &Style) -> ConfigPatch {
    let config = config(random, style);
    ConfigPatch {
        max_retries: random.maybe(30, |_| config.max_retries),
        visibility_timeout_ms: random.maybe(30, |_| config.visibility_timeout_ms),
        dead_letter_queue: random.maybe(40, |_| config.dead_letter_queue),
        rate_limit: random.maybe(40, |_| config.rate_limit),
        scheduling: random.maybe(30, |_| config.scheduling),
        backoff: random.maybe(30, |_| config.backoff),
        dedup_window_ms: random.maybe(30, |_| config.dedup_window_ms),
        delay_ms: random.maybe(30, |_| config.delay_ms),
        ttl_ms: random.maybe(30, |_| config.ttl_ms),
        messages_max: random.maybe(30, |_| config.messages_max),
        in_flight_max: random.maybe(30, |_| config.in_flight_max),
        dead_retention_ms: random.maybe(30, |_| config.dead_retention_ms),
        ..ConfigPatch::default()
    }
}

fn fault(random: &mut Random) -> Fault {
    match random.below(16) {
        0..=1 => Fault::AppendLost,
        2..=3 => Fault::AckLost,
        4 => Fault::AppendLate(random.time_ms(20_000)),
        5..=6 => Fault::AckLate(random.time_ms(20_000)),
        7 => Fault::Refused,
        8..=9 => Fault::Crash(random.time_ms(20_000)),
        10 => Fault::CrashMuted(random.time_ms(20_000)),
        11..=12 => Fault::Takeover,
        13 => {
            let jump_ms = random.time_ms(3_600_000) as i64;
            Fault::ClockJump(if random.chance(50) { jump_ms } else { -jump_ms })
        }
        14 => Fault::ClockStops(random.time_ms(60_000)),
        _ => Fault::Damage(damage(random)),
    }
}

fn damage(random: &mut Random) -> Damage {
    let back = random.time_ms(16) as usize - 1;
    match random.below(10) {
        8..=9 => Damage::Rewritten { back: back + 1 },
        0..=3 => Damage::Flip {
            back,
            bit: random.below(4096) as usize,
        },
        4 => Damage::Cut {
            back,
            bytes: random.within(1, 100) as usize,
        },
        5 => Damage::Missing { back: back + 1 },
        6 => Damage::Swapped { back },
        _ => Damage::Doubled { back },
    }
}
