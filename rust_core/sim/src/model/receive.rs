//! receive: which messages may go, and why no more.

use engine::command::Command;
use engine::config::Scheduling;
use engine::reply::{Delivered, Limited, LimitedBy, Reply, State};

use super::{Message, Model};

impl Model {
    pub(super) fn receive(&mut self, command: &Command, reply: &Reply) {
        let Command::Receive {
            queue,
            group,
            messages_max,
            visibility_timeout_ms,
            answer_bytes_max,
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
        let mut bytes_left = *answer_bytes_max;
        for (index, delivered) in messages.iter().enumerate() {
            let bytes = self.deliver((at, group), delivered, until_ms);
            assert!(index == 0 || bytes <= bytes_left, "the answer is too long");
            bytes_left = bytes_left.saturating_sub(bytes);
        }
        let max = *messages_max as usize;
        let why = self.check_rest((at, group), messages.len(), max, bytes_left);
        assert_eq!(
            *limited,
            why.filter(|_| messages.is_empty()),
            "why there are no more"
        );
    }

    /// One message goes. Returns its bytes in the answer.
    fn deliver(&mut self, line: (usize, usize), delivered: &Delivered, until_ms: u64) -> u64 {
        let (queue, group) = (&self.queues[line.0], &self.queues[line.0].groups[line.1]);
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
            message.expires_at_ms,
        );
        let found = (
            delivered.priority,
            delivered.ready_since_ms,
            delivered.leased_until_ms,
            delivered.expires_at_ms,
        );
        assert_eq!(found, expected, "priority and instants of message {number}");
        let bytes = message.answer_bytes();
        self.learn(at, delivered.message);
        self.learn_slot(at, lease.message);
        self.check_texts(at, delivered.envelope, delivered.dead_letter.as_deref());
        self.lease(at, line, until_ms);
        bytes
    }

    fn lease(&mut self, at: usize, line: (usize, usize), until_ms: u64) {
        let message = &mut self.messages[at];
        message.deliveries += 1;
        message.nacked = None;
        self.place(at, State::Leased, until_ms);
        let now_ms = self.now_ms;
        if let Some(bucket) = &mut self.queues[line.0].groups[line.1].bucket {
            bucket.take(now_ms);
        }
        self.saw(Some(State::Ready), "receive", "leased");
    }

    /// Fewer went than were asked for: there must be a reason.
    fn check_rest(
        &mut self,
        line: (usize, usize),
        count: usize,
        max: usize,
        bytes_left: u64,
    ) -> Option<Limited> {
        self.see_passed_over(line);
        let next = self.next_in_line(line);
        if count == max || next.is_empty() {
            return None;
        }
        let (now_ms, queue) = (self.now_ms, &self.queues[line.0]);
        if self.leases_left(queue, queue.groups[line.1].home) == 0 {
            self.saw(Some(State::Ready), "receive", "as many as may be");
            return limit(LimitedBy::InFlight, None);
        }
        let bucket = self.queues[line.0].groups[line.1].bucket.as_mut();
        let wait_ms = bucket.map_or(0, |bucket| bucket.wait_ms(now_ms));
        if wait_ms > 0 {
            self.saw(Some(State::Ready), "receive", "limited");
            return limit(LimitedBy::QueueRateLimit, Some(wait_ms));
        }
        let fits = |&at: &usize| count == 0 || self.messages[at].answer_bytes() <= bytes_left;
        assert!(
            !next.iter().all(fits),
            "messages are ready and none is delivered"
        );
        self.saw(Some(State::Ready), "receive", "does not fit");
        None
    }

    fn see_passed_over(&self, line: (usize, usize)) {
        let home = self.queues[line.0].groups[line.1].home;
        for message in self.messages.iter().filter(|message| message.home == home) {
            if message.state != State::Ready {
                self.saw(Some(message.state), "receive", "passed over");
            }
        }
    }

    /// The messages that may go next: the first one of the level whose turn it is.
    fn next_in_line(&self, (queue, group): (usize, usize)) -> Vec<usize> {
        let queue = &self.queues[queue];
        let home = queue.groups[group].home;
        let waiting = self.messages.iter().enumerate().filter(|(_, message)| {
            let is_ready = message.home == home && message.state == State::Ready;
            is_ready && !message.is_expired(self.now_ms)
        });
        let waiting: Vec<(usize, &Message)> = waiting.collect();
        let is_first = |&&(_, message): &&(usize, &Message)| {
            let same = |other: &&(usize, &Message)| other.1.priority == message.priority;
            let mut level = waiting.iter().filter(same);
            level.all(|(_, other)| other.line >= message.line)
        };
        let rank = |message: &Message| match queue.config.scheduling {
            Scheduling::Strict => (0, -i128::from(message.priority)),
            Scheduling::Fair { aging_ms } => {
                let priority = i128::from(message.priority);
                let aged = i128::from(message.at_ms) - priority * i128::from(aging_ms);
                (aged, -priority)
            }
        };
        let firsts = waiting.iter().filter(is_first);
        let first = firsts.min_by_key(|(_, message)| rank(message));
        first.map(|&(at, _)| at).into_iter().collect()
    }
}

fn limit(by: LimitedBy, retry_after_ms: Option<u64>) -> Option<Limited> {
    Some(Limited { by, retry_after_ms })
}
