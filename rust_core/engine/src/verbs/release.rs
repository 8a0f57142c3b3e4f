//! release: leases nobody saw are given back. The messages are ready at once, before those behind them, and no
//! attempt is counted. Leases that ended meanwhile are passed over.

use super::lease;
use crate::batch::Batch;
use crate::ids::LeaseId;
use crate::record::Record;
use crate::reply::Reply;

/// Each goes to the front, so the last one goes first and their order is kept.
pub(super) fn run(batch: &mut Batch, leases: &[LeaseId]) -> Reply {
    let mut messages = 0;
    for &lease in leases.iter().rev() {
        if lease::held(batch.state(), lease).is_ok() {
            batch.commit(Record::Released {
                message: lease.message,
                group: lease.group,
            });
            messages += 1;
        }
    }
    Reply::Released { messages }
}
