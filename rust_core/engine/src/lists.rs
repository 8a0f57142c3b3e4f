//! Where a group's ready messages lie: in a list that anybody takes from, and, for the heads of ordering keys, in one of
//! the member that the key sticks to, or, while there are no members, in one that anybody takes from as well.
//!
//! When a member goes its list is retired; when one comes all are, and fresh ones begin, since its keys may lie in any.
//! What a retired list holds is assigned anew, in order and in bounded parts; so a change of members takes no longer
//! with more keys.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::ready::Ready;
use crate::slab::Slab;

/// Which list of a group. Each change of members takes a number for each: 32 bits would be used up some day.
pub(crate) type ListId = u64;

/// Of a retired list: its first message's priority (the highest first), fairness key, since when it waits, and number;
/// the list, and the message's slot.
type Head = (Reverse<u8>, u32, u64, u64, ListId, u32);

/// The list of the messages without an ordering key.
pub(crate) const SHARED: ListId = 0;

/// See the module.
pub(crate) struct Lists {
    shared: Keyed,
    /// By number; numbers count up and an empty list isn't there.
    keyed: BTreeMap<ListId, Keyed>,
    retired: BTreeMap<ListId, Head>,
    /// Of the retired lists, the one that is assigned next first.
    heads: BTreeSet<Head>,
    /// Of the keys that stick to nobody.
    unassigned: ListId,
    /// The last number given.
    numbered: ListId,
    /// The last round in which messages were assigned anew. Volatile.
    rounds: u64,
}

#[derive(Default)]
struct Keyed {
    ready: Ready,
    count: u64,
}

impl Lists {
    pub fn new() -> Self {
        Lists {
            shared: Keyed::default(),
            keyed: BTreeMap::new(),
            retired: BTreeMap::new(),
            heads: BTreeSet::new(),
            unassigned: 1,
            numbered: 1,
            rounds: 0,
        }
    }

    /// The list of the keys that stick to nobody.
    pub fn unassigned(&self) -> ListId {
        self.unassigned
    }

    /// A fresh list, for a member.
    pub fn number(&mut self) -> ListId {
        self.numbered += 1;
        self.numbered
    }

    /// From here on messages are assigned anew one after the other, and nothing else happens to the lists.
    pub fn round(&mut self) -> u64 {
        self.rounds += 1;
        self.rounds
    }

    /// All keyed lists are assigned anew; who has one needs a fresh number.
    pub fn retire_all(&mut self, slab: &Slab) {
        let ids: Vec<ListId> = self.keyed.keys().copied().collect();
        ids.into_iter().for_each(|id| self.retire(id, slab));
        self.unassigned = self.number();
    }

    /// What a list holds, if it is there, is assigned anew.
    pub fn retire(&mut self, id: ListId, slab: &Slab) {
        let list = self.keyed.get(&id).filter(|_| id != SHARED);
        if let (Some(list), Entry::Vacant(entry)) = (list, self.retired.entry(id)) {
            let head = head(id, list, slab);
            entry.insert(head);
            self.heads.insert(head);
        }
    }

    #[cfg(test)]
    pub fn is_retired(&self, id: ListId) -> bool {
        self.retired.contains_key(&id)
    }

    /// Whether any list is retired.
    pub fn has_retired(&self) -> bool {
        !self.retired.is_empty()
    }

    /// Messages of retired lists.
    pub fn retired(&self) -> u64 {
        let retired = self.retired.keys().map(|&id| self.count(id));
        retired.sum()
    }

    /// The message of a retired list that is assigned next: of the highest priority, then the oldest of its lane.
    pub fn next_retired(&self) -> Option<u32> {
        self.heads.first().map(|&(.., slot)| slot)
    }

    pub fn get(&self, id: ListId) -> Option<&Ready> {
        match id {
            SHARED => Some(&self.shared.ready),
            id => self.keyed.get(&id).map(|list| &list.ready),
        }
    }

    pub fn get_mut(&mut self, id: ListId) -> Option<&mut Ready> {
        match id {
            SHARED => Some(&mut self.shared.ready),
            id => self.keyed.get_mut(&id).map(|list| &mut list.ready),
        }
    }

    /// How many messages a list holds.
    pub fn count(&self, id: ListId) -> u64 {
        match id {
            SHARED => self.shared.count,
            id => self.keyed.get(&id).map_or(0, |list| list.count),
        }
    }

    /// To add one message to; counted.
    pub fn counted(&mut self, id: ListId) -> &mut Ready {
        let list = match id {
            SHARED => &mut self.shared,
            id => self.keyed.entry(id).or_default(),
        };
        list.count += 1;
        &mut list.ready
    }

    /// True: with this message the last retired list is gone.
    pub fn remove(&mut self, id: ListId, slab: &mut Slab, slot: u32) -> bool {
        let list = match id {
            SHARED => &mut self.shared,
            id => self.keyed.get_mut(&id).expect("a message's list is there"),
        };
        list.ready.remove(slab, slot);
        list.count -= 1;
        let is_empty = list.count == 0;
        if let Some(known) = self.retired.get_mut(&id) {
            self.heads.remove(known);
            if !is_empty {
                *known = head(id, list, slab);
                self.heads.insert(*known);
            }
        }
        if !is_empty || id == SHARED {
            return false;
        }
        self.keyed.remove(&id);
        self.retired.remove(&id).is_some() && self.retired.is_empty()
    }

    /// Every list, the shared one first.
    pub fn all(&self) -> impl Iterator<Item = (ListId, &Ready)> {
        let keyed = self.keyed.iter().map(|(&id, list)| (id, &list.ready));
        std::iter::once((SHARED, &self.shared.ready)).chain(keyed)
    }

    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut Ready> {
        let keyed = self.keyed.values_mut().map(|list| &mut list.ready);
        std::iter::once(&mut self.shared.ready).chain(keyed)
    }

    /// Since when the message waits that has been ready the longest. Each list keeps the oldest of its levels at hand.
    pub fn oldest_ms(&self) -> Option<u64> {
        let oldest = self.all().filter_map(|(_, ready)| ready.oldest_ms());
        oldest.min()
    }

    /// The first message of the highest priority that is at or below this one.
    pub fn first_at_or_below(&self, slab: &Slab, priority: u8) -> Option<u32> {
        let firsts = self
            .all()
            .map(|(_, ready)| ready.first_at_or_below(priority));
        let firsts = firsts.flatten();
        firsts.reduce(|first, next| {
            let higher = slab[next].priority > slab[first].priority;
            if higher { next } else { first }
        })
    }

    /// The message after the last one of a lane: of the same priority in this list, then in those behind, then of the
    /// next lower one.
    pub fn first_after(&self, slab: &Slab, list: ListId, slot: u32) -> Option<u32> {
        let (priority, flow) = (slab[slot].priority, slab[slot].flow);
        let same = |next: &u32| slab[*next].priority == priority;
        let here = self.get(list)?.first_after(priority, flow);
        let mut behind = self.keyed.range(list + 1..).filter_map(|(_, behind)| {
            let first = behind.ready.first_at_or_below(priority);
            first.filter(same)
        });
        here.or_else(|| behind.next())
            .or_else(|| self.first_at_or_below(slab, priority.checked_sub(1)?))
    }

    /// One of the last in line.
    pub fn any(&self) -> Option<u32> {
        self.all().find_map(|(_, ready)| ready.any())
    }

    /// All messages, list by list.
    pub fn iter<'a>(&'a self, slab: &'a Slab) -> impl Iterator<Item = u32> + 'a {
        self.all().flat_map(|(_, ready)| ready.iter(slab))
    }

    /// Numbers as a checkpoint has them.
    pub fn load(&mut self, unassigned: ListId, numbered: ListId, retired: &[ListId]) {
        (self.unassigned, self.numbered) = (unassigned, numbered);
        let no_head = (Reverse(0), 0, 0, 0, 0, 0);
        self.retired = retired.iter().map(|&id| (id, no_head)).collect();
    }

    /// One message more in a list, whose lane is opened later.
    pub fn count_in(&mut self, id: ListId) {
        self.counted(id);
    }

    /// What comes first in each retired list of a checkpoint. One without a message is gone.
    pub fn load_heads(&mut self, slab: &Slab) {
        let keyed = &self.keyed;
        self.retired.retain(|id, _| keyed.contains_key(id));
        for (&id, known) in &mut self.retired {
            *known = head(id, &self.keyed[&id], slab);
            self.heads.insert(*known);
        }
    }

    /// The number of the keys that stick to nobody, the last one given, and those of retired lists.
    pub fn numbers(&self) -> (ListId, ListId, Vec<ListId>) {
        let retired = self.retired.keys().copied().collect();
        (self.unassigned, self.numbered, retired)
    }

    /// Which numbers are whose, for the fold.
    pub fn facts(&self) -> impl std::fmt::Debug + '_ {
        (self.retired.keys(), self.unassigned, self.numbered)
    }
}

fn head(id: ListId, list: &Keyed, slab: &Slab) -> Head {
    let slot = list.ready.first_at_or_below(u8::MAX);
    let slot = slot.expect("a keyed list holds a message");
    let message = &slab[slot];
    let (priority, since_ms) = (Reverse(message.priority), message.at_ms());
    (priority, message.flow, since_ms, message.number(), id, slot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{NewMessage, PeekState};
    use crate::reply::Reply;
    use crate::twin::members::heartbeat;
    use crate::twin::{Twin, config, message, peek};

    #[test]
    fn what_is_ready_in_all_lists_is_looked_at_by_priority_each_once() {
        let mut twin = Twin::new();
        twin.create("q", config());
        for consumer in ["a", "b", "c"] {
            twin.ask(heartbeat(consumer));
        }
        for number in 0..36 {
            twin.enqueue(
                "q",
                NewMessage {
                    priority: 3 - (number % 4) as u8,
                    ordering_key: (number % 3 > 0).then_some(number),
                    ..message()
                },
            );
        }
        let lists = &twin.live.state().queues.find("q").unwrap().lists;
        assert!(
            lists
                .all()
                .filter(|(_, ready)| ready.any().is_some())
                .count()
                > 2
        );
        let (mut after, mut priorities) = (None, vec![]);
        loop {
            let Reply::Peeked { messages, last, .. } =
                twin.ask(peek("q", PeekState::Ready, after, 1))
            else {
                panic!("not looked at")
            };
            let Some(shown) = messages.first() else {
                break;
            };
            priorities.push(shown.priority);
            after = last;
        }
        let expected: Vec<u8> = [3, 2, 1, 0].into_iter().flat_map(|of| [of; 9]).collect();
        assert_eq!(priorities, expected);
    }

    #[test]
    fn numbers_of_lists_are_not_used_up_by_those_who_come_and_go() {
        let mut lists = Lists::new();
        lists.numbered = ListId::from(u32::MAX);
        assert!(lists.number() > ListId::from(u32::MAX));
        assert_ne!(lists.number(), SHARED);
    }
}
