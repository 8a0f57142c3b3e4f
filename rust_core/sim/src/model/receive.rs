//! receive: which messages may go, and why no more.

use engine::command::Command;
use engine::config::Scheduling;
use engine::ids::GROUP_DEFAULT;
use engine::rejection::Rejection;
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
        let at = match self.named(queue) {
            Ok(_) if **group != *"default" => {
                let (queue, group) = (queue.clone(), group.clone());
                return assert_eq!(
                    *reply,
                    Reply::Rejected(Rejection::GroupNotFound { queue, group })
                );
            }
            Ok(at) => at,
            Err(rejection) => return assert_eq!(*reply, Reply::Rejected(rejection)),
        };
        let Reply::Received { messages, limited } = reply else {
            panic!("a receive is answered with {reply:?}")
        };
        assert!(
            messages.len() <= *messages_max as usize,
            "more than were asked for"
        );
        let timeout_ms =
            visibility_timeout_ms.unwrap_or(self.queues[at].config.visibility_timeout_ms);
        let mut bytes_left = *answer_bytes_max;
        for (index, delivered) in messages.iter().enumerate() {
            let bytes = self.deliver(at, delivered, self.now_ms + timeout_ms);
            assert!(index == 0 || bytes <= bytes_left, "the answer is too long");
            bytes_left = bytes_left.saturating_sub(bytes);
        }
        let limit = self.check_rest(at, messages.len(), *messages_max as usize, bytes_left);
        assert_eq!(
            *limited,
            limit.filter(|_| messages.is_empty()),
            "why there are no more"
        );
    }

    /// One message goes. Returns its bytes in the answer.
    fn deliver(&mut self, queue: usize, delivered: &Delivered, until_ms: u64) -> u64 {
        let number = delivered.lease.message.number;
        let at = self
            .position(number)
            .expect("a message is delivered that is gone");
        let next = self.next_in_line(queue);
        assert!(
            next.contains(&at),
            "message {number} ({:?}) is delivered, which is not its turn",
            self.messages[at]
        );
        self.learn(delivered.lease.message);
        let message = &self.messages[at];
        let expected = (GROUP_DEFAULT, message.deliveries + 1, message.attempts);
        let found = (
            delivered.lease.group,
            delivered.lease.delivery,
            delivered.attempts,
        );
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
        self.check_texts(at, delivered.envelope, delivered.dead_letter.as_deref());
        let message = &mut self.messages[at];
        message.deliveries += 1;
        message.nacked = None;
        self.place(at, State::Leased, until_ms);
        let now_ms = self.now_ms;
        if let Some(bucket) = &mut self.queues[queue].bucket {
            bucket.take(now_ms);
        }
        self.saw(Some(State::Ready), "receive", "leased");
        bytes
    }

    /// Fewer went than were asked for: there must be a reason.
    fn check_rest(
        &mut self,
        queue: usize,
        count: usize,
        max: usize,
        bytes_left: u64,
    ) -> Option<Limited> {
        self.see_passed_over(queue);
        let next = self.next_in_line(queue);
        if count == max || next.is_empty() {
            return None;
        }
        let now_ms = self.now_ms;
        let bucket = self.queues[queue].bucket.as_mut();
        let retry_after_ms = bucket.map_or(0, |bucket| bucket.wait_ms(now_ms));
        if retry_after_ms > 0 {
            let by = LimitedBy::QueueRateLimit;
            self.saw(Some(State::Ready), "receive", "limited");
            let retry_after_ms = Some(retry_after_ms);
            return Some(Limited { by, retry_after_ms });
        }
        let fits = |&at: &usize| count == 0 || self.messages[at].answer_bytes() <= bytes_left;
        assert!(
            !next.iter().all(fits),
            "messages are ready and none is delivered"
        );
        self.saw(Some(State::Ready), "receive", "does not fit");
        None
    }

    fn see_passed_over(&self, queue: usize) {
        let number = self.queues[queue].number;
        for message in self
            .messages
            .iter()
            .filter(|message| message.queue == number)
        {
            if message.state != State::Ready {
                self.saw(Some(message.state), "receive", "passed over");
            }
        }
    }

    /// The messages that may go next: the first one of the level whose turn it is.
    fn next_in_line(&self, queue: usize) -> Vec<usize> {
        let queue = &self.queues[queue];
        let waiting = self.messages.iter().enumerate().filter(|(_, message)| {
            message.queue == queue.number
                && message.state == State::Ready
                && !message.is_expired(self.now_ms)
        });
        let waiting: Vec<(usize, &Message)> = waiting.collect();
        let is_first = |&&(_, message): &&(usize, &Message)| {
            let same = |other: &&(usize, &Message)| other.1.priority == message.priority;
            waiting
                .iter()
                .filter(same)
                .all(|(_, other)| other.line >= message.line)
        };
        let rank = |message: &Message| match queue.config.scheduling {
            Scheduling::Strict => (0, -i128::from(message.priority)),
            Scheduling::Fair { aging_ms } => {
                let priority = i128::from(message.priority);
                (
                    i128::from(message.at_ms) - priority * i128::from(aging_ms),
                    -priority,
                )
            }
        };
        let first = waiting
            .iter()
            .filter(is_first)
            .min_by_key(|(_, message)| rank(message));
        first.map(|&(at, _)| at).into_iter().collect()
    }
}
