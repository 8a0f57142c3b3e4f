//! When sessions of members end. Each member has one entry, never later than the end of its session: being seen again
//! moves nothing, and an entry that comes up too early is put where it belongs. Volatile: not part of the state.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::ids::QueueNumber;
use crate::members::Holder;
use crate::members::Member;
use crate::state::State;

/// See the module.
#[derive(Default)]
pub(crate) struct Sessions {
    ends: BTreeSet<(u64, QueueNumber, Arc<str>)>,
}

impl Sessions {
    /// The entry that comes up first.
    pub fn first(&self) -> Option<&(u64, QueueNumber, Arc<str>)> {
        self.ends.first()
    }

    fn rank(&mut self, queue: QueueNumber, member: &mut Member, end_ms: u64) {
        self.unrank(queue, member);
        member.session_ms = end_ms;
        self.ends.insert((end_ms, queue, member.name.clone()));
    }

    pub fn unrank(&mut self, queue: QueueNumber, member: &Member) {
        let entry = (member.session_ms, queue, member.name.clone());
        self.ends.remove(&entry);
    }
}

impl Member {
    fn see_until(&mut self, until_ms: u64) {
        (self.seen_ms, self.lost_before) = (self.seen_ms.max(until_ms), 0);
    }
}

impl State {
    /// The last poll of a member that waited has ended, perhaps before its time. Whoever is no member is nobody.
    pub fn see_polls_end(&mut self, number: QueueNumber, consumer: &str) {
        let (now_ms, queue) = (self.cursor.now_ms, self.queues.get_mut(number));
        let timeout_ms = queue.config.session_timeout_ms;
        if let Some(member) = queue.members.find_mut(consumer) {
            (member.seen_ms, member.lost_before) = (now_ms, 0);
            if now_ms.saturating_add(timeout_ms) < member.session_ms {
                self.rank_session(number, consumer);
            }
        }
    }

    /// A member of a group was seen, and will be until then. Another poll of it that waits may say more.
    pub fn see_until(&mut self, number: QueueNumber, holder: Holder, until_ms: u64) {
        let queue = self.queues.get_mut(number);
        if let Some(member) = queue.members.get_mut(holder) {
            member.see_until(until_ms);
        }
    }

    /// A member of a group was seen now.
    pub fn see_now(&mut self, number: QueueNumber, holder: Holder) {
        self.see_until(number, holder, self.cursor.now_ms);
    }

    /// Who holds the message in `slot` was seen now.
    pub fn see_holder(&mut self, slot: u32) {
        let (now_ms, number) = (self.cursor.now_ms, self.messages[slot].queue);
        let holder = self.messages[slot].holder;
        if let Some(member) = self.queues.get_mut(number).members.get_mut(holder) {
            member.see_until(now_ms);
        }
    }

    /// When the session of a member ends, as it was seen so far.
    pub fn session_until_ms(&self, number: QueueNumber, consumer: &str) -> Option<u64> {
        let queue = self.queues.get(number);
        let member = queue.members.find(consumer)?;
        Some(
            member
                .seen_ms
                .saturating_add(queue.config.session_timeout_ms),
        )
    }

    /// Puts the entry of a member where it belongs.
    pub fn rank_session(&mut self, number: QueueNumber, consumer: &str) {
        let (sessions, queue) = (&mut self.sessions, self.queues.get_mut(number));
        let timeout_ms = queue.config.session_timeout_ms;
        if let Some(member) = queue.members.find_mut(consumer) {
            let end_ms = member.seen_ms.saturating_add(timeout_ms);
            sessions.rank(number, member, end_ms);
        }
    }

    /// Puts the entries of a group's members where they belong: who they are, or their time, has changed.
    pub fn rank_sessions(&mut self, number: QueueNumber) {
        let (sessions, queue) = (&mut self.sessions, self.queues.get_mut(number));
        let timeout_ms = queue.config.session_timeout_ms;
        queue.members.for_each(|member| {
            let end_ms = member.seen_ms.saturating_add(timeout_ms);
            sessions.rank(number, member, end_ms);
        });
    }

    /// Takes out the entries of a group that is deleted.
    pub fn unrank_sessions(&mut self, number: QueueNumber) {
        let Some(queue) = self.queues.try_get_mut(number) else {
            return;
        };
        for (_, member) in queue.members.iter() {
            self.sessions.unrank(number, member);
        }
    }

    /// A new owner sees everybody once.
    pub fn see_everybody(&mut self) {
        let now_ms = self.cursor.now_ms;
        let numbers: Vec<QueueNumber> = self.queues.iter().map(|queue| queue.number).collect();
        for number in numbers {
            let queue = self.queues.get_mut(number);
            if !queue.deleted {
                queue.members.for_each(|member| member.seen_ms = now_ms);
                self.rank_sessions(number);
            }
        }
    }
}

#[cfg(test)]
impl Sessions {
    /// Panics unless each member has one entry, not after its session's end.
    pub fn assert_of(&self, state: &State) {
        let named = state.queues.iter().filter(|queue| !queue.deleted);
        let mut expected = BTreeSet::new();
        for queue in named {
            for (name, member) in queue.members.iter() {
                let end_ms = member.seen_ms + queue.config.session_timeout_ms;
                assert!(member.session_ms <= end_ms, "a session's entry is late");
                expected.insert((member.session_ms, queue.number, name.clone()));
            }
        }
        assert_eq!(self.ends, expected, "sessions");
    }
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::config::QueueConfig;
    use crate::ids::MessageId;
    use crate::reply::Reply;
    use crate::twin::members::{enqueue, heartbeat};
    use crate::twin::{SECOND, Twin, config, message, receive};

    fn received(twin: &mut Twin, name: &str) -> Vec<MessageId> {
        let mut command = receive("q", 1000);
        if let Command::Receive { consumer, .. } = &mut command {
            *consumer = name.into();
        }
        match twin.ask(command) {
            Reply::Received { messages, .. } => messages.iter().map(|one| one.message).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn members(twin: &mut Twin) -> usize {
        twin.group("q", "default").members.len()
    }

    #[test]
    fn who_comes_back_while_its_leases_are_looked_at_is_looked_at_from_the_first_when_it_is_gone() {
        let mut twin = Twin::new();
        let session_timeout_ms = SECOND;
        let config = QueueConfig {
            session_timeout_ms,
            ..config()
        };
        twin.create("q", config);
        enqueue(&mut twin, vec![message()]);
        let first = received(&mut twin, "a")[0];
        twin.ask(Command::Leave {
            queue: "q".into(),
            group: "default".into(),
            consumer: "a".into(),
        });
        twin.ask(Command::ChangeMessage {
            message: first,
            delay_ms: Some(SECOND + 500),
            priority: None,
        });
        // One more than a step looks at.
        enqueue(&mut twin, vec![message(); 2049]);
        let held: usize = (0..3).map(|_| received(&mut twin, "b").len()).sum();
        assert_eq!(held, 2049);
        twin.wait(SECOND).step(vec![heartbeat("b")]);
        assert_eq!(members(&mut twin), 1, "some were not looked at");
        assert_eq!(received(twin.wait(500), "b"), [first]);
        twin.wait(SECOND);
        while twin.step(vec![]).next_deadline_ms == Some(twin.now_ms) {}
        assert_eq!(members(&mut twin), 0);
        assert_eq!(twin.message(first).attempts, 1, "it was handed out in vain");
    }
}
