//! Damaged journals: a start on one is refused, never silently with less.

use std::panic::{self, AssertUnwindSafe};

use codec::hash::{self, BATCH_HASH_BYTES};

use crate::chain::Chain;
use crate::journal::Stored;
use crate::plan::Damage;
use crate::world::settings;

/// Where the lowest byte of a batch's instant lies in its header.
const INSTANT_AT: usize = 24;

/// Damages a copy and replays it.
pub(crate) fn check_refused(batches: &[Stored], damage: &Damage) {
    let counts: Vec<bool> = batches.iter().map(|stored| stored.counts).collect();
    let mut copy: Vec<Vec<u8>> = batches.iter().map(|stored| stored.bytes.to_vec()).collect();
    if copy.is_empty() || !apply(&mut copy, &counts, damage) {
        return;
    }
    let mut chain = Chain::new(settings());
    let mut replayed = (1..)
        .zip(&copy)
        .map(|(sequence, bytes)| chain.replay(sequence, bytes));
    let is_refused = match damage {
        // A batch that proves itself is applied, and may contradict what came before it: that is loud too.
        Damage::Rewritten { .. } => {
            let loud = panic::catch_unwind(AssertUnwindSafe(|| replayed.any(|one| one.is_err())));
            loud.unwrap_or(true)
        }
        _ => replayed.any(|verdict| verdict.is_err()),
    };
    assert!(is_refused, "a journal with {damage:?} is taken for whole");
}

/// False: there is nothing to damage like that.
fn apply(copy: &mut Vec<Vec<u8>>, counts: &[bool], damage: &Damage) -> bool {
    let last = copy.len() - 1;
    let at = |back: usize| last.saturating_sub(back);
    match *damage {
        Damage::Flip { back, bit } => {
            let batch = &mut copy[at(back)];
            let bit = bit % (batch.len() * 8);
            batch[bit / 8] ^= 1 << (bit % 8);
        }
        Damage::Cut { back, bytes } => {
            let batch = &mut copy[at(back)];
            batch.truncate(batch.len().saturating_sub(bytes));
        }
        Damage::Missing { back } if last > 0 => {
            copy.remove(at(back).min(last - 1));
        }
        Damage::Swapped { back } if last > 0 => {
            let at = at(back).min(last - 1);
            copy.swap(at, at + 1);
        }
        Damage::Doubled { back } => copy.insert(at(back) + 1, copy[at(back)].clone()),
        // Nothing but the next batch that counts can tell.
        Damage::Rewritten { back }
            if counts[at(back)] && counts[at(back) + 1..].contains(&true) =>
        {
            let batch = &mut copy[at(back)];
            batch[INSTANT_AT] ^= 1;
            let end = batch.len() - BATCH_HASH_BYTES;
            let hash = hash::batch(&batch[..end]);
            batch[end..].copy_from_slice(&hash);
        }
        _ => return false,
    }
    true
}
