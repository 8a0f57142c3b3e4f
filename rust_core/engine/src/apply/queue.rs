//! Applies what happens to the partition and to whole queues.

use crate::config::QueueConfig;
use crate::ids::QueueNumber;
use crate::rate::Limiter;
use crate::ready::Ready;
use crate::record::Paused;
use crate::state::State;

impl State {
    pub(super) fn found(&mut self, secret: [u8; 32]) {
        assert!(self.secret.is_none(), "a journal is founded once");
        self.secret = Some(secret);
    }

    pub(super) fn fence(&mut self, epoch: u64) {
        assert_eq!(epoch, self.epoch + 1, "epochs count up by one");
        self.epoch = epoch;
        let now_ms = self.cursor.now_ms;
        for queue in self.queues.iter_mut() {
            if let Some(limit) = queue.config.rate_limit {
                queue.limiter = Limiter::empty(limit, now_ms);
            }
            queue.dispatch.restart(&queue.config, now_ms);
            queue.lists.all_mut().for_each(Ready::unpark_all);
            if let Some(limit) = queue.config.ingress_limit {
                queue.ingress = Limiter::empty(limit, now_ms);
            }
        }
        self.see_everybody();
    }

    /// Its further groups have the same settings.
    pub(super) fn update_queue(&mut self, number: QueueNumber, config: &QueueConfig) {
        for group in self.all_groups(number) {
            self.update_group(group, config);
        }
    }

    fn update_group(&mut self, number: QueueNumber, config: &QueueConfig) {
        let now_ms = self.cursor.now_ms;
        let queue = self.queues.get_mut(number);
        if queue.config.rate_limit != config.rate_limit {
            let empty = config.rate_limit.map(|limit| Limiter::empty(limit, now_ms));
            queue.limiter = empty.unwrap_or_default();
        }
        if queue.config.ingress_limit != config.ingress_limit {
            let limit = config.ingress_limit;
            let empty = limit.map(|limit| Limiter::empty(limit, now_ms));
            queue.ingress = empty.unwrap_or_default();
        }
        let before = std::mem::replace(&mut queue.config, config.clone());
        self.reshare(number, &before);
        self.rank_dead(number);
        self.rank_sessions(number);
        self.wake(number);
    }

    /// In all its groups. Whoever waits may have it now.
    pub(super) fn pause(&mut self, number: QueueNumber, paused: Paused) {
        for group in self.all_groups(number) {
            self.queues.get_mut(group).paused = paused;
            self.wake(group);
        }
    }

    pub(super) fn delete_queue(&mut self, number: QueueNumber) {
        self.dedup.delete(number, &self.queues.get(number).dedup);
        let groups = self.all_groups(number);
        self.forsake(&groups);
        self.queues.delete(number);
        groups.into_iter().for_each(|group| self.rank_dead(group));
    }

    pub(super) fn purge_queue(&mut self, number: QueueNumber, fresh: QueueNumber) {
        let groups = self.all_groups(number);
        self.forsake(&groups);
        self.queues.purge(number, fresh);
        groups.into_iter().for_each(|group| self.rank_dead(group));
        self.dedup
            .renumber(number, fresh, &self.queues.get(fresh).dedup);
        let groups = self.all_groups(fresh);
        groups
            .into_iter()
            .for_each(|group| self.rank_sessions(group));
    }

    pub(super) fn all_groups(&self, number: QueueNumber) -> Vec<QueueNumber> {
        let further = self.queues.get(number).groups.iter().copied();
        std::iter::once(number).chain(further).collect()
    }

    /// Nothing of these groups waits for its time any more.
    fn forsake(&mut self, groups: &[QueueNumber]) {
        for group in groups {
            self.unrank_sessions(*group);
            self.reassigning.remove(group);
            self.returning.remove(group);
        }
    }

    /// The first dead ones of a queue have been kept long enough.
    pub(super) fn retire(&mut self, number: QueueNumber, count: u32) {
        for _ in 0..count {
            let dead = self.queues.get(number).dead;
            assert!(!dead.is_empty(), "more dead messages go than there are");
            self.remove(dead.head);
        }
    }

    pub(super) fn forget(&mut self, number: QueueNumber, dedup_entries: u32) {
        let (queue, now_ms) = (self.queues.get_mut(number), self.cursor.now_ms);
        self.dedup
            .forget(number, &mut queue.dedup, dedup_entries, now_ms);
    }

    pub(super) fn reap(&mut self, number: QueueNumber, count: u32, dedup_entries: u32) {
        assert!(
            self.queues.get(number).deleted,
            "only a deleted queue is reaped"
        );
        for _ in 0..count {
            let slot = self
                .queues
                .get(number)
                .any_message()
                .expect("a queue holds what its reaping counts");
            self.remove(slot);
        }
        let queue = self.queues.get_mut(number);
        self.dedup.reap(&mut queue.dedup, dedup_entries);
        self.queues.drop_if_reaped(number);
    }
}
