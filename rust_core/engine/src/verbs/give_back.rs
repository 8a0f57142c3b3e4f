//! give back: leases nobody saw are given back. The messages are ready at once, before those behind them, as if they
//! had waited all the time, and no attempt is counted. Leases that ended meanwhile are passed over, and those that a
//! repetition of their receive was told since: whoever repeated it has them.

use super::lease;
use crate::batch::Batch;
use crate::command::GiveBack;
use crate::record::Record;
use crate::reply::Reply;
use crate::state::State;

/// Each goes to the front, so the last one goes first and their order is kept.
pub(super) fn run(batch: &mut Batch, leases: &[GiveBack]) -> Reply {
    let mut messages = 0;
    for &give_back in leases.iter().rev() {
        if let Some(record) = decide(batch.state(), batch.now_ms, give_back) {
            batch.commit(record);
            messages += 1;
        }
    }
    Reply::GivenBack { messages }
}

/// None: the lease has ended, or somebody has it.
fn decide(state: &State, now_ms: u64, give_back: GiveBack) -> Option<Record> {
    lease::held(state, give_back.lease).ok()?;
    if state.attempts.told(give_back.lease) > give_back.told {
        return None;
    }
    let slot = give_back.lease.message.slot;
    let since_ms = give_back.ready_since_ms.min(now_ms);
    Some(Record::Released {
        message: give_back.lease.message,
        group: give_back.lease.group,
        since_ms: state.since_before_others_ms(slot, since_ms),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::command::NewMessage;
    use crate::config::{QueueConfig, Scheduling};
    use crate::reply::Delivered;
    use crate::twin::{SECOND, Twin, ack, config, message};

    fn give_back(delivered: &Delivered) -> GiveBack {
        GiveBack {
            lease: delivered.lease,
            ready_since_ms: delivered.ready_since_ms,
            told: delivered.told,
        }
    }

    #[test]
    fn messages_come_back_in_front_in_order_with_no_attempt_counted() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let ids: Vec<_> = (0..4)
            .map(|_| twin.enqueue("q", message()).message)
            .collect();
        let leases: Vec<_> = twin.receive("q", 3).iter().map(give_back).collect();
        twin.ask(ack(leases[1].lease));
        let step = twin.wait(1000).step(vec![Command::GiveBack {
            leases: leases.clone(),
        }]);
        assert_eq!(step.replies, [Reply::GivenBack { messages: 2 }]);
        assert_eq!(step.woken, [("q".into(), 3)]);
        let again = twin.receive("q", 9);
        assert_eq!(
            again.iter().map(|d| d.lease.message).collect::<Vec<_>>(),
            [ids[0], ids[2], ids[3]]
        );
        assert_eq!((again[0].attempts, again[0].lease.delivery), (0, 2));
    }

    #[test]
    fn what_nobody_saw_has_waited_all_the_time() {
        let mut twin = Twin::new();
        let scheduling = Scheduling::Fair { aging_ms: SECOND };
        twin.create(
            "q",
            QueueConfig {
                scheduling,
                ..config()
            },
        );
        let of = |priority| NewMessage {
            priority,
            ..message()
        };
        let low = twin.enqueue("q", of(0)).message;
        let since_ms = twin.now_ms;
        let leases = [give_back(&twin.wait(600 * SECOND).receive("q", 1)[0])].into();
        twin.wait(SECOND).ask(Command::GiveBack { leases });
        assert_eq!(twin.message(low).at_ms, since_ms);
        twin.enqueue("q", of(5));
        assert_eq!(twin.receive("q", 1)[0].lease.message, low);
    }
}
