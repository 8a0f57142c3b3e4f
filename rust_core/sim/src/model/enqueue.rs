//! enqueue: what is accepted, what is a duplicate, what is refused.

use engine::command::{DedupKey, NewMessage};
use engine::ids::{Location, MessageId};
use engine::record::DedupEntry;
use engine::rejection::Rejection;
use engine::reply::{Accepted, Reply, State};

use super::{Message, Model, Queue, Remembered};

type Outcome = Result<Accepted, Rejection>;

impl Model {
    pub(super) fn enqueue(
        &mut self,
        queue: &str,
        entries: &[NewMessage],
        atomic: bool,
        reply: &Reply,
    ) {
        let at = match self.named(queue) {
            Ok(at) => at,
            Err(rejection) => return assert_eq!(*reply, Reply::Rejected(rejection)),
        };
        let Reply::Enqueued(results) = reply else {
            panic!("an enqueue is answered with {reply:?}")
        };
        assert_eq!(results.len(), entries.len(), "one result an entry");
        if let Some(refusals) = self.refusals(at, entries, 0).filter(|_| atomic) {
            let results: Vec<_> = results.iter().map(|result| result.clone().err()).collect();
            return assert_eq!(results, refusals, "an atomic batch is refused as a whole");
        }
        for (entry, result) in entries.iter().zip(results) {
            self.enqueue_one(at, entry, result);
        }
    }

    fn enqueue_one(&mut self, at: usize, entry: &NewMessage, result: &Outcome) {
        if self.is_duplicate(at, entry, result) {
            return result.iter().for_each(|told| self.check_first(at, told));
        }
        if let Err(refusal) = self.admits(at, 1, 0) {
            self.saw(None, "enqueue", "refused");
            return assert_eq!(*result, Err(refusal), "the queue takes nothing more");
        }
        self.take_in(at, entry, result.as_ref().expect("accepted"));
    }

    /// With an ack: nothing is against it. Of a duplicate, [`Self::check_first`] is for when all of the ack is done.
    pub(super) fn enqueue_checked(&mut self, at: usize, entry: &NewMessage, accepted: &Accepted) {
        if !self.is_duplicate(at, entry, &Ok(*accepted)) {
            self.take_in(at, entry, accepted);
        }
    }

    fn is_duplicate(&mut self, at: usize, entry: &NewMessage, result: &Outcome) -> bool {
        let earlier = entry.dedup.and_then(|dedup| self.earlier(at, dedup.hash));
        if let (Some(earlier), Some(dedup)) = (earlier, entry.dedup) {
            let home = self.queues[at].groups[0].home;
            let state = self.state_at(earlier.number, home);
            if earlier.fingerprint != dedup.fingerprint {
                self.saw(state, "enqueue again", "conflict");
                assert_eq!(*result, Err(Rejection::DedupConflict), "another payload");
                return true;
            }
            self.saw(state, "enqueue again", "duplicate");
            let accepted = result
                .as_ref()
                .expect("a duplicate is told the first one's id");
            let first = MessageId {
                number: earlier.number,
                slot: earlier.slot,
            };
            assert_eq!(
                (accepted.duplicate, accepted.message, accepted.due_ms),
                (true, first, 0)
            );
            return true;
        }
        false
    }

    /// What a duplicate is told of the message that was there before.
    pub(super) fn check_first(&mut self, at: usize, told: &Accepted) {
        let home = self.queues[at].groups[0].home;
        let state = self.state_at(told.message.number, home);
        assert_eq!(told.state, state, "what became of the first one");
        self.check_result(told.message, told.result);
    }

    fn state_at(&self, number: u64, home: u32) -> Option<State> {
        let at = self.position(number, home)?;
        Some(self.messages[at].state)
    }

    fn take_in(&mut self, at: usize, entry: &NewMessage, accepted: &Accepted) {
        let now_ms = self.now_ms;
        if let Some(bucket) = &mut self.queues[at].groups[0].limits.ingress {
            bucket.take(now_ms);
        }
        let due_ms = self.accept(at, entry);
        assert_eq!(
            (
                accepted.duplicate,
                accepted.due_ms,
                accepted.state,
                accepted.result
            ),
            (false, due_ms, None, Location::default()),
            "accepted otherwise"
        );
        assert_eq!(
            accepted.message.number, self.numbered,
            "numbers count up by one"
        );
        let home = self.queues[at].groups[0].home;
        let new = self.position(self.numbered, home).expect("it was added");
        self.learn(new, accepted.message);
        let window_ms = self.queues[at].config.dedup_window_ms;
        let remembered = entry.dedup.filter(|dedup| remembers(window_ms, dedup));
        if let Some(dedup) = remembered {
            let queue = &self.queues[at];
            self.remembered.push(Remembered {
                queue: queue.number,
                hash: dedup.hash,
                fingerprint: dedup.fingerprint,
                expires_at_ms: match dedup.until_done {
                    true => DedupEntry::UNTIL_DONE,
                    false => self.now_ms + window_ms,
                },
                number: accepted.message.number,
                slot: accepted.message.slot,
            });
        }
    }

    /// Whether the queue takes so many more, when so many others go.
    fn admits(&self, at: usize, more: u64, leaving: u64) -> Result<(), Rejection> {
        let queue = &self.queues[at];
        let messages_max = queue.config.messages_max;
        if queue.paused.enqueue {
            let queue = queue.name.clone();
            return Err(Rejection::QueuePaused { queue });
        }
        if messages_max > 0 && self.held_by_queue(at) - leaving + more > messages_max {
            let queue = queue.name.clone();
            return Err(Rejection::QueueFull {
                queue,
                messages_max,
            });
        }
        let ingress = queue.groups[0].limits.ingress;
        let burst = queue.config.ingress_limit.map_or(0, |limit| limit.burst);
        match ingress.and_then(|bucket| bucket.wait_many_ms(more, self.now_ms)) {
            None => Ok(()),
            Some(retry_after_ms) => Err(Rejection::RateLimited {
                queue: queue.name.clone(),
                burst,
                retry_after_ms,
            }),
        }
    }

    /// Takes it in; says when it is due.
    fn accept(&mut self, queue: usize, entry: &NewMessage) -> u64 {
        let Queue { config, groups, .. } = &self.queues[queue];
        let due_ms = self.now_ms + entry.delay_ms.unwrap_or(config.delay_ms);
        let ttl_ms = entry.ttl_ms.unwrap_or(config.ttl_ms);
        let expires_at_ms = if ttl_ms == 0 { 0 } else { self.now_ms + ttl_ms };
        let homes = groups.iter().map(|group| group.home).collect();
        let at = self.add(queue, entry.priority, entry.blob.index, entry.blob.length);
        let message = &mut self.messages[at];
        message.expires_at_ms = expires_at_ms;
        message.ordering_key = entry.ordering_key;
        message.fairness_key = entry.fairness_key;
        message.max_retries = entry.max_retries;
        message.backoff = entry.backoff;
        self.place_new(at, due_ms);
        self.saw(None, "enqueue", super::look::name(self.messages[at].state));
        self.copy(at, homes, due_ms);
        due_ms
    }

    /// Behind the others of its ordering key, or when it is due.
    pub(super) fn place_new(&mut self, at: usize, due_ms: u64) {
        let message = &self.messages[at];
        let (home, number) = (message.home, message.number);
        let waits = message.ordering_key.is_some_and(|key| {
            let mut all = self.messages.iter();
            all.any(|other| other.is_of_key(home, key) && other.number != number)
        });
        if waits {
            self.place(at, State::Blocked, due_ms);
            let message = &self.messages[at];
            let waits = |other: &&Message| {
                let same = (other.home, other.ordering_key) == (home, message.ordering_key);
                same && other.state == State::Blocked && other.number != number
            };
            let other = self.messages.iter().find(waits).map(|other| other.key_line);
            self.messages[at].key_line = other.unwrap_or(self.last_line);
        } else {
            self.place_when_due(at, due_ms);
        }
    }

    /// What was just accepted goes to each further group as well.
    pub(super) fn copy(&mut self, at: usize, homes: Vec<u32>, due_ms: u64) {
        if homes.len() < 2 {
            return;
        }
        self.messages[at].homes = homes.clone();
        let original = self.messages[at].clone();
        for home in homes.into_iter().skip(1) {
            let copy = Message {
                home,
                slot: None,
                ..original.clone()
            };
            self.messages.push(copy);
            let at = self.messages.len() - 1;
            // It lies nowhere yet, whatever its original does.
            self.messages[at].state = State::Dead;
            self.place_new(at, due_ms);
            let state = self.messages[at].state;
            self.saw(None, "copy", super::look::name(state));
        }
    }

    /// A message with the next number, that still needs a place.
    pub(super) fn add(&mut self, queue: usize, priority: u8, token: u32, bytes: u32) -> usize {
        self.numbered += 1;
        self.messages.push(Message {
            number: self.numbered,
            known_slot: None,
            slot: None,
            home: self.queues[queue].groups[0].home,
            homes: Vec::new(),
            token,
            bytes,
            priority,
            state: State::Dead,
            at_ms: 0,
            expires_at_ms: 0,
            ordering_key: None,
            fairness_key: None,
            max_retries: None,
            backoff: None,
            line: 0,
            key_line: 0,
            held_since_ms: 0,
            list: None,
            holder: None,
            deliveries: 0,
            attempts: 0,
            nacked: None,
            first_failure_ms: 0,
            last_failure_ms: 0,
            error: None,
            death: None,
        });
        self.messages.len() - 1
    }

    fn earlier(&self, at: usize, hash: u128) -> Option<Remembered> {
        let queue = self.queues[at].number;
        let home = self.queues[at].groups[0].home;
        let is_held = |entry: &Remembered| {
            let held = self.position(entry.number, home);
            held.is_some_and(|at| self.messages[at].state != State::Dead)
        };
        let same = |entry: &&Remembered| {
            let is_same = entry.queue == queue && entry.hash == hash;
            is_same && (entry.expires_at_ms != DedupEntry::UNTIL_DONE || is_held(entry))
        };
        self.remembered.iter().find(same).copied()
    }

    /// Why an atomic batch can't be accepted: for each entry its own reason, or that of another.
    pub(super) fn refusals(
        &self,
        at: usize,
        entries: &[NewMessage],
        leaving: u64,
    ) -> Option<Vec<Option<Rejection>>> {
        let window_ms = self.queues[at].config.dedup_window_ms;
        let first = |index: usize, dedup: DedupKey| {
            let mut before = entries[..index].iter().filter_map(|entry| entry.dedup);
            let in_batch =
                before.find(|other| other.hash == dedup.hash && remembers(window_ms, other));
            let in_window = self
                .earlier(at, dedup.hash)
                .map(|earlier| earlier.fingerprint);
            in_window.or(in_batch.map(|first| first.fingerprint))
        };
        let mut new = 0;
        let mut found = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let first = entry.dedup.and_then(|dedup| first(index, dedup));
            new += u64::from(first.is_none());
            found.push(match first {
                None => self.admits(at, new, leaving),
                Some(first) if Some(first) == entry.dedup.map(|dedup| dedup.fingerprint) => Ok(()),
                Some(_) => Err(Rejection::DedupConflict),
            });
        }
        let refusal =
            |result: Result<(), Rejection>| Some(result.err().unwrap_or(Rejection::BatchAborted));
        let is_refused = found.iter().any(Result::is_err);
        is_refused.then(|| found.into_iter().map(refusal).collect())
    }
}

/// Whether a message accepted under this dedup id holds it.
fn remembers(window_ms: u64, dedup: &DedupKey) -> bool {
    dedup.until_done || window_ms > 0
}
