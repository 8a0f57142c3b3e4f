//! Leases that outlast the time to live of their messages, and end by a nack or a release then. Drawn apart from the rest:
//! what else a plan asks is the same with and without.

use crate::plan::{Action, Ask, Move, Plan};
use crate::random::Random;

/// Of a hundred receives, so many are followed by that.
const LATE: u64 = 20;
/// Until an answer has come, whatever the journal takes.
const ANSWERED_MS: u64 = 100;

pub(super) fn add(plan: &mut Plan) {
    let random = &mut Random::new(plan.seed.rotate_left(48));
    let mut moves = Vec::new();
    let mut ttl_ms = 0; // the longest
    for mut next in plan.moves.drain(..) {
        ttl_ms = ttl_ms.max(named(&next));
        let late = random.chance(LATE) && ttl_ms > 0;
        let back = late.then(|| outlast(random, &mut next, ttl_ms)).flatten();
        moves.push(next);
        moves.extend(back);
    }
    plan.moves = moves;
}

/// The time to live that a message is enqueued with, or a queue is made with.
fn named(next: &Move) -> u64 {
    let Action::Ask(_, ask) = &next.action else {
        return 0;
    };
    match &**ask {
        Ask::Create { config, .. } => config.ttl_ms,
        Ask::Enqueue { messages, .. } => {
            let named = messages.iter().filter_map(|message| message.ttl_ms);
            named.max().unwrap_or(0)
        }
        _ => 0,
    }
}

/// What ends the lease when its message's time is over.
fn outlast(random: &mut Random, next: &mut Move, ttl_ms: u64) -> Option<Move> {
    let Action::Ask(node, ask) = &mut next.action else {
        return None;
    };
    let Ask::Receive { timeout_ms, .. } = &mut **ask else {
        return None;
    };
    let wait_ms = ttl_ms + ANSWERED_MS;
    *timeout_ms = Some(wait_ms + 1);
    let (which, delay_ms) = (0, random.maybe(50, |random| random.below(3)));
    let back = match random.chance(50) {
        true => Ask::Release { which, delay_ms },
        false => Ask::Nack {
            which,
            delay_ms,
            priority: random.maybe(20, |random| random.pick(&[0, 1, 9])),
            error: random.pick(&[0, 0, 40]),
            reject: false,
        },
    };
    let action = Action::Ask(*node, Box::new(back));
    Some(Move { wait_ms, action })
}
