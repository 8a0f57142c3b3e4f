//! When a plan's nodes take checkpoints, and what goes wrong with these. Drawn apart from the rest: a plan is the same
//! with and without.

use crate::plan::{Action, CrashPoint, Fault, Move, Plan, Side, StoreFault};
use crate::random::Random;

/// Where a node dies, in one plan of three.
pub(super) fn crash(seed: u64) -> Option<CrashPoint> {
    let random = &mut Random::new(!seed);
    random.maybe(30, |random| CrashPoint {
        operation: random.within(1, 300),
        side: random.pick(&[Side::Before, Side::After]),
    })
}

/// Of a hundred moves, `checkpoints` are followed by the beginning of one, and `faults` by what goes wrong with one.
pub(super) fn add(plan: &mut Plan, checkpoints: u64, faults: u64) {
    let random = &mut Random::new(plan.seed.rotate_left(32));
    let mut moves = Vec::new();
    for next in plan.moves.drain(..) {
        moves.push(next);
        let node = usize::from(random.chance(50));
        let begun = random.maybe(checkpoints, |_| Action::Checkpoint(node));
        let fault = random.maybe(faults, |random| Action::Fault(node, fault(random)));
        let actions = begun.into_iter().chain(fault);
        moves.extend(actions.map(|action| Move { wait_ms: 0, action }));
    }
    plan.moves = moves;
}

/// In one plan of three the journal loses its beginning, some times.
pub(super) fn lose(plan: &mut Plan) {
    let random = &mut Random::new(plan.seed.rotate_left(16));
    if plan.seed % 3 != 0 {
        return;
    }
    for _ in 0..random.within(1, 4) {
        let at = random.below(plan.moves.len() as u64) as usize;
        let action = Action::Lose(0, random.time_ms(60));
        plan.moves.insert(at, Move { wait_ms: 5, action });
    }
}

fn fault(random: &mut Random) -> Fault {
    match random.below(4) {
        0 => Fault::Distrust,
        1 => Fault::Store(StoreFault::Lost),
        2 => Fault::Store(StoreFault::Refused),
        _ => Fault::Store(StoreFault::Unheard),
    }
}
