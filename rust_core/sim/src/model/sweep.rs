//! Sweeps: a queue's dead letters begin anew, or what waits is cancelled, a part at a time.
//!
//! How far each step goes is the engine's choice, and taken from its records; what becomes of a message is not, and
//! neither is what a sweep may touch. What was its business from its beginning to its end must have had its turn.

use engine::Step;
use engine::command::StartSweep;
use engine::ids::MessageId;
use engine::record::Record;
use engine::rejection::Rejection;
use engine::reply::Reply;
use engine::sweep::{SweepAction, SweepEnd, SweepPlan, SweepProgress, SweepTally, SweepView};

use super::{Message, Model};

/// A sweep, ended or not.
#[derive(Clone)]
pub(super) struct Sweep {
    number: u64,
    /// Number and life of its queue.
    pub queue: (u32, u32),
    name: Box<str>,
    pub plan: SweepPlan,
    pub created_at_ms: u64,
    /// Messages up to here are its business.
    pub numbered: u64,
    total: u64,
    cursor: u64,
    next_at_ms: u64,
    tally: SweepTally,
    sample: Vec<MessageId>,
    ended: Option<(SweepEnd, u64)>,
    /// Messages, by number and group, that were its business since it began.
    steady: Vec<(u64, u32)>,
}

/// What the engine's records say of one part of a sweep.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Advanced {
        sweep: u64,
        cursor: u64,
        tally: SweepTally,
        sample: Vec<MessageId>,
        /// What it did, before.
        acts: Vec<Record>,
    },
    Ended {
        sweep: u64,
        end: SweepEnd,
    },
}

/// The parts of a step, in order.
pub(super) fn parts(step: &Step) -> Vec<Part> {
    let (mut parts, mut acts) = (Vec::new(), Vec::new());
    for record in &step.records {
        match record {
            Record::Redriven { .. } | Record::Deleted { .. } => acts.push(record.clone()),
            Record::SweepAdvanced {
                sweep,
                cursor,
                tally,
                sample,
            } => {
                let from = acts.len() - tally.moved as usize;
                parts.push(Part::Advanced {
                    sweep: *sweep,
                    cursor: *cursor,
                    tally: *tally,
                    sample: sample.clone(),
                    acts: acts.split_off(from),
                });
            }
            &Record::SweepEnded { sweep, end } => parts.push(Part::Ended { sweep, end }),
            _ => {}
        }
    }
    parts
}

impl Model {
    pub(super) fn start_sweep(&mut self, start: &StartSweep) -> Result<Reply, Rejection> {
        let queue = &self.queues[self.named(&start.queue)?];
        let (queue, name) = ((queue.number, queue.life), queue.name.clone());
        if let SweepAction::Redrive {
            destination: Some(destination),
        } = &start.plan.action
        {
            self.named(destination)?;
        }
        let running_max = start.running_max;
        let running = self.sweeps.iter().filter(|sweep| sweep.ended.is_none());
        if running.count() as u64 >= running_max {
            return Err(Rejection::SweepsExhausted { running_max });
        }
        let mut sweep = Sweep {
            number: self.sweeps_made + 1,
            queue,
            name,
            plan: start.plan.clone(),
            created_at_ms: self.now_ms,
            numbered: self.numbered,
            total: 0,
            cursor: 0,
            next_at_ms: 0,
            tally: SweepTally::default(),
            sample: Vec::new(),
            ended: None,
            steady: Vec::new(),
        };
        self.sweeps_made += 1;
        let business = self
            .messages
            .iter()
            .filter(|message| self.is_business(&sweep, message));
        sweep.steady = business
            .map(|message| (message.number, message.home))
            .collect();
        let there = self.messages.iter();
        let there = there.filter(|message| self.is_of_total(&sweep, message));
        let ids = sweep.plan.ids.as_ref().map(Vec::len);
        sweep.total = ids.unwrap_or(there.count()) as u64;
        let view = sweep.view();
        self.sweeps.push(sweep);
        self.saw(None, "sweep", "begun");
        Ok(Reply::Sweep(Box::new(view)))
    }

    pub(super) fn get_sweep(&self, number: u64) -> Result<Reply, Rejection> {
        let mut sweeps = self.sweeps.iter();
        let found = sweeps.find(|sweep| sweep.number == number);
        let view = found.ok_or(Rejection::SweepNotFound)?.view();
        Ok(Reply::Sweep(Box::new(view)))
    }

    pub(super) fn cancel_sweep(&mut self, number: u64) -> Result<Reply, Rejection> {
        let running = |sweep: &Sweep| sweep.number == number && sweep.ended.is_none();
        if let Some(at) = self.sweeps.iter().position(running) {
            let part = self.parts.remove(0);
            let cancelled =
                matches!(part, Part::Ended { sweep, end: SweepEnd::Cancelled } if sweep == number);
            assert!(cancelled, "a cancelled sweep ends: {part:?}");
            self.end_sweep(at, SweepEnd::Cancelled);
            self.saw(None, "sweep", "cancelled");
        }
        self.get_sweep(number)
    }

    pub(super) fn step_sweep(&mut self, number: u64) -> SweepProgress {
        let running = |sweep: &Sweep| sweep.number == number && sweep.ended.is_none();
        let Some(at) = self.sweeps.iter().position(running) else {
            return SweepProgress::Over;
        };
        let sweep = self.sweeps[at].clone();
        let is_there = |queue: &super::Queue| (queue.number, queue.life) == sweep.queue;
        if !self.queues.iter().any(is_there) {
            return self.must_end(at, SweepEnd::QueueDeleted);
        }
        if sweep.left() == 0 {
            return self.must_end(at, SweepEnd::Done);
        }
        let wait_ms = sweep.next_at_ms.saturating_sub(self.now_ms);
        if wait_ms > 0 {
            self.saw(None, "sweep", "waits");
            return SweepProgress::GoOn { wait_ms };
        }
        match self.parts.first().cloned() {
            Some(Part::Advanced {
                sweep,
                cursor,
                tally,
                sample,
                acts,
            }) if sweep == number => {
                self.parts.remove(0);
                self.advance_sweep(at, cursor, &tally, &sample, &acts);
            }
            Some(Part::Ended { sweep, end }) if sweep == number => {
                self.check_all_had_their_turn(at);
                return self.must_end(at, end);
            }
            _ => {}
        }
        SweepProgress::GoOn { wait_ms: 0 }
    }

    /// What they were to find is gone: their queue is purged.
    pub(super) fn end_sweeps_of(&mut self, queue: u32) {
        for at in 0..self.sweeps.len() {
            if self.sweeps[at].ended.is_none() && self.sweeps[at].queue.0 == queue {
                self.must_end(at, SweepEnd::Done);
            }
        }
    }

    fn must_end(&mut self, at: usize, end: SweepEnd) -> SweepProgress {
        let number = self.sweeps[at].number;
        let part = self.parts.remove(0);
        let is_it =
            matches!(part, Part::Ended { sweep, end: found } if sweep == number && found == end);
        assert!(is_it, "a sweep ends as {end:?}, not {part:?}");
        self.end_sweep(at, end);
        self.saw(None, "sweep", "ended");
        SweepProgress::Over
    }

    fn end_sweep(&mut self, at: usize, end: SweepEnd) {
        let sweep = &mut self.sweeps[at];
        sweep.ended = Some((end, self.now_ms));
        sweep.plan.ids = sweep.plan.ids.take().map(|_| Vec::new());
        sweep.plan.filter = Default::default();
    }

    fn advance_sweep(
        &mut self,
        at: usize,
        cursor: u64,
        tally: &SweepTally,
        sample: &[MessageId],
        acts: &[Record],
    ) {
        let mut sweep = self.sweeps[at].clone();
        assert!(cursor > sweep.cursor, "a sweep goes forward");
        let failed: u64 = tally.failed.iter().sum();
        let done = if sweep.plan.dry_run {
            0
        } else {
            tally.matched - failed
        };
        assert_eq!(tally.moved, done, "what matches and can be done is done");
        let had_turn = sweep.cursor + 1..=cursor;
        for act in acts {
            let number = self.act(&sweep, act);
            assert!(
                had_turn.contains(&number),
                "message {number} has its turn in {had_turn:?}"
            );
        }
        sweep.cursor = cursor;
        sweep.tally = add(&sweep.tally, tally);
        sweep.sample.extend_from_slice(sample);
        if let Some(rate) = sweep.plan.rate {
            let wait_ms = (tally.moved * rate.per_ms).div_ceil(u64::from(rate.messages));
            sweep.next_at_ms = self.now_ms + wait_ms;
        }
        let is_dry = sweep.plan.dry_run;
        sweep
            .steady
            .retain(|(number, _)| !had_turn.contains(number) || (failed == 0 && !is_dry));
        self.sweeps[at] = sweep;
    }

    /// Carries out what a record says of one message, after checking that it is right.
    fn act(&mut self, sweep: &Sweep, act: &Record) -> u64 {
        let (id, to) = match act {
            Record::Deleted { message } => (*message, None),
            Record::Redriven { message, queue, .. } => (*message, Some(queue.0)),
            other => unreachable!("a sweep does not {other:?}"),
        };
        let goes_there = |message: &Message| {
            let home = || self.destination(sweep, message).ok().map(|(_, home)| home);
            to.is_none() || home().map(|home| self.group_of(home).shadow) == to
        };
        let is_it = |message: &Message| {
            let same = message.number == id.number && self.is_business(sweep, message);
            same && message.slot == Some(id.slot) && goes_there(message)
        };
        let message = self.messages.iter().find(|message| is_it(message));
        let message = message.unwrap_or_else(|| panic!("{id:?} is no business of the sweep's"));
        let at = self
            .position(message.number, message.home)
            .expect("it was found");
        let state = Some(message.state);
        match act {
            Record::Redriven { new, .. } => {
                assert_eq!(new.number, self.numbered + 1, "numbers count up by one");
                self.redrive(sweep, at, *new);
                self.saw(state, "sweep", "redriven");
            }
            _ => {
                self.gone.push(message.token);
                self.remove(at);
                self.saw(state, "sweep", "cancelled");
            }
        }
        id.number
    }

    /// After each step: what is no business of a sweep now was not so all the time.
    pub(super) fn note_business(&mut self) {
        let mut sweeps = std::mem::take(&mut self.sweeps);
        for sweep in sweeps.iter_mut().filter(|sweep| sweep.ended.is_none()) {
            let mut steady = std::mem::take(&mut sweep.steady);
            steady.retain(|&(number, home)| {
                let at = self.position(number, home);
                at.is_some_and(|at| self.is_business(sweep, &self.messages[at]))
            });
            sweep.steady = steady;
        }
        self.sweeps = sweeps;
    }

    fn check_all_had_their_turn(&self, at: usize) {
        let sweep = &self.sweeps[at];
        let left = sweep
            .steady
            .iter()
            .any(|&(number, home)| self.position(number, home).is_some());
        assert!(!left, "a sweep ends, and {:?} had no turn", sweep.steady);
    }
}

impl Sweep {
    /// How many it may do still.
    fn left(&self) -> u64 {
        let failed: u64 = self.tally.failed.iter().sum();
        let done = if self.plan.dry_run {
            self.tally.matched - failed
        } else {
            self.tally.moved
        };
        match self.plan.messages_max {
            0 => u64::MAX,
            most => most.saturating_sub(done),
        }
    }

    /// It moves dead letters of this queue, and has not ended.
    pub(super) fn redrives(&self, queue: (u32, u32)) -> bool {
        let moves = matches!(self.plan.action, SweepAction::Redrive { .. }) && !self.plan.dry_run;
        moves && self.queue == queue && self.ended.is_none()
    }

    fn view(&self) -> SweepView {
        SweepView {
            number: self.number,
            queue: self.name.clone(),
            plan: self.plan.clone(),
            total: Some(self.total),
            tally: self.tally,
            created_at_ms: self.created_at_ms,
            ended: self.ended,
            sample: self.sample.clone(),
        }
    }
}

fn add(one: &SweepTally, other: &SweepTally) -> SweepTally {
    SweepTally {
        matched: one.matched + other.matched,
        moved: one.moved + other.moved,
        skipped: one.skipped + other.skipped,
        failed: std::array::from_fn(|at| one.failed[at] + other.failed[at]),
    }
}
