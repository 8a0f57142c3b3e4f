//! The members of a consumer group: who they are, which keys stick to them and which leases they hold. That somebody
//! came or went is recorded; when somebody was last seen is volatile, and after a takeover everybody is seen then.
//!
//! A key sticks to the member of the highest mix of both hashes (rendezvous hashing, Thaler and Ravishankar 1998), so
//! only keys of who comes or goes change hands, and a member that comes back has the keys it had.
//!
//! A key is weighed against every member each time one of its messages becomes ready: what that takes lies side by side.
//!
//! Who holds a message costs some thirty bytes as long as the lease lasts, and nothing for who is no member.
//!
//! What a member held that left is returned in bounded parts. Until its turn the lease is nobody's, and holds: its
//! receipt still settles it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::lists::ListId;
use crate::segmented::mix;

/// Tells members apart while they, or what they held, are there. It decides nothing.
type Holder = u32;

/// One member.
pub(crate) struct Member {
    holder: Holder,
    pub joined_at_ms: u64,
    /// Where the ready messages of its keys lie.
    pub list: ListId,
    /// Slots of the messages it holds.
    pub leases: BTreeSet<u32>,
    /// When it was last seen, or until when a poll of it waits. Volatile.
    pub seen_ms: u64,
    /// As `sessions` knows it: not after the end of its session. Volatile.
    pub session_ms: u64,
    /// Its session is over, and of what it holds the slots before this one were looked at. Volatile.
    pub lost_before: u32,
    /// A message of its keys became ready in this step. Not part of the state.
    pub woken: bool,
}

/// What a member's keys are found by.
pub(crate) struct Owner {
    hash: u64,
    /// As its member has it.
    pub list: ListId,
    pub name: Arc<str>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Members {
    members: BTreeMap<Arc<str>, Member>,
    /// Of each member, in order of name.
    owners: Vec<Owner>,
    names: BTreeMap<Holder, Arc<str>>,
    /// Who holds the message in a slot.
    holders: BTreeMap<u32, Holder>,
    /// Slots of the messages that members held who left, in order of their leaving.
    left: VecDeque<(Holder, BTreeSet<u32>)>,
}

impl Members {
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn find(&self, consumer: &str) -> Option<&Member> {
        self.members.get(consumer)
    }

    pub fn find_mut(&mut self, consumer: &str) -> Option<&mut Member> {
        self.members.get_mut(consumer)
    }

    /// Whose list it is.
    pub fn of_list(&mut self, list: ListId) -> Option<&mut Member> {
        let owner = self.owners.iter().find(|owner| owner.list == list)?;
        self.members.get_mut(&owner.name)
    }

    pub fn entry_mut(&mut self, consumer: &str) -> Option<(Arc<str>, &mut Member)> {
        let (name, _) = self.members.get_key_value(consumer)?;
        let name = name.clone();
        Some((name, self.members.get_mut(consumer)?))
    }

    /// In order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Member)> {
        self.members.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&Arc<str>, &mut Member)> {
        self.members.iter_mut()
    }

    pub fn join(&mut self, consumer: &str, now_ms: u64, list: ListId) {
        let holder = self.free_holder();
        let name: Arc<str> = consumer.into();
        self.names.insert(holder, name.clone());
        let member = Member {
            holder,
            joined_at_ms: now_ms,
            list,
            leases: BTreeSet::new(),
            seen_ms: now_ms,
            session_ms: 0,
            lost_before: 0,
            woken: false,
        };
        let hash = hash(consumer);
        let at = self.place(consumer).expect_err("a member joins twice");
        let owner = Owner {
            hash,
            list,
            name: name.clone(),
        };
        self.owners.insert(at, owner);
        self.members.insert(name, member);
    }

    fn place(&self, consumer: &str) -> Result<usize, usize> {
        let by_name = |owner: &Owner| (*owner.name).cmp(consumer);
        self.owners.binary_search_by(by_name)
    }

    /// Each has another list from here on, in order of name.
    pub fn renumber(&mut self, mut list: impl FnMut() -> ListId) {
        for (member, owner) in self.members.values_mut().zip(&mut self.owners) {
            owner.list = list();
            member.list = owner.list;
        }
    }

    /// Its leases are nobody's from here on, and to be returned.
    pub fn leave(&mut self, consumer: &str) -> (Arc<str>, Member) {
        let at = self.place(consumer);
        self.owners.remove(at.expect("a member has keys"));
        let left = self.members.remove_entry(consumer);
        let (name, mut member) = left.expect("a member leaves that isn't there");
        self.names.remove(&member.holder);
        let leases = std::mem::take(&mut member.leases);
        if !leases.is_empty() {
            self.left.push_back((member.holder, leases));
        }
        (name, member)
    }

    /// Slots of the messages that members held who left, in order of their leaving.
    pub fn left(&self) -> impl Iterator<Item = &BTreeSet<u32>> {
        self.left.iter().map(|(_, leases)| leases)
    }

    /// A member left that held these.
    pub fn load_left(&mut self, leases: BTreeSet<u32>) {
        let holder = self.free_holder();
        self.holders
            .extend(leases.iter().map(|&slot| (slot, holder)));
        self.left.push_back((holder, leases));
    }

    fn free_holder(&self) -> Holder {
        let is_free = |holder: &Holder| {
            let has_left = self.left.iter().any(|(other, _)| other == holder);
            !self.names.contains_key(holder) && !has_left
        };
        (0..).find(is_free).expect("there are few members")
    }

    /// How many leases are to be returned, counted up to `max`.
    pub fn to_return(&self, max: u32) -> u32 {
        let mut count: usize = 0;
        for (_, leases) in &self.left {
            count = count.saturating_add(leases.len());
            if count >= max as usize {
                return max;
            }
        }
        count as u32
    }

    /// Slots of the next `count` of them, at most: of one member, the last ones, so that the first come before them.
    pub fn next_to_return(&self, count: u32) -> Vec<u32> {
        let first = self.left.front().map(|(_, leases)| leases);
        let slots = first.into_iter().flat_map(|leases| leases.iter().rev());
        slots.take(count as usize).copied().collect()
    }

    /// The member a key sticks to.
    pub fn of_key(&self, key: u64) -> Option<&Owner> {
        // Of those that score alike the last one.
        self.owners.iter().max_by_key(|owner| mix(key ^ owner.hash))
    }

    /// Whether a key would stick to `consumer`, were that a member.
    pub fn would_have(&self, key: u64, consumer: &str) -> bool {
        let own = (mix(key ^ hash(consumer)), consumer);
        let mut others = self.owners.iter();
        others.all(|owner| (mix(key ^ owner.hash), &*owner.name) <= own)
    }

    /// The message in `slot` is handed to `consumer`, who may be no member.
    pub fn hold(&mut self, consumer: &str, slot: u32) {
        if let Some(member) = self.members.get_mut(consumer) {
            self.holders.insert(slot, member.holder);
            member.leases.insert(slot);
        }
    }

    /// A lease ended.
    pub fn let_go(&mut self, slot: u32) {
        let Some(holder) = self.holders.remove(&slot) else {
            return;
        };
        if let Some(name) = self.names.get(&holder) {
            let member = self.members.get_mut(name);
            member.expect("a name is a member's").leases.remove(&slot);
            return;
        }
        let of = |(other, _): &(Holder, BTreeSet<u32>)| *other == holder;
        let at = self.left.iter().position(of).expect("it left");
        self.left[at].1.remove(&slot);
        if self.left[at].1.is_empty() {
            self.left.remove(at);
        }
    }

    /// Who holds the message in `slot`.
    pub fn holder(&self, slot: u32) -> Option<&Arc<str>> {
        self.names.get(self.holders.get(&slot)?)
    }

    /// The same members, who hold nothing. `list` numbers their lists.
    pub fn successors(&self, mut list: impl FnMut() -> ListId) -> Members {
        let mut members = Members::default();
        for (name, member) in &self.members {
            members.join(name, member.joined_at_ms, list());
            let successor = members.members.get_mut(name).expect("it just joined");
            successor.seen_ms = member.seen_ms;
        }
        members
    }

    pub fn fold(&self, fold: &mut impl FnMut(&[u8])) {
        for (name, member) in &self.members {
            let Member {
                holder: _,
                joined_at_ms,
                list,
                leases,
                seen_ms: _,
                session_ms: _,
                lost_before: _,
                woken: _,
            } = member;
            fold(format!("{name} {joined_at_ms} {list} {leases:?}").as_bytes());
        }
        for (_, leases) in &self.left {
            fold(format!("left {leases:?}").as_bytes());
        }
    }
}

/// Spread over the whole word, so that ids that differ little score differently.
fn hash(consumer: &str) -> u64 {
    let bytes = consumer.bytes().map(u64::from);
    bytes.fold(0, |hash, byte| mix(hash ^ byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(names: &[&str]) -> Members {
        let mut members = Members::default();
        let names = (2..).zip(names);
        names.for_each(|(list, name)| members.join(name, 0, list));
        members
    }

    fn owners(members: &Members) -> Vec<Arc<str>> {
        let owner = |key| members.of_key(mix(key)).expect("somebody").name.clone();
        (0..10_000).map(owner).collect()
    }

    #[test]
    fn keys_are_spread_evenly_and_only_those_of_who_comes_or_goes_change_hands() {
        let names: Vec<String> = (0..10).map(|i| format!("worker-{i}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (ten, nine) = (owners(&members(&names)), owners(&members(&names[1..])));
        for name in &names {
            let keys = ten.iter().filter(|owner| ***owner == **name).count();
            assert!((850..1150).contains(&keys), "{keys} of 10,000");
        }
        for (before, after) in ten.iter().zip(&nine) {
            assert!(before == after || **before == *names[0]);
        }
        assert_eq!(owners(&members(&names)), ten, "who comes back has his keys");
    }

    #[test]
    fn who_would_have_a_key_has_it_once_a_member() {
        let (before, after) = (members(&["a", "c", "d"]), members(&["a", "b", "c", "d"]));
        for key in (0..1000).map(mix) {
            let owner = after.of_key(key).expect("somebody");
            assert_eq!(before.would_have(key, "b"), *owner.name == *"b");
        }
    }

    #[test]
    fn what_a_member_holds_is_known_until_it_is_let_go_or_the_member_leaves() {
        let mut members = members(&["a", "b"]);
        members.hold("a", 7);
        members.hold("a", 8);
        members.hold("nobody", 9);
        members.let_go(8);
        members.let_go(9);
        assert_eq!(members.holder(7).map(|name| &**name), Some("a"));
        members.leave("a");
        assert_eq!((members.holder(7), members.to_return(9)), (None, 1));
        members.join("a", 0, 4);
        members.hold("a", 10);
        assert_eq!(members.holder(7), None, "not hers again");
        assert_eq!(members.next_to_return(9), [7]);
        members.let_go(7);
        assert_eq!((members.to_return(9), members.left.len()), (0, 0));
        assert_eq!(members.holder(10).map(|name| &**name), Some("a"));
    }
}
