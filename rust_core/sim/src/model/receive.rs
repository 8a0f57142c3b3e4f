//! receive: which messages may go, and why no more.

use engine::command::Command;
use engine::config::Scheduling;
use engine::reply::{Delivered, Limited, LimitedBy, Reply, State};

use super::{Message, Model};

/// Whom the messages of a receive go to.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    queue: usize,
    group: usize,
    consumer: &'a str,
}

impl Model {
    pub(super) fn receive(&mut self, command: &Command, reply: &Reply) {
        let Command::Receive {
            queue,
            group,
            consumer,
            members_max,
            wait_ms,
            ..
        } = command
        else {
            unreachable!("only a receive comes here")
        };
        let found = self.named(queue);
        let found = found.and_then(|at| Ok((at, self.group(at, group)?)));
        let (at, group) = match found {
            Ok(found) => found,
            Err(rejection) => return assert_eq!(*reply, Reply::Rejected(rejection)),
        };
        if let Err(rejection) = self.join(at, group, consumer, *members_max) {
            return assert_eq!(*reply, Reply::Rejected(rejection));
        }
        let shadow = self.queues[at].groups[group].shadow;
        if !self.repeat(shadow, command, reply) {
            self.hand_out((at, group), command, reply);
            self.remember_attempt(shadow, command, reply);
        }
        let found = matches!(reply, Reply::Received { messages, .. } if !messages.is_empty());
        let until_ms = self.now_ms + if found { 0 } else { *wait_ms };
        self.see(at, group, consumer, |seen_ms| seen_ms.max(until_ms));
    }

    fn hand_out(&mut self, (at, group): (usize, usize), command: &Command, reply: &Reply) {
        let Command::Receive {
            consumer,
            messages_max,
            visibility_timeout_ms,
            answer_bytes_max,
            ..
        } = command
        else {
            unreachable!("only a receive comes here")
        };
        let Reply::Received { messages, limited } = reply else {
            panic!("a receive is answered with {reply:?}")
        };
        assert!(
            messages.len() <= *messages_max as usize,
            "more than were asked for"
        );
        if self.queues[at].paused.receive {
            self.saw(None, "receive", "paused");
            assert!(messages.is_empty(), "a paused queue hands out nothing");
            return assert_eq!(*limited, limit(LimitedBy::Paused, None));
        }
        let own_ms = self.queues[at].config.visibility_timeout_ms;
        let until_ms = self.now_ms + visibility_timeout_ms.unwrap_or(own_ms);
        let line = Line {
            queue: at,
            group,
            consumer,
        };
        let mut bytes_left = *answer_bytes_max;
        for (index, delivered) in messages.iter().enumerate() {
            let bytes = self.deliver(line, delivered, until_ms);
            assert!(index == 0 || bytes <= bytes_left, "the answer is too long");
            bytes_left = bytes_left.saturating_sub(bytes);
        }
        let left = *messages_max as usize - messages.len();
        let why = self.check_rest(line, left, messages.is_empty(), bytes_left);
        assert_eq!(
            *limited,
            why.filter(|_| messages.is_empty()),
            "why there are no more"
        );
    }

    /// One message goes. Returns its bytes in the answer.
    fn deliver(&mut self, line: Line, delivered: &Delivered, until_ms: u64) -> u64 {
        let (queue, group) = (
            &self.queues[line.queue],
            &self.queues[line.queue].groups[line.group],
        );
        assert!(
            self.leases_left(queue, group.home) > 0,
            "more are leased than may be"
        );
        let number = delivered.lease.message.number;
        let at = self
            .position(number, group.home)
            .expect("a message is delivered that is gone");
        let message = &self.messages[at];
        assert!(
            self.next_in_line(line).contains(&at),
            "message {number} ({message:?}) is delivered, which is not its turn"
        );
        let expected = (group.number, message.deliveries + 1, message.attempts);
        let lease = delivered.lease;
        let found = (lease.group.0, lease.delivery, delivered.attempts);
        assert_eq!(
            found, expected,
            "group, delivery, attempts of message {number}"
        );
        let expected = (
            message.priority,
            message.at_ms,
            until_ms,
            self.ends_ms(message),
        );
        let found = (
            delivered.priority,
            delivered.ready_since_ms,
            delivered.leased_until_ms,
            delivered.expires_at_ms,
        );
        assert_eq!(found, expected, "priority and instants of message {number}");
        let bytes = message.answer_bytes();
        assert_eq!(
            delivered.told, 0,
            "message {number} is told for the first time"
        );
        self.learn(at, delivered.message);
        self.learn_slot(at, lease.message);
        self.check_delivered_texts(at, delivered);
        self.lease(at, line, until_ms);
        bytes
    }

    fn lease(&mut self, at: usize, line: Line, until_ms: u64) {
        let message = &mut self.messages[at];
        message.deliveries += 1;
        message.nacked = None;
        let key = message.fairness_key;
        self.place(at, State::Leased, until_ms);
        // Whoever has a name became a member.
        let holder = Some(line.consumer).filter(|name| !name.is_empty());
        self.messages[at].holder = holder.map(Into::into);
        self.messages[at].held_since_ms = self.now_ms;
        let now_ms = self.now_ms;
        let limits = &mut self.queues[line.queue].groups[line.group].limits;
        if let Some(bucket) = &mut limits.group {
            bucket.take(now_ms);
        }
        limits.consumers.take(&line.consumer.into(), now_ms);
        key.iter().for_each(|key| limits.keys.take(key, now_ms));
        self.saw(Some(State::Ready), "receive", "leased");
    }

    /// Fewer went than were asked for: there must be a reason.
    fn check_rest(
        &mut self,
        line: Line,
        left: usize,
        is_first: bool,
        bytes_left: u64,
    ) -> Option<Limited> {
        self.see_passed_over(line);
        let (now_ms, queue) = (self.now_ms, &self.queues[line.queue]);
        let group = &queue.groups[line.group];
        let ready = self
            .messages
            .iter()
            .filter(|message| self.is_ready_for(line, message));
        if left == 0 {
            return None;
        }
        if ready.count() == 0 {
            return self.all_stick_to_others(group.home);
        }
        if self.leases_left(queue, group.home) == 0 {
            self.saw(Some(State::Ready), "receive", "as many as may be");
            return limit(LimitedBy::InFlight, None);
        }
        let wait_ms = group
            .limits
            .group
            .map_or(0, |mut bucket| bucket.wait_ms(now_ms));
        if wait_ms > 0 {
            self.saw(Some(State::Ready), "receive", "limited");
            return limit(LimitedBy::QueueRateLimit, Some(wait_ms));
        }
        let wait_ms = group
            .limits
            .consumers
            .wait_ms(&line.consumer.into(), now_ms);
        if wait_ms > 0 {
            self.saw(Some(State::Ready), "receive", "consumer limited");
            return limit(LimitedBy::Consumer, Some(wait_ms));
        }
        let next = self.next_in_line(line);
        let may_go = |message: &Message| self.is_ready_for(line, message) && !self.is_over(message);
        if !self.messages.iter().any(may_go) {
            return None;
        }
        if next.is_empty() {
            self.saw(Some(State::Ready), "receive", "key limited");
            return limit(LimitedBy::Key, self.keys_wait_ms(line));
        }
        let fits = |&at: &usize| is_first || self.messages[at].answer_bytes() <= bytes_left;
        // One that came back after its time was over ends a receive: its timer is due.
        let is_over = |message: &Message| self.is_ready_for(line, message) && self.is_over(message);
        let is_ended = self.messages.iter().any(is_over);
        let is_free = next.iter().all(fits) && !is_ended;
        assert!(!is_free, "messages are ready and none is delivered");
        self.saw(Some(State::Ready), "receive", "does not fit");
        None
    }

    /// Nothing is ready for whoever asks: of others there may be something.
    fn all_stick_to_others(&self, home: u32) -> Option<Limited> {
        if self.count(home, State::Ready) == 0 {
            return None;
        }
        self.saw(Some(State::Ready), "receive", "of others");
        limit(LimitedBy::KeyAssigned, None)
    }

    /// Ready in its group, and of no key that sticks to somebody else.
    fn is_ready_for(&self, line: Line, message: &Message) -> bool {
        let queue = &self.queues[line.queue];
        let home = queue.groups[line.group].home;
        let is_ready = message.home == home && message.state == State::Ready;
        is_ready && message.is_for(queue, line.group, line.consumer)
    }

    fn see_passed_over(&self, line: Line) {
        let home = self.queues[line.queue].groups[line.group].home;
        for message in self.messages.iter().filter(|message| message.home == home) {
            if message.state != State::Ready {
                self.saw(Some(message.state), "receive", "passed over");
            }
        }
    }

    /// How long the messages of a key may not go; None: until one of them is done.
    fn key_waits_ms(&self, line: Line, key: Option<u64>) -> Option<u64> {
        let Some(key) = key else { return Some(0) };
        let queue = &self.queues[line.queue];
        let group = &queue.groups[line.group];
        let is_held = |message: &&Message| {
            let same = message.home == group.home && message.fairness_key == Some(key);
            same && message.state == State::Leased
        };
        let most = queue.config.fairness.in_flight_max as usize;
        if most > 0 && self.messages.iter().filter(is_held).count() >= most {
            return None;
        }
        Some(group.limits.keys.wait_ms(&key, self.now_ms))
    }

    /// When the first of the keys may go that all have to wait.
    fn keys_wait_ms(&self, line: Line) -> Option<u64> {
        let ready = |message: &&Message| self.is_ready_for(line, message);
        let ready = self.messages.iter().filter(ready);
        let waits = ready.filter_map(|message| self.key_waits_ms(line, message.fairness_key));
        waits.min()
    }

    /// The messages that may go next: the first one of a lane, in a level whose turn it is. A level is as old as its
    /// oldest lane; whether those count that have to wait is left open, and whose turn it is among lanes.
    fn next_in_line(&self, line: Line) -> Vec<usize> {
        let queue = &self.queues[line.queue];
        let waiting = self
            .messages
            .iter()
            .enumerate()
            .filter(|(_, message)| self.is_ready_for(line, message) && !self.is_over(message));
        let waiting: Vec<(usize, &Message)> = waiting.collect();
        let is_first = |&&(_, message): &&(usize, &Message)| {
            let same = |other: &&(usize, &Message)| other.1.lane() == message.lane();
            let mut lane = waiting.iter().filter(same);
            lane.all(|(_, other)| other.line >= message.line)
        };
        let firsts: Vec<(usize, &Message)> = waiting.iter().filter(is_first).copied().collect();
        let may_go = |message: &Message| self.key_waits_ms(line, message.fairness_key) == Some(0);
        let rank = |message: &Message| match queue.config.scheduling {
            Scheduling::Strict => (0, -i128::from(message.priority)),
            Scheduling::Fair { aging_ms } => {
                let priority = i128::from(message.priority);
                let aged = i128::from(message.at_ms) - priority * i128::from(aging_ms);
                (aged, -priority)
            }
        };
        let ready: Vec<(usize, &Message)> = firsts
            .iter()
            .filter(|(_, message)| may_go(message))
            .copied()
            .collect();
        let first = ready.iter().map(|(_, message)| rank(message)).min();
        let is_turn = |message: &Message| {
            let level = firsts
                .iter()
                .filter(|(_, other)| other.priority == message.priority);
            level.map(|(_, other)| rank(other)).min() <= first
        };
        let next = ready.iter().filter(|(_, message)| is_turn(message));
        next.map(|&(at, _)| at).collect()
    }
}

fn limit(by: LimitedBy, retry_after_ms: Option<u64>) -> Option<Limited> {
    Some(Limited { by, retry_after_ms })
}
