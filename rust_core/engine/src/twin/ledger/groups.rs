//! What the ledger keeps of queues, their groups and the members of those.

use std::collections::BTreeSet;

use super::{BOTH, Ledger};
use crate::ids::MessageId;
use crate::record::{Paused, Record};
use crate::sweep::SweepAction;
use crate::twin::Twin;

impl Ledger {
    pub(super) fn look_up_slots(&mut self, twin: &Twin, numbers: &BTreeSet<u64>) {
        for &number in numbers {
            let copied = twin.live.state().copies.find(number);
            for copy in copied.iter().flat_map(|copied| copied.copies.iter()) {
                self.slots.insert((number, copy.slot), copy.queue.0);
            }
        }
    }

    /// What happens to a queue and its groups.
    pub(super) fn enter_of_queue(&mut self, record: &Record) {
        match record {
            Record::QueueCreated {
                queue,
                name,
                config,
            } => {
                self.names.insert(queue.0, name.clone());
                let config = (**config).clone();
                self.queues.insert(queue.0, (config, Paused::default()));
            }
            Record::QueueUpdated { queue, config } => {
                for group in self.all_groups(queue.0) {
                    self.queue(group).0 = (**config).clone();
                }
            }
            Record::QueuePaused { queue, paused } => {
                for group in self.all_groups(queue.0) {
                    self.queue(group).1 = *paused;
                }
            }
            Record::GroupCreated { queue, shadow, .. } => {
                self.groups.entry(queue.0).or_default().push(shadow.0);
                let source = self.queue(queue.0).clone();
                self.queues.insert(shadow.0, source);
                self.names.insert(shadow.0, self.names[&queue.0].clone());
            }
            Record::QueueDeleted { queue } => {
                self.gone.extend(self.all_groups(queue.0));
                self.groups.remove(&queue.0);
                let groups = self.groups.values_mut();
                groups.for_each(|groups| groups.retain(|&group| group != queue.0));
            }
            Record::MemberJoined { queue, consumer } => {
                let members = self.members.entry(queue.0).or_default();
                assert!(members.insert(consumer.clone()), "a member joins twice");
                self.sticky.retain(|(group, _), _| *group != queue.0);
            }
            Record::MemberLeft { queue, consumer } => self.leave(queue.0, consumer),
            Record::QueuePurged { queue, fresh } => {
                let groups = self.all_groups(queue.0);
                self.gone.extend(&groups);
                for (&group, fresh) in groups.iter().zip(fresh.0..) {
                    if let Some(members) = self.members.remove(&group) {
                        self.members.insert(fresh, members);
                    }
                    let successor = self.queue(group).clone();
                    self.queues.insert(fresh, successor);
                    self.names.insert(fresh, self.names[&group].clone());
                    self.queue(group).1 = BOTH;
                }
                let further = (1..groups.len()).map(|group| fresh.0 + group as u32);
                self.groups.remove(&queue.0);
                self.groups.insert(fresh.0, further.collect());
            }
            Record::Retired { queue, count } => self.retire(queue.0, *count),
            Record::SweepStarted { sweep, queue, plan } => {
                self.sweeps = *sweep;
                let is_redrive = matches!(plan.action, SweepAction::Redrive { .. });
                if is_redrive && !plan.dry_run {
                    self.redrives.insert(*sweep, queue.0);
                }
            }
            Record::SweepEnded { sweep, .. } => {
                self.redrives.remove(sweep);
            }
            Record::Redriven {
                message,
                queue,
                new,
                ..
            } => self.redrive(*message, queue.0, *new),
            Record::Reaped { queue, count, .. } => self.reap(queue.0, *count),
            Record::Lost { message, .. } => {
                let (gone, number) = (&self.gone, message.number);
                let stays = |key: &(u64, u32)| key.0 != number || gone.contains(&key.1);
                self.entries.retain(|key, _| stays(key));
            }
            _ => {}
        }
    }

    /// The queue itself first.
    pub(super) fn all_groups(&self, queue: u32) -> Vec<u32> {
        let further = self.groups.get(&queue).into_iter().flatten();
        std::iter::once(&queue).chain(further).copied().collect()
    }

    /// A key is a member's as long as nobody comes or goes.
    pub(super) fn check_member(&mut self, id: MessageId, consumer: &str) {
        let key = self.key(id);
        let nobody = BTreeSet::new();
        let members = self.members.get(&key.1).unwrap_or(&nobody);
        let is_member = members.contains(consumer);
        self.holders.remove(&key);
        if is_member {
            self.holders.insert(key, consumer.into());
        }
        let Some(ordering_key) = self.entries[&key].ordering_key else {
            return;
        };
        assert!(is_member || members.is_empty(), "a key goes to nobody");
        if is_member {
            let owner = self.sticky.entry((key.1, ordering_key));
            let owner = owner.or_insert_with(|| consumer.into());
            assert_eq!(**owner, *consumer, "a key goes to another member");
        }
    }

    /// What a member held is back, though its lease lasts.
    fn leave(&mut self, group: u32, consumer: &str) {
        let members = self.members.get_mut(&group).expect("a group with members");
        assert!(members.remove(consumer), "nobody leaves");
        self.sticky.retain(|(of, _), _| *of != group);
        let now_ms = self.now_ms;
        for (key, entry) in self.entries.iter_mut().filter(|(key, _)| key.1 == group) {
            let held = self
                .holders
                .get(key)
                .is_some_and(|holder| **holder == *consumer);
            if held && entry.lease.take().is_some() {
                entry.due_ms = now_ms;
            }
        }
    }
}
