//! What time does by itself, and how a message changes its place.

use engine::Step;
use engine::record::DeathReason;
use engine::reply::State;

use super::message::{Death, Ending, Text};
use super::{Message, Model};

impl Model {
    /// Everything that is due, one after the other: the earliest first, the older message first.
    pub(super) fn fire_timers(&mut self) {
        loop {
            let due =
                |message: &Message| message.deadline_ms().map(|at_ms| (at_ms, message.number));
            let first = self.messages.iter().filter_map(due).min();
            match first {
                Some((at_ms, number)) if at_ms <= self.now_ms => self.fire(number),
                _ => return,
            }
        }
    }

    fn fire(&mut self, number: u64) {
        let at = self.position(number).expect("it is there");
        let state = self.messages[at].state;
        if state == State::Leased && self.is_last_attempt(at) {
            let went = self.die(at, DeathReason::LeaseEnded, None);
            self.saw(Some(state), "lease end", went);
        } else if self.messages[at].is_expired(self.now_ms) {
            let went = self.die(at, DeathReason::Expired, None);
            self.saw(Some(state), "expire", went);
        } else if state == State::Leased {
            self.lease_ends(at);
        } else {
            self.place(at, State::Ready, self.now_ms);
            self.saw(Some(state), "due", "ready");
        }
    }

    fn lease_ends(&mut self, at: usize) {
        let number = self.messages[at].number;
        let drawn = self.drawn.iter().position(|&(drawn, _)| drawn == number);
        let (_, due_ms) = self
            .drawn
            .remove(drawn.expect("a lease that ended is retried"));
        self.check_backoff(at, due_ms);
        self.fail(at, None);
        self.place_when_due(at, due_ms);
        self.saw(
            Some(State::Leased),
            "lease end",
            super::look::name(self.messages[at].state),
        );
    }

    /// Whether one more failure is one too many.
    pub(super) fn is_last_attempt(&self, at: usize) -> bool {
        let message = &self.messages[at];
        let most = message
            .max_retries
            .unwrap_or(self.queue_of(message).config.max_retries);
        message.attempts + 1 > most
    }

    /// The delay grows with the attempts up to a cap, and jitter only shortens it.
    pub(super) fn check_backoff(&self, at: usize, due_ms: u64) {
        let message = &self.messages[at];
        let backoff = self.queue_of(message).config.backoff;
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
    ) -> &'static str {
        if self.messages[at].state == State::Leased {
            self.fail(at, error);
        }
        let message = self.messages[at].clone();
        let earlier = message.death.as_ref();
        let own = &self.queue_of(&message).name;
        let death = Death {
            reason,
            source_queue: earlier.map_or_else(|| own.clone(), |death| death.source_queue.clone()),
            source_number: earlier.map_or(message.number, |death| death.source_number),
            deliveries: message.deliveries,
            attempts: message.attempts,
            first_failure_ms: message.first_failure_ms,
            last_failure_ms: message.last_failure_ms,
            error: message.error,
        };
        let by_nack = matches!(
            reason,
            DeathReason::RetriesExhausted | DeathReason::Rejected
        );
        let delivery = message.deliveries;
        self.woken
            .extend((message.state == State::Ready).then_some(message.queue));
        if let Some(queue) = self.dead_letter_queue_of(message.queue) {
            if by_nack {
                self.endings.push(Ending {
                    number: message.number,
                    delivery,
                    acked: false,
                });
            }
            let letter = self.add(queue, message.priority, message.token, message.bytes);
            self.messages[letter].death = Some(death);
            self.place(letter, State::Ready, self.now_ms);
            self.remove(at);
            return "deadLettered";
        }
        self.messages[at].death = Some(death);
        self.messages[at].nacked = by_nack.then_some(delivery);
        self.place(at, State::Dead, self.now_ms);
        self.next_of_key(&message);
        "dead"
    }

    /// Gone for good.
    pub(super) fn remove(&mut self, at: usize) {
        let message = self.messages.remove(at);
        self.next_of_key(&message);
    }

    /// The message left its ordering key. If it was the first, the next one has its turn.
    fn next_of_key(&mut self, left: &Message) {
        let Some(key) = left.ordering_key else { return };
        let of_key = |other: &Message| {
            other.queue == left.queue
                && other.ordering_key == Some(key)
                && other.state != State::Dead
        };
        let Some(at) = self.messages.iter().position(of_key) else {
            return;
        };
        if self.messages[at].state == State::Blocked {
            let due_ms = self.messages[at].at_ms;
            self.place_when_due(at, due_ms);
            self.saw(
                Some(State::Blocked),
                "turn",
                super::look::name(self.messages[at].state),
            );
        }
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
        self.last_line += 1;
        let message = &mut self.messages[at];
        (message.state, message.at_ms, message.line) = (state, at_ms, self.last_line);
        if state == State::Ready {
            self.woken.push(message.queue);
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
            let ahead = self.messages[..index].iter().any(|other| {
                other.queue == message.queue
                    && other.ordering_key == Some(key)
                    && other.state != State::Dead
            });
            assert_eq!(
                ahead,
                message.state == State::Blocked,
                "only the first of a key has its turn"
            );
        }
    }

    /// A poll that waits must be told when there is something for it.
    pub(super) fn check_woken(&self, step: &Step) {
        for queue in self
            .queues
            .iter()
            .filter(|queue| self.woken.contains(&queue.number))
        {
            let is_ready =
                |message: &&Message| message.queue == queue.number && message.state == State::Ready;
            let ready = self.messages.iter().filter(is_ready).count() as u64;
            let told = step
                .woken
                .iter()
                .any(|(name, count)| *name == queue.name && *count == ready);
            assert!(
                told || ready == 0,
                "nobody is told that {ready} are ready in {}",
                queue.name
            );
        }
    }

    /// The next step must come in time, and a step that is due must do something.
    pub(super) fn check_deadline(&self, step: &Step) {
        let earliest = self.messages.iter().filter_map(Message::deadline_ms).min();
        let told = step.next_deadline_ms;
        if let Some(earliest) = earliest {
            let told = told.expect("a deadline is told");
            assert!(
                told <= earliest,
                "the next deadline is {earliest}, not {told}"
            );
        }
        let idle = step.records.is_empty() && told.is_some_and(|told| told <= self.now_ms);
        assert!(!idle, "a deadline is due and nothing comes of it");
    }
}
