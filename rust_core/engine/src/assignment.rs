//! Which of a group's lists a ready message belongs in, who takes from which, and who is woken by it.

use crate::ids::QueueNumber;
use crate::lists::{ListId, SHARED};
use crate::members::{Holder, NOBODY};
use crate::message::NONE;
use crate::queue::Queue;
use crate::ready::Front;
use crate::state::State;

impl Queue {
    /// The lists that a consumer takes from. The keys of nobody are everybody's, but those of a member are his.
    pub fn lists_of(&self, holder: Holder) -> impl Iterator<Item = ListId> + Clone + use<> {
        let keyed = match self.members.is_empty() {
            true => Some(self.lists.unassigned()),
            false => self.members.get(holder).map(|member| member.list),
        };
        std::iter::once(SHARED).chain(keyed)
    }

    /// Ready messages that this consumer may lease, limits permitting.
    pub fn ready_for(&self, holder: Holder) -> u64 {
        self.lists_of(holder)
            .map(|list| self.lists.count(list))
            .sum()
    }

    /// The list of the keys that stick to the same member as this one.
    fn list_for(&self, key: u64) -> ListId {
        let owner = self.members.of_key(key);
        owner.map_or(self.lists.unassigned(), |owner| owner.list)
    }

    /// When the first of the lanes that are parked in a consumer's lists may go.
    pub fn parked_until_ms(&self, holder: Holder) -> Option<u64> {
        let lists = self.lists_of(holder);
        let lists = lists.filter_map(|list| self.lists.get(list));
        lists.filter_map(|ready| ready.parked_until_ms()).min()
    }
}

impl State {
    /// The list that a ready message belongs in from here on; a message without an ordering key in the shared one.
    pub fn assign(&mut self, slot: u32) -> ListId {
        let message = &self.messages[slot];
        if message.key == NONE {
            return SHARED;
        }
        let queue = self.queues.get(message.queue);
        let list = queue.list_for(self.keys[message.key].hash);
        self.keys[message.key].list = list;
        list
    }

    /// The list that a ready message lies in.
    pub fn list_of(&self, slot: u32) -> ListId {
        match self.messages[slot].key {
            NONE => SHARED,
            key => self.keys[key].list,
        }
    }

    /// Since when a message may be said to have waited that is put before all others of its lane.
    pub fn since_before_others_ms(&self, slot: u32, since_ms: u64) -> u64 {
        let message = &self.messages[slot];
        let queue = self.queues.get(message.queue);
        let list = match message.key {
            NONE => SHARED,
            key => queue.list_for(self.keys[key].hash),
        };
        let list = queue.lists.get(list);
        let behind_ms = list.and_then(|ready| ready.since_ms(message.priority, message.flow));
        behind_ms.map_or(since_ms, |behind_ms| behind_ms.min(since_ms))
    }

    /// The message that goes next from these lists; of those that waited as long, the older one.
    pub fn front_of(
        &mut self,
        number: QueueNumber,
        lists: impl Iterator<Item = ListId>,
        visits: &mut u32,
    ) -> Front {
        let mut front = Front::Nothing;
        for list in lists {
            front = match (front, self.front(number, list, visits)) {
                (Front::Message { rank, slot }, Front::Message { rank: r, slot: s }) => {
                    let age = |slot: u32| self.messages[slot].number();
                    let first = (rank, age(slot)) <= (r, age(s));
                    let (rank, slot) = if first { (rank, slot) } else { (r, s) };
                    Front::Message { rank, slot }
                }
                (Front::Message { rank, slot }, _) => Front::Message { rank, slot },
                (Front::Later, Front::Nothing) => Front::Later,
                (_, other) => other,
            };
        }
        front
    }

    /// A message became ready: notes who may receive it.
    pub fn wake_for(&mut self, slot: u32) {
        let (number, list) = (self.messages[slot].queue, self.list_of(slot));
        let queue = self.queues.get_mut(number);
        let holder = match list {
            SHARED => NOBODY,
            list => queue.members.of_list(list),
        };
        match holder {
            NOBODY if queue.woken_all && queue.woken => return,
            NOBODY => queue.woken_all = true,
            member => queue.members.wake(member),
        }
        self.list_woken(number);
    }
}
