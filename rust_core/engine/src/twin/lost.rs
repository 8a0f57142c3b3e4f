//! A journal that lost its beginning, which was accepted: whatever refers to it is taken away, wherever that lies, and
//! all the rest goes on as it was.

use super::Twin;
use super::trim::StepOf;
use crate::command::{Blob, Command, DropLost};
use crate::reply::{Dropped, Reply};

/// All batches but the last `ago` and the one before them are lost.
pub(super) fn lose(twin: &mut Twin, ago: u64, step: StepOf<'_>) {
    let before_lsn = twin.live.lsn().saturating_sub(ago);
    loop {
        let lsn = twin.live.lsn();
        pass(twin, before_lsn, step);
        // A step does what is due, too: what died meanwhile may lie where was looked already.
        if twin.live.lsn() == lsn {
            break;
        }
    }
    twin.journal.lose_before(before_lsn);
    assert!(twin.live.first_needed_lsn() >= before_lsn);
    twin.live.state().locations(|at, _| {
        assert!(at.lsn == 0 || at.lsn >= before_lsn, "it is lost");
    });
}

fn pass(twin: &mut Twin, before_lsn: u64, step: StepOf<'_>) {
    let text = Blob {
        index: 98,
        length: 40,
    };
    let mut slot = Some(0);
    while let Some(from_slot) = slot {
        let drop = DropLost {
            before_lsn,
            from_slot,
            text,
        };
        match step(twin, vec![Command::DropLost(drop)]).replies.remove(0) {
            Reply::Dropped(Dropped { next_slot, .. }) => slot = next_slot,
            other => panic!("{other:?}"),
        }
    }
}
