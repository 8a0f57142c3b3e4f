//! Applies that members of a consumer group come and go, and that keys are assigned anew because of it.

use crate::ids::QueueNumber;
use crate::message::Place;
use crate::state::{End, State};

impl State {
    pub(super) fn join(&mut self, number: QueueNumber, consumer: &str) {
        let now_ms = self.cursor.now_ms;
        let queue = self.queues.get_mut(number);
        queue.members.join(consumer, now_ms, 0);
        queue.lists.retire_all(&self.messages);
        queue.members.renumber(|| queue.lists.number());
        self.members_changed(number);
        self.rank_session(number, consumer);
    }

    /// What it held is returned from here on.
    pub(super) fn leave(&mut self, number: QueueNumber, consumer: &str) {
        let queue = self.queues.get_mut(number);
        let member = queue.members.leave(consumer);
        queue.lists.retire(member.list, &self.messages);
        self.sessions.unrank(number, &member);
        self.members_changed(number);
        self.rank_returning(number);
    }

    /// The next so many leases that members held who left: the messages are ready again, no attempt counted, the older
    /// first.
    pub(super) fn give_back_left(&mut self, number: QueueNumber, count: u32) {
        let mut left = count;
        while left > 0 {
            let members = &self.queues.get(number).members;
            let mut slots = members.next_to_return(left);
            assert!(!slots.is_empty(), "more leases are returned than there are");
            left -= slots.len() as u32;
            slots.sort_by_key(|&slot| std::cmp::Reverse(self.messages[slot].number()));
            for slot in slots {
                let id = self.messages.id(slot);
                let since_ms = self.since_before_others_ms(slot, self.messages[slot].since_ms());
                self.release(id, since_ms);
            }
        }
        self.rank_returning(number);
    }

    fn rank_returning(&mut self, number: QueueNumber) {
        match self.queues.get(number).members.to_return(1) {
            0 => self.returning.remove(&number),
            _ => self.returning.insert(number),
        };
    }

    fn members_changed(&mut self, number: QueueNumber) {
        let queue = self.queues.get_mut(number);
        if queue.lists.has_retired() {
            self.reassigning.insert(number);
        }
        self.wake(number);
    }

    /// The next so many ready messages go to the list of whom their key sticks to.
    pub(super) fn reassign(&mut self, number: QueueNumber, count: u32) {
        let round = self.queues.get_mut(number).lists.round();
        for _ in 0..count {
            let lists = &self.queues.get(number).lists;
            let slot = lists.next_retired();
            let slot = slot.expect("more messages are assigned anew than there are");
            let at_ms = self.messages[slot].at_ms();
            self.relocate(slot, Place::Ready, at_ms, End::InOrder(round));
        }
    }
}
