//! A seed's plan: random settings, questions and faults. Short times meet long ones, few names meet often.

mod attempts;
mod checkpoints;
mod faults;
mod late;
mod settings;
mod style;

use engine::command::{NewMessage, PeekFilter, PeekState};
use engine::record::{DeathReason, Paused};
use engine::reply::State;
use engine::sweep::{SweepAction, SweepFilter, SweepPlan, SweepRate};

use self::faults::fault;
use self::settings::{config, message, patch};
use self::style::Style;
use crate::plan::{Action, Ask, Move, Plan};
use crate::random::Random;
use crate::world;

const REASONS: [DeathReason; 2] = [DeathReason::Expired, DeathReason::RetriesExhausted];
const STATES: [State; 4] = [State::Ready, State::Blocked, State::Delayed, State::Dead];
const GROUPS: [&str; 4] = ["default", "audit", "search", "mirror"];
/// The first is nobody; the others are more than a group takes.
const CONSUMERS: [&str; 5] = ["", "ann", "bob", "cy", "dee"];
const QUEUES: [&str; 4] = ["orders", "mails", "letters", "last"];

/// The plan of a seed.
pub fn plan(seed: u64) -> Plan {
    let random = &mut Random::new(seed);
    let style = Style::drawn(random);
    let count = random.within(80, 400);
    let moves = moves(random, &style, count);
    let crash = checkpoints::crash(seed);
    let mut plan = Plan { seed, moves, crash };
    late::add(&mut plan);
    attempts::add(&mut plan, [0, 40, 80][(seed % 3) as usize]);
    let chances = [(0, 0), (4, 0), (10, 2), (25, 5), (50, 20)];
    let (begun, faults) = chances[(seed % chances.len() as u64) as usize];
    checkpoints::add(&mut plan, begun, faults);
    checkpoints::lose(&mut plan);
    plan
}

/// A plan in which nothing goes wrong, of a bit of everything, with checkpoints: to die at each point of.
pub fn plan_of_everything(seed: u64) -> Plan {
    let random = &mut Random::new(seed);
    let moves = moves(random, &Style::of_everything(), 300);
    let crash = None;
    let mut plan = Plan { seed, moves, crash };
    attempts::add(&mut plan, 40);
    checkpoints::add(&mut plan, 7, 0);
    plan
}

fn moves(random: &mut Random, style: &Style, count: u64) -> Vec<Move> {
    let mut moves: Vec<Move> = (QUEUES[..random.within(1, 3) as usize].iter())
        .map(|queue| create(random, style, queue))
        .collect();
    for group in GROUPS.iter().skip(1).filter(|_| style.grouped > 0) {
        let queue = QUEUES[0];
        let ask = Box::new(Ask::CreateGroup { queue, group });
        moves.push(Move {
            wait_ms: 10,
            action: Action::Ask(0, ask),
        });
    }
    for _ in 0..count {
        let next = next(random, style);
        // Some clients ask again.
        let again = random.maybe(8, |_| next.clone());
        let then = then(random, style, &next);
        moves.extend([next].into_iter().chain(again).chain(then));
    }
    moves
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

/// What is asked on purpose right after another question, or at the edge of a time that was named.
fn then(random: &mut Random, style: &Style, next: &Move) -> Option<Move> {
    let Action::Ask(node, ask) = &next.action else {
        return None;
    };
    let (wait_ms, ask) = match **ask {
        Ask::Complete {
            result: Some(_), ..
        } if random.chance(30) => {
            let (which, done) = (0, true);
            (style.edge_ms(random), Ask::Get { which, done })
        }
        Ask::Purge { queue } => (0, enqueue(random, style, queue)),
        _ => return None,
    };
    let action = Action::Ask(*node, Box::new(ask));
    Some(Move { wait_ms, action })
}

fn enqueue(random: &mut Random, style: &Style, queue: &'static str) -> Ask {
    let messages = (0..random.within(1, 4)).map(|_| message(random, style));
    Ask::Enqueue {
        queue,
        messages: messages.collect(),
        atomic: random.chance(25),
    }
}

fn ask(random: &mut Random, style: &Style) -> Ask {
    let queue = pick_queue(random);
    match random.below(122) {
        0..=12 => of_queue(random, style, queue),
        13..=37 => enqueue(random, style, queue),
        38..=57 => Ask::Receive {
            queue,
            group: group(random, style),
            consumer: consumer(random, style),
            wait_ms: random
                .maybe(30, |random| style.time_ms(random))
                .unwrap_or(0),
            max: random.within(1, 4) as u32,
            timeout_ms: random.maybe(40, |random| style.time_ms(random)),
            bytes_max: random.pick(&[80, 200, 1 << 20, 1 << 20]),
            vanishes: random.chance(8),
            attempt: None,
        },
        58..=85 => of_lease(random, style, queue),
        86..=90 => of_message(random, style),
        91..=102 => of_sweep(random, style, queue),
        103..=107 if random.chance(style.named) => of_member(random, style, queue),
        _ => look(random, queue),
    }
}

fn pick_queue(random: &mut Random) -> &'static str {
    QUEUES[random.below(16) as usize * QUEUES.len() / 20]
}

fn group(random: &mut Random, style: &Style) -> &'static str {
    match random.chance(style.grouped) {
        true => random.pick(&GROUPS),
        false => "default",
    }
}

fn consumer(random: &mut Random, style: &Style) -> &'static str {
    match random.chance(style.named) {
        true => random.pick(&CONSUMERS),
        false => "",
    }
}

fn of_member(random: &mut Random, style: &Style, queue: &'static str) -> Ask {
    let group = group(random, style);
    let consumer = random.pick(&CONSUMERS[1..]);
    match random.below(4) {
        0 => Ask::Heartbeat {
            queue,
            group,
            consumer,
        },
        1 => Ask::Seen {
            queue,
            group,
            consumer,
        },
        2 => Ask::Leave {
            queue,
            group,
            consumer,
        },
        _ => Ask::Groups {
            queue,
            group: Some(group),
        },
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
            let config = world::settings().queue_config;
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
            group: match random.chance(10) {
                true => "default",
                false => random.pick(&GROUPS[1..]),
            },
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
        0..=16 => Ask::Ack { which },
        17..=34 => Ask::Complete {
            which,
            result: random.maybe(70, |random| random.below(60) as u32),
            enqueue: follow_ups(random, style),
        },
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
        80..=88 => Ask::Settle {
            queue,
            which,
            result: random.maybe(20, |random| random.below(60) as u32),
            enqueue: match random.chance(30) {
                true => follow_ups(random, style),
                false => Vec::new(),
            },
        },
        89..=94 => Ask::Release {
            which,
            delay_ms: random.maybe(60, |random| style.time_ms(random) - 1),
        },
        _ => Ask::GiveBack { which },
    }
}

fn follow_ups(random: &mut Random, style: &Style) -> Vec<(&'static str, NewMessage)> {
    let count = random.below(4);
    let one = |_| {
        let elsewhere = random.maybe(30, pick_queue);
        let queue = elsewhere.unwrap_or(QUEUES[0]);
        (queue, message(random, style))
    };
    (0..count).map(one).collect()
}

fn of_message(random: &mut Random, style: &Style) -> Ask {
    let which = random.time_ms(16) as usize - 1;
    match random.below(3) {
        0 => Ask::DeleteMessage { which },
        _ => Ask::Change {
            which,
            delay_ms: random.maybe(60, |random| match random.chance(50) {
                true => style.time_ms(random),
                false => 0,
            }),
            priority: random.maybe(40, |random| random.pick(&[0, 1, 5, 9])),
        },
    }
}

fn of_sweep(random: &mut Random, style: &Style, queue: &'static str) -> Ask {
    let which = random.below(3) as usize;
    // Only with a destination: what never died has no source.
    let delayed = random.chance(25);
    let somewhere = if delayed { 100 } else { 70 };
    let destination = random.maybe(somewhere, |random| random.pick(&QUEUES).into());
    match random.below(12) {
        0..=4 => Ask::StartSweep {
            queue,
            ids: random.maybe(25, |random| random.within(1, 9) as usize),
            plan: Box::new(SweepPlan {
                action: match random.chance(50) {
                    true => SweepAction::Redrive { destination },
                    false => SweepAction::Cancel,
                },
                filter: SweepFilter {
                    state: match delayed {
                        true => Some(State::Delayed),
                        false => random.maybe(60, |random| random.pick(&STATES)),
                    },
                    reason: random
                        .maybe(15, |random| random.pick(&REASONS))
                        .filter(|_| !delayed),
                    ..SweepFilter::default()
                },
                ids: None,
                messages_max: random.maybe(20, |random| random.within(1, 3)).unwrap_or(0),
                rate: random.maybe(20, |random| SweepRate {
                    messages: random.within(1, 3) as u32,
                    per_ms: style.time_ms(random),
                }),
                dry_run: random.chance(10),
            }),
        },
        5..=9 => Ask::StepSweep { which },
        10 => Ask::GetSweep { which },
        _ => Ask::CancelSweep { which },
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
    match random.below(24) {
        0..=14 => Ask::Get {
            which: random.time_ms(8) as usize - 1,
            done: random.chance(50),
        },
        15..=22 => Ask::Peek {
            queue,
            state: random.pick(&states),
            filter: PeekFilter {
                ordering_key: random.maybe(20, |random| random.below(3)),
                reason: random.maybe(20, |random| random.pick(&REASONS)),
                ..PeekFilter::default()
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
