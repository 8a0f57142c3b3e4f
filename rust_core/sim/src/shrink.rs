//! Making a failing plan small: moves that it fails without are dropped, in halves, then quarters, down to one.

use crate::plan::Plan;
use crate::run;

/// The smallest plan found that still fails, and what it says.
pub fn shrink(plan: &Plan, failure: String) -> (Plan, String) {
    let (mut plan, mut failure) = (plan.clone(), failure);
    let mut size = plan.moves.len().div_ceil(2);
    while size > 0 {
        let (mut from, mut dropped) = (0, false);
        while from < plan.moves.len() {
            let mut smaller = plan.clone();
            let to = (from + size).min(plan.moves.len());
            // What comes later comes as late as before.
            let waited: u64 = smaller.moves.drain(from..to).map(|gone| gone.wait_ms).sum();
            if let Some(next) = smaller.moves.get_mut(from) {
                next.wait_ms += waited;
            }
            match run::check(&smaller) {
                Err(still) => (plan, failure, dropped) = (smaller, still, true),
                Ok(_) => from += size,
            }
        }
        size = match dropped {
            true => size.min(plan.moves.len()),
            false => size / 2,
        };
    }
    (plan, failure)
}
