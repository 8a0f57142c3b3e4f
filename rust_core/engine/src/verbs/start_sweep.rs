//! start sweep: from here on whoever drives sweeps steps this one. What it will touch is fixed by now: messages that
//! come later are not its business.

use crate::batch::Batch;
use crate::command::StartSweep;
use crate::record::Record;
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::state::State;
use crate::sweep::{FORGOTTEN_PER_START, SweepAction};

pub(super) fn run(batch: &mut Batch, start: StartSweep) -> Result<Reply, Rejection> {
    let started = decide(batch.state(), &start)?;
    for sweep in over(batch.state(), batch.now_ms, &start) {
        batch.commit(Record::SweepForgotten { sweep });
    }
    batch.commit(started);
    let sweep = batch.state().sweeps.iter().last();
    let view = sweep.expect("one was just started").view();
    Ok(Reply::Sweep(Box::new(view)))
}

fn decide(state: &State, start: &StartSweep) -> Result<Record, Rejection> {
    let queue = state.queues.named(&start.queue)?;
    if let SweepAction::Redrive {
        destination: Some(destination),
    } = &start.plan.action
    {
        state.queues.named(destination)?;
    }
    let running_max = start.running_max;
    if state.sweeps.running_count() as u64 >= running_max {
        return Err(Rejection::SweepsExhausted { running_max });
    }
    Ok(Record::SweepStarted {
        sweep: state.sweeps.next_number(),
        queue: queue.number,
        plan: start.plan.clone().into(),
    })
}

/// Ended ones that are old, or too many: the first started go first.
fn over(state: &State, now_ms: u64, start: &StartSweep) -> Vec<u64> {
    let ended = || {
        let ended = |sweep: &crate::sweeps::Sweep| sweep.ended.map(|(_, ms)| (sweep.number, ms));
        state.sweeps.iter().filter_map(ended)
    };
    let kept_max = usize::try_from(start.kept_max).unwrap_or(usize::MAX);
    let surplus = ended().count().saturating_sub(kept_max);
    let over = ended().enumerate().filter(|&(rank, (_, ended_ms))| {
        rank < surplus || now_ms.saturating_sub(ended_ms) > start.kept_ms
    });
    over.map(|(_, (number, _))| number)
        .take(FORGOTTEN_PER_START)
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::command::{Command, Nack, NewMessage};
    use crate::rejection::Rejection;
    use crate::reply::{Reply, State};
    use crate::sweep::{SweepAction, SweepEnd, SweepFilter, SweepPlan};
    use crate::twin::sweeps::{letters, redrive, start};
    use crate::twin::{SECOND, Twin, config, message, nack};

    #[test]
    fn sweeps_are_bounded_and_ended_ones_are_forgotten() {
        let mut twin = letters(1);
        (0..3).for_each(|_| {
            twin.start_sweep("letters", redrive());
        });
        let running_max = 3;
        let exhausted = Reply::Rejected(Rejection::SweepsExhausted { running_max });
        assert_eq!(twin.ask(start("letters", redrive())), exhausted);
        twin.ask(Command::PurgeQueue {
            name: "letters".into(),
        });
        for sweep in 1..=3 {
            twin.step_sweep(sweep, None);
            let ended = twin.get_sweep(sweep).ended;
            assert_eq!(ended.map(|(end, _)| end), Some(SweepEnd::Done));
        }
        let sweep = twin.start_sweep("letters", redrive());
        twin.ask(Command::DeleteQueue {
            name: "letters".into(),
        });
        twin.step_sweep(sweep, None);
        let ended = twin.get_sweep(sweep).ended;
        assert_eq!(ended.map(|(end, _)| end), Some(SweepEnd::QueueDeleted));
        let sweep = twin.start_sweep("q", redrive());
        twin.ask(Command::DeleteQueue { name: "q".into() });
        twin.create("q", config());
        twin.step_sweep(sweep, None);
        let ended = twin.get_sweep(sweep).ended;
        let deleted = Some(SweepEnd::QueueDeleted);
        assert_eq!(ended.map(|(end, _)| end), deleted, "the new one is another");
        (0..3).for_each(|_| {
            twin.sweep("q", redrive());
        });
        assert_eq!(twin.live.state().sweeps.iter().count(), 5);
        twin.wait(60_001);
        let (sweep, kept_ms) = (sweep, 60_000);
        let gone = Reply::Rejected(Rejection::SweepNotFound);
        assert_eq!(twin.ask(Command::GetSweep { sweep, kept_ms }), gone);
        twin.start_sweep("q", redrive());
        assert_eq!(twin.live.state().sweeps.iter().count(), 1);
    }

    fn total(twin: &mut Twin, queue: &str, plan: SweepPlan) -> Option<u64> {
        let sweep = twin.start_sweep(queue, plan);
        let total = twin.get_sweep(sweep).total;
        let kept_ms = 60_000;
        twin.ask(Command::CancelSweep { sweep, kept_ms });
        total
    }

    fn in_state(state: State, plan: SweepPlan) -> SweepPlan {
        let state = Some(state);
        let filter = SweepFilter {
            state,
            ..SweepFilter::default()
        };
        SweepPlan { filter, ..plan }
    }

    #[test]
    fn how_many_it_may_concern_is_known_when_it_begins() {
        let mut twin = letters(4);
        let held = twin.receive("letters", 1)[0].lease;
        twin.enqueue("letters", message());
        let late = NewMessage {
            delay_ms: Some(SECOND),
            ..message()
        };
        twin.enqueue("letters", late);
        assert_eq!(total(&mut twin, "letters", redrive()), Some(3), "no other");
        let ids = SweepPlan {
            ids: Some(vec![held.message]),
            ..redrive()
        };
        assert_eq!(total(&mut twin, "letters", ids), Some(1));
        let cancel = || SweepPlan {
            action: SweepAction::Cancel,
            ..redrive()
        };
        assert_eq!(total(&mut twin, "letters", cancel()), Some(5));
        let delayed = in_state(State::Delayed, cancel());
        assert_eq!(total(&mut twin, "letters", delayed), Some(1));
        let dead = in_state(State::Dead, redrive());
        assert_eq!(total(&mut twin, "letters", dead.clone()), Some(0));
        let reject = Nack {
            reject: true,
            ..nack(held)
        };
        twin.ask(Command::Nack(reject));
        assert_eq!(total(&mut twin, "letters", dead), Some(1));
        assert_eq!(total(&mut twin, "letters", redrive()), Some(4));
        let view = twin.sweep("letters", redrive());
        assert_eq!((view.total, view.tally.matched), (Some(4), 4));
        assert_eq!(total(&mut twin, "letters", redrive()), Some(0));
    }

    #[test]
    fn of_further_groups_only_what_is_dead_is_redriven_and_all_is_cancelled() {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.create_group("q", "audit");
        (0..3).for_each(|_| {
            twin.enqueue("q", message());
        });
        let lease = twin.receive_for("q", "audit", 1)[0].lease;
        let reject = Nack {
            reject: true,
            ..nack(lease)
        };
        twin.ask(Command::Nack(reject));
        assert_eq!(total(&mut twin, "q", redrive()), Some(1));
        let ready = in_state(State::Ready, redrive());
        assert_eq!(total(&mut twin, "q", ready), Some(3));
        let cancel = SweepPlan {
            action: SweepAction::Cancel,
            ..redrive()
        };
        assert_eq!(total(&mut twin, "q", cancel), Some(5));
    }
}
