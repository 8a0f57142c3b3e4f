//! What time does by itself, and how a message changes its place.

use std::sync::Arc;

use engine::Step;
use engine::ids::MessageId;
use engine::record::DeathReason;
use engine::reply::State;

use super::message::{Death, Ending, Text};
use super::{Message, Model, Queue};

impl Model {
    /// Everything that is due, one after the other: the earliest first, the older message first.
    pub(super) fn fire_timers(&mut self) {
        loop {
            let due =
                |message: &Message| message.deadline_ms().map(|at_ms| (at_ms, message.number));
            let first = self.messages.iter().filter_map(due).min();
            let Some((at_ms, number)) = first.filter(|(at_ms, _)| *at_ms <= self.now_ms) else {
                return;
            };
            let is_due = |message: &Message| {
                message.number == number && message.deadline_ms() == Some(at_ms)
            };
            let all = 0..self.messages.len();
            let copies: Vec<usize> = all.filter(|&at| is_due(&self.messages[at])).collect();
            self.fire(self.first_to_fire(&copies));
        }
    }

    /// Copies of one message that are due at the same time go in the order of their slots. One that nobody ever saw
    /// has an unknown one; then it is all the same.
    fn first_to_fire(&self, copies: &[usize]) -> usize {
        let number = self.messages[copies[0]].number;
        let mut lettered = self.lettered.iter();
        let next = lettered.find(|id| id.number == number).map(|id| id.slot);
        let is_next = |at: &&usize| next.is_some() && self.messages[**at].slot == next;
        let is_unseen = |at: &&usize| next.is_some() && self.messages[**at].slot.is_none();
        let mut of_record = copies.iter().find(is_next);
        of_record = of_record.or_else(|| copies.iter().find(is_unseen));
        *of_record.unwrap_or(&copies[0])
    }

    pub(super) fn fire(&mut self, at: usize) {
        let state = self.messages[at].state;
        let number = self.messages[at].number;
        let reason = match state == State::Leased && self.is_last_attempt(at) {
            true => Some(DeathReason::LeaseEnded),
            false => {
                Some(DeathReason::Expired).filter(|_| self.messages[at].is_expired(self.now_ms))
            }
        };
        if let Some(reason) = reason {
            let is_unseen = self.messages[at].slot.is_none() && !self.is_first(at);
            let went = self.die(at, reason, None, is_unseen);
            let verb = if reason == DeathReason::Expired {
                "expire"
            } else {
                "lease end"
            };
            self.saw(Some(state), verb, went);
            let lettered = self.lettered.iter().position(|id| id.number == number);
            lettered.map(|lettered| self.lettered.remove(lettered));
        } else if state == State::Leased {
            self.lease_ends(at);
        } else {
            self.place(at, State::Ready, self.now_ms);
            self.saw(Some(state), "due", "ready");
        }
    }

    fn lease_ends(&mut self, at: usize) {
        let message = &self.messages[at];
        let is_it = |id: &MessageId| (id.number, Some(id.slot)) == (message.number, message.slot);
        let drawn = self.drawn.iter().position(|(drawn, _)| is_it(drawn));
        let (_, due_ms) = self
            .drawn
            .remove(drawn.expect("a lease that ended is retried"));
        self.check_backoff(at, due_ms);
        self.fail(at, None);
        self.place_when_due(at, due_ms);
        let state = self.messages[at].state;
        self.saw(Some(State::Leased), "lease end", super::look::name(state));
    }

    /// Whether one more failure is one too many.
    pub(super) fn is_last_attempt(&self, at: usize) -> bool {
        let message = &self.messages[at];
        let own = message.max_retries.filter(|_| !message.is_letter());
        let most = own.unwrap_or(self.queue_of(message).config.max_retries);
        message.attempts + 1 > most
    }

    /// The delay grows with the attempts up to a cap, and jitter only shortens it.
    pub(super) fn check_backoff(&self, at: usize, due_ms: u64) {
        let message = &self.messages[at];
        let own = message.backoff.filter(|_| !message.is_letter());
        let backoff = own.unwrap_or(self.queue_of(message).config.backoff);
        let growth = f64::from(backoff.multiplier_permille) / 1000.0;
        let grown = backoff.initial_ms as f64 * growth.powi(message.attempts as i32);
        let most = grown.min(backoff.max_ms as f64);
        let least = most * (1.0 - f64::from(backoff.jitter_permille) / 1000.0);
        let delay = (due_ms - self.now_ms) as f64;
        let allowed = least * 0.999 - 2.0..=most + 1.0;
        assert!(
            allowed.contains(&delay),
            "a backoff of {delay} ms is not in {allowed:?}"
        );
    }

    pub(super) fn fail(&mut self, at: usize, error: Option<Text>) {
        let now_ms = self.now_ms;
        let message = &mut self.messages[at];
        if message.attempts == 0 {
            message.first_failure_ms = now_ms;
        }
        message.attempts += 1;
        message.last_failure_ms = now_ms;
        message.error = error.or(message.error);
    }

    /// It can't be delivered: into the dead-letter queue, or dead where it is. Says which.
    pub(super) fn die(
        &mut self,
        at: usize,
        reason: DeathReason,
        error: Option<Text>,
        is_unseen: bool,
    ) -> &'static str {
        if self.messages[at].state == State::Leased {
            self.fail(at, error);
        }
        let message = self.messages[at].clone();
        let death = self.death_of(&message, reason, is_unseen);
        let by_nack = matches!(
            reason,
            DeathReason::RetriesExhausted | DeathReason::Rejected
        );
        let (delivery, home) = (message.deliveries, message.home);
        self.wake_if(home, message.state == State::Ready);
        if let Some(queue) = self.dead_letter_queue_of(home) {
            if by_nack {
                let (number, group) = (message.number, self.group_of(home).number);
                self.endings.push(Ending {
                    number,
                    group,
                    delivery,
                    acked: false,
                    followed: Vec::new(),
                });
            }
            let letter = self.add(queue, message.priority, message.token, message.bytes);
            let homes = self.queues[queue]
                .groups
                .iter()
                .map(|group| group.home)
                .collect();
            self.messages[letter].death = Some(death);
            self.messages[letter].fairness_key = message.fairness_key;
            // They rest until it is redriven.
            self.messages[letter].max_retries = message.max_retries;
            self.messages[letter].backoff = message.backoff;
            self.place(letter, State::Ready, self.now_ms);
            self.copy(letter, homes, self.now_ms);
            self.remove(self.position(message.number, home).expect("it is there"));
            return "deadLettered";
        }
        self.leave(at);
        let group = self.group_of(home).name.clone();
        let source_group = death.source_group.clone().or(Some(group));
        self.messages[at].death = Some(Death {
            source_group,
            ..death
        });
        self.messages[at].nacked = by_nack.then_some(delivery);
        self.place(at, State::Dead, self.now_ms);
        self.next_of_key(&message);
        "dead"
    }

    fn death_of(&self, message: &Message, reason: DeathReason, is_unseen: bool) -> Death {
        let earlier = message.death.clone();
        let redrives = earlier.as_ref().map_or(0, |death| death.redrives);
        let had_key = earlier.as_ref().and_then(|death| death.ordering_key);
        let earlier = earlier.filter(|death| !death.over);
        let source = earlier.map_or_else(
            || {
                let group = &self.group_of(message.home).name;
                let group = Some(group.clone()).filter(|_| !is_unseen);
                (self.queue_of(message).name.clone(), group, message.number)
            },
            |death| (death.source_queue, death.source_group, death.source_number),
        );
        Death {
            reason,
            source_queue: source.0,
            source_group: source.1,
            source_number: source.2,
            deliveries: message.deliveries,
            attempts: message.attempts,
            first_failure_ms: message.first_failure_ms,
            last_failure_ms: message.last_failure_ms,
            error: message.error,
            died_at_ms: self.now_ms,
            ordering_key: message.ordering_key.or(had_key),
            redrives,
            over: false,
        }
    }

    /// Gone for good.
    pub(super) fn remove(&mut self, at: usize) {
        self.leave(at);
        let message = self.messages.remove(at);
        self.next_of_key(&message);
    }

    /// The message left its ordering key. If it was the first, the next one has its turn.
    fn next_of_key(&mut self, left: &Message) {
        let Some(key) = left.ordering_key else { return };
        let of_key = |other: &Message| other.is_of_key(left.home, key);
        let Some(at) = self.messages.iter().position(of_key) else {
            return;
        };
        if self.messages[at].state == State::Blocked {
            let due_ms = self.messages[at].at_ms;
            self.place_when_due(at, due_ms);
            let state = self.messages[at].state;
            self.saw(Some(State::Blocked), "turn", super::look::name(state));
        }
    }

    /// It leaves the place it has. With the end of a lease another message may go, where leases are bounded.
    pub(super) fn leave(&mut self, at: usize) {
        let message = &self.messages[at];
        let is_bounded = self.queue_of(message).config.in_flight_max > 0;
        let home = message.home;
        self.wake_if(home, is_bounded && message.state == State::Leased);
    }

    pub(super) fn wake_if(&mut self, home: u32, is_so: bool) {
        if is_so {
            self.wake(home);
        }
    }

    /// Whoever asks may find something now.
    pub(super) fn wake(&mut self, home: u32) {
        self.woken.push((home, None));
        let members = self.group_of(home).members.iter();
        let members = members.map(|member| (home, Some(member.name.clone())));
        self.woken.extend(members.collect::<Vec<_>>());
    }

    pub(super) fn place_when_due(&mut self, at: usize, due_ms: u64) {
        if due_ms <= self.now_ms {
            self.place(at, State::Ready, self.now_ms);
        } else {
            self.place(at, State::Delayed, due_ms);
        }
    }

    /// To the back of those of its state.
    pub(super) fn place(&mut self, at: usize, state: State, at_ms: u64) {
        self.leave(at);
        self.last_line += 1;
        let message = &mut self.messages[at];
        (message.state, message.at_ms, message.line) = (state, at_ms, self.last_line);
        message.holder = None;
        if state == State::Ready {
            self.assign(at);
            let message = &self.messages[at];
            let owner = message.list.clone().filter(|owner| !owner.is_empty());
            self.woken.push((message.home, owner));
        }
    }

    // -- what holds after every step

    pub(super) fn check_invariants(&self) {
        for (index, message) in self.messages.iter().enumerate() {
            let Some(key) = message
                .ordering_key
                .filter(|_| message.state != State::Dead)
            else {
                continue;
            };
            let mut before = self.messages[..index].iter();
            let ahead = before.any(|other| other.is_of_key(message.home, key));
            assert_eq!(
                ahead,
                message.state == State::Blocked,
                "only the first of a key has its turn"
            );
        }
    }

    /// A poll that waits must be told when there is something for it.
    pub(super) fn check_woken(&self, step: &Step) {
        for queue in self.queues.iter().filter(|queue| !queue.paused.receive) {
            for (at, group) in queue.groups.iter().enumerate() {
                let line = match group.number {
                    0 => queue.name.to_string(),
                    _ => format!("{}/{}", queue.name, group.name),
                };
                let free = self.leases_left(queue, group.home);
                let here = self.messages.iter().filter(|one| one.home == group.home);
                let ready = here.filter(|one| one.state == State::Ready);
                let woken = self.woken.iter().filter(|(home, _)| *home == group.home);
                for name in woken.map(|(_, name)| name) {
                    let who = name.as_deref().unwrap_or("");
                    let for_it = ready.clone().filter(|one| one.is_for(queue, at, who));
                    let for_it = (for_it.count() as u64).min(free);
                    let of_it = ready.clone().filter(|one| one.list == *name).count() as u64;
                    let told = match name {
                        None => {
                            let told =
                                |(of, count): &(Arc<str>, u64)| **of == line && *count == for_it;
                            step.woken.iter().any(told)
                        }
                        Some(_) => {
                            let told = |(of, who, count): &(Arc<str>, Arc<str>, u64)| {
                                **of == line && Some(&**who) == name.as_deref() && *count == of_it
                            };
                            of_it == 0 || step.woken_members.iter().any(told)
                        }
                    };
                    let nothing = for_it == 0;
                    assert!(told || nothing, "{who:?} is not told of {for_it} in {line}");
                }
            }
        }
    }

    /// Leases that the queue's bound allows still.
    pub(super) fn leases_left(&self, queue: &Queue, home: u32) -> u64 {
        match queue.config.in_flight_max {
            0 => u64::MAX,
            most => u64::from(most).saturating_sub(self.count(home, State::Leased)),
        }
    }

    /// The next step must come in time, and a step that is due must do something.
    pub(super) fn check_deadline(&self, step: &Step) {
        let free = |message: &&Message| message.state != State::Leased;
        let free = self.messages.iter().filter(free);
        let retires = free.filter_map(|message| self.retires_ms(message));
        let timers = self.messages.iter().filter_map(Message::deadline_ms);
        let ends = |queue: &Queue| {
            let timeout_ms = queue.config.session_timeout_ms;
            let members = queue.groups.iter().flat_map(|group| &group.members);
            members.map(|member| member.seen_ms + timeout_ms).min()
        };
        let sessions = self.queues.iter().filter_map(ends);
        let earliest = timers.chain(retires).chain(sessions).min();
        let told = step.next_deadline_ms;
        if let Some(earliest) = earliest {
            let told = told.expect("a deadline is told");
            assert!(
                told <= earliest.max(self.now_ms),
                "the next deadline is {earliest}, not {told}"
            );
        }
        let idle = step.records.is_empty() && told.is_some_and(|told| told <= self.now_ms);
        assert!(!idle, "a deadline is due and nothing comes of it");
    }
}
