//! get sweep and cancel sweep: how far one is, and that it goes no further.

use crate::batch::Batch;
use crate::record::Record;
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::state::State;
use crate::sweep::SweepEnd;
use crate::sweeps::Sweep;

/// One that ended longer than `kept_ms` ago counts as forgotten.
pub(super) fn run(
    state: &State,
    now_ms: u64,
    sweep: u64,
    kept_ms: u64,
) -> Result<Reply, Rejection> {
    let known = state.sweeps.get(sweep);
    let known = known.filter(|sweep| is_kept(sweep, now_ms, kept_ms));
    let view = known.ok_or(Rejection::SweepNotFound)?.view();
    Ok(Reply::Sweep(Box::new(view)))
}

/// Under way, or not ended for longer than that.
pub(super) fn is_kept(sweep: &Sweep, now_ms: u64, kept_ms: u64) -> bool {
    let age_ms = sweep.ended.map(|(_, ms)| now_ms.saturating_sub(ms));
    age_ms.is_none_or(|age_ms| age_ms <= kept_ms)
}

/// One that has ended stays as it is.
pub(super) fn cancel(batch: &mut Batch, sweep: u64, kept_ms: u64) -> Result<Reply, Rejection> {
    if batch.state().sweeps.running(sweep).is_some() {
        let end = SweepEnd::Cancelled;
        batch.commit(Record::SweepEnded { sweep, end });
    }
    run(batch.state(), batch.now_ms, sweep, kept_ms)
}
