//! Applies what sweeps are and do.

use crate::history::Death;
use crate::ids::{MessageId, QueueNumber};
use crate::message::{Flag, NONE, Place};
use crate::queue::Queue;
use crate::record::Record;
use crate::reply::{Counts, State as Shown};
use crate::state::{End, State};
use crate::sweep::{SweepAction, SweepPlan};
use crate::sweeps::{Scan, Sweep};

impl State {
    pub(super) fn sweep(&mut self, record: &Record) {
        let now_ms = self.cursor.now_ms;
        match *record {
            Record::SweepStarted {
                sweep,
                queue,
                ref plan,
            } => self.start_sweep(sweep, queue, plan),
            Record::SweepAdvanced {
                sweep,
                cursor,
                ref tally,
                ref sample,
            } => {
                let sweep = self.sweeps.get_mut(sweep).expect("a sweep is there");
                sweep.advance(cursor, tally, sample, now_ms);
            }
            Record::SweepEnded { sweep, end } => {
                self.sweeps.end(sweep, end, now_ms);
                self.rank_swept(sweep);
            }
            Record::SweepForgotten { sweep } => self.sweeps.forget(sweep),
            Record::Redriven {
                message,
                queue,
                new,
                expires_at_ms,
            } => self.redrive(message, queue, new, expires_at_ms),
            _ => unreachable!("every other record is applied elsewhere"),
        }
    }

    fn start_sweep(&mut self, number: u64, queue: QueueNumber, plan: &SweepPlan) {
        let sweep = Sweep {
            number,
            queue,
            queue_name: self.queues.get(queue).name.clone(),
            plan: plan.clone(),
            created_at_ms: self.cursor.now_ms,
            numbered: self.numbered,
            total: Some(self.sweep_total(queue, plan)),
            cursor: 0,
            tally: Default::default(),
            sample: Vec::new(),
            next_at_ms: 0,
            ended: None,
            scan: Scan::default(),
        };
        self.sweeps.insert(sweep);
        self.rank_swept(number);
    }

    /// A redrive began or ended: until then what is dead stays.
    fn rank_swept(&mut self, number: u64) {
        let queue = self.sweeps.get(number).expect("a sweep is there").queue;
        if !self.queues.is_gone(queue) {
            let groups = self.all_groups(queue);
            groups.into_iter().for_each(|group| self.rank_dead(group));
        }
    }

    /// Messages that a sweep may concern at most: what it lists, or what is there in the state it is about.
    fn sweep_total(&self, number: QueueNumber, plan: &SweepPlan) -> u64 {
        let groups = self.queues.groups_of(self.queues.get(number));
        let there = groups.map(|group| concerned(group, plan)).sum();
        plan.ids.as_ref().map_or(there, |ids| ids.len() as u64)
    }

    /// A message begins a new life under a new id: its payload stays where it lies, its counters start anew, and it
    /// takes its ordering key's last place. In a queue that had it its group alone gets it.
    fn redrive(&mut self, id: MessageId, to: QueueNumber, new: MessageId, expires_at_ms: u64) {
        let slot = self.slot(id);
        let old = self.messages[slot];
        match old.place() {
            Place::Leased => panic!("a leased message is redriven"),
            // It may have stood before others when a receive looked.
            Place::Ready => self.wake(old.queue),
            _ => {}
        }
        let had_it = self.had(slot, self.queues.get(to));
        let ordering_key = self.ordering_key(slot);
        let own_retries = self.history.own_retries(slot, &old);
        let death = self.history.death(slot, &old).map(Death::redriven);
        let mut message = self.message(new, to, old.priority, old.envelope());
        message.set_expiry(expires_at_ms);
        message.set(Flag::Moved, old.has(Flag::Moved));
        self.live.take(old.envelope(), true);
        self.history
            .set_own_retries(new.slot, &mut message, own_retries);
        if let Some(death) = death {
            self.history.set_death(new.slot, &mut message, death);
        }
        self.messages.insert(new.slot, message);
        self.hold_errors(new.slot);
        if old.flow != NONE {
            self.join_flow(new.slot, self.flows[old.flow].hash);
        }
        match ordering_key {
            Some(hash) => self.join_key(new.slot, hash, self.cursor.now_ms),
            None => self.settle_in(new.slot, Place::Ready, self.cursor.now_ms, End::Back),
        }
        // The other groups had their own copies. What is in `default` alone needs no entry beside it.
        let group = &self.queues.get(to).group;
        if !(had_it && group.is_default()) {
            self.copy_to_groups(new.slot);
        }
        self.remove(slot);
    }
}

/// What nobody holds of a group's messages in the state that a sweep is about. Of a further group only what is dead is
/// redriven.
fn concerned(group: &Queue, plan: &SweepPlan) -> u64 {
    let Counts {
        ready,
        blocked,
        delayed,
        leased: _,
        dead,
    } = group.counts;
    let is_redrive = matches!(plan.action, SweepAction::Redrive { .. });
    let is_whole = !is_redrive || group.group.is_default();
    match plan.filter.state {
        Some(Shown::Dead) => dead,
        None if is_redrive => dead + if is_whole { group.letters } else { 0 },
        _ if !is_whole => 0,
        Some(Shown::Ready) => ready,
        Some(Shown::Blocked) => blocked,
        Some(Shown::Delayed) => delayed,
        Some(Shown::Leased) => 0,
        None => ready + blocked + delayed,
    }
}
