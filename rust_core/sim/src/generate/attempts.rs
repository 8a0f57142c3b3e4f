//! Receives with an attempt id, and their repetitions. Drawn apart from the rest: what else a plan asks is the same with
//! and without.

use crate::plan::{Action, Ask, Move, Plan};
use crate::random::Random;

/// When a receive is repeated: soon, and at the edge of the five minutes it can be.
const WAITS_MS: [u64; 8] = [0, 0, 0, 1, 7, 100, 299_999, 300_000];

/// Of a hundred receives, so many have an id; half of them are repeated on purpose.
pub(super) fn add(plan: &mut Plan, percent: u64) {
    let random = &mut Random::new(plan.seed.rotate_left(16));
    let mut moves = Vec::new();
    for mut next in plan.moves.drain(..) {
        let again = number(random, &mut next, percent).then(|| next.clone());
        moves.push(next);
        let again = again.filter(|_| random.chance(50));
        moves.extend(again.map(|again| Move {
            wait_ms: random.pick(&WAITS_MS),
            action: either_answered(random, again.action),
        }));
    }
    plan.moves = moves;
}

/// Few ids, so that they meet. Says whether it has one now.
fn number(random: &mut Random, next: &mut Move, percent: u64) -> bool {
    let Action::Ask(_, ask) = &mut next.action else {
        return false;
    };
    let Ask::Receive { attempt, .. } = &mut **ask else {
        return false;
    };
    *attempt = random.maybe(percent, |random| random.below(3));
    attempt.is_some()
}

/// Its client may be gone when the answer comes, whatever became of the first one.
fn either_answered(random: &mut Random, mut action: Action) -> Action {
    if let Action::Ask(_, ask) = &mut action {
        if let Ask::Receive { vanishes, .. } = &mut **ask {
            *vanishes = random.chance(20);
        }
    }
    action
}
