//! The members of a consumer group: who they are, which keys stick to them and which leases they hold. That somebody
//! came or went is recorded; when somebody was last seen is volatile, and after a takeover everybody is seen then.
//!
//! A key sticks to the member of the highest mix of both hashes (rendezvous hashing, Thaler and Ravishankar 1998), so
//! only keys of who comes or goes change hands, and a member that comes back has the keys it had.
//!
//! A key is weighed against every member each time one of its messages becomes ready: what that takes lies side by side.
//!
//! Who holds a message is known by its lease, and nobody by who is no member.
//!
//! What a member held that left is returned in bounded parts. Until its turn the lease is nobody's, and holds: its
//! receipt still settles it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::lists::ListId;
use crate::segmented::mix;
use crate::slots::Slots;

/// Tells the members of a group apart, and who left and held messages.
pub(crate) type Holder = u16;

/// Of what nobody holds, or who is no member.
pub(crate) const NOBODY: Holder = 0;

/// One member.
pub(crate) struct Member {
    pub name: Arc<str>,
    pub joined_at_ms: u64,
    /// Where the ready messages of its keys lie.
    pub list: ListId,
    /// Slots of the messages it holds.
    pub leases: Slots,
    /// When it was last seen, or until when a poll of it waits. Volatile.
    pub seen_ms: u64,
    /// As `sessions` knows it: not after the end of its session. Volatile.
    pub session_ms: u64,
    /// Its session is over, and of what it holds the slots before this one were looked at. Volatile.
    pub lost_before: u32,
    /// A message of its keys became ready in this step. Not part of the state.
    woken: bool,
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
    names: BTreeMap<Arc<str>, Holder>,
    /// By holder; None: that of nobody, of one that left, or free.
    members: Vec<Option<Member>>,
    free: Vec<Holder>,
    /// Of each member, in order of name.
    owners: Vec<Owner>,
    /// Slots of the messages that members held who left, in order of their leaving.
    left: VecDeque<(Holder, Slots)>,
    /// Those who are woken, each once. Not part of the state.
    woken: Vec<Holder>,
}

impl Members {
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// How a member's leases are told from those of others. Nobody's: it is none.
    pub fn holder(&self, consumer: &str) -> Holder {
        if consumer.is_empty() {
            return NOBODY;
        }
        self.names.get(consumer).copied().unwrap_or(NOBODY)
    }

    pub fn find(&self, consumer: &str) -> Option<&Member> {
        self.get(self.holder(consumer))
    }

    pub fn find_mut(&mut self, consumer: &str) -> Option<&mut Member> {
        self.get_mut(self.holder(consumer))
    }

    /// None: nobody, or it left.
    pub fn get(&self, holder: Holder) -> Option<&Member> {
        self.members.get(usize::from(holder))?.as_ref()
    }

    /// The same.
    pub fn get_mut(&mut self, holder: Holder) -> Option<&mut Member> {
        self.members.get_mut(usize::from(holder))?.as_mut()
    }

    /// Whose list it is.
    pub fn of_list(&self, list: ListId) -> Holder {
        let mut owners = self.owners.iter();
        let owner = owners.find(|owner| owner.list == list);
        owner.map_or(NOBODY, |owner| self.names[&owner.name])
    }

    /// A message of its keys became ready in this step.
    pub fn wake(&mut self, holder: Holder) {
        if let Some(member) = self.get_mut(holder).filter(|member| !member.woken) {
            member.woken = true;
            self.woken.push(holder);
        }
    }

    pub fn wake_all(&mut self) {
        if self.woken.len() == self.len() {
            return;
        }
        for holder in 0..self.members.len() as Holder {
            self.wake(holder);
        }
    }

    /// Who was woken, in order of name, and is woken no more.
    pub fn take_woken(&mut self) -> Vec<Arc<str>> {
        if self.woken.is_empty() {
            return Vec::new();
        }
        let woken = std::mem::take(&mut self.woken).into_iter();
        let names = woken.filter_map(|holder| {
            let member = self.get_mut(holder)?;
            member.woken = false;
            Some(member.name.clone())
        });
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        names
    }

    /// In order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Member)> {
        let named = |(name, &holder): (_, &Holder)| (name, of(&self.members[usize::from(holder)]));
        self.names.iter().map(named)
    }

    /// In order of name.
    pub fn for_each(&mut self, mut each: impl FnMut(&mut Member)) {
        for &holder in self.names.values() {
            let member = self.members[usize::from(holder)].as_mut();
            each(member.expect(NAMED));
        }
    }

    pub fn join(&mut self, consumer: &str, now_ms: u64, list: ListId) {
        assert!(!consumer.is_empty(), "a member has a name");
        let at = self.place(consumer).expect_err("a member joins twice");
        let holder = self.free_holder();
        let name: Arc<str> = consumer.into();
        let owner = Owner {
            hash: hash(consumer),
            list,
            name: name.clone(),
        };
        self.owners.insert(at, owner);
        self.names.insert(name.clone(), holder);
        self.members[usize::from(holder)] = Some(Member {
            name,
            joined_at_ms: now_ms,
            list,
            leases: Slots::default(),
            seen_ms: now_ms,
            session_ms: 0,
            lost_before: 0,
            woken: false,
        });
    }

    fn place(&self, consumer: &str) -> Result<usize, usize> {
        let by_name = |owner: &Owner| (*owner.name).cmp(consumer);
        self.owners.binary_search_by(by_name)
    }

    /// Each has another list from here on, in order of name.
    pub fn renumber(&mut self, mut list: impl FnMut() -> ListId) {
        for (&holder, owner) in self.names.values().zip(&mut self.owners) {
            owner.list = list();
            let member = self.members[usize::from(holder)].as_mut();
            member.expect(NAMED).list = owner.list;
        }
    }

    /// Its leases are nobody's from here on, and to be returned.
    pub fn leave(&mut self, consumer: &str) -> Member {
        let at = self.place(consumer);
        self.owners.remove(at.expect("a member has keys"));
        let left = self.names.remove(consumer);
        let holder = left.expect("a member leaves that isn't there");
        let mut member = self.members[usize::from(holder)].take().expect(NAMED);
        let leases = std::mem::take(&mut member.leases);
        if member.woken {
            self.woken.retain(|&woken| woken != holder);
        }
        match leases.is_empty() {
            true => self.free.push(holder),
            false => self.left.push_back((holder, leases)),
        }
        member
    }

    /// Slots of the messages that members held who left, in order of their leaving.
    pub fn left(&self) -> impl Iterator<Item = &Slots> {
        self.left.iter().map(|(_, leases)| leases)
    }

    /// A member left that held these.
    pub fn load_left(&mut self, leases: Slots) {
        let holder = self.free_holder();
        self.left.push_back((holder, leases));
    }

    fn free_holder(&mut self) -> Holder {
        self.free.pop().unwrap_or_else(|| {
            let holder = self.members.len().max(usize::from(NOBODY) + 1);
            self.members.resize_with(holder + 1, || None);
            Holder::try_from(holder).expect("there are few members")
        })
    }

    /// Every slot of a message that is held, by whom.
    pub fn held(&self) -> impl Iterator<Item = (Holder, u32)> + '_ {
        let of_members = self.names.values().map(|&holder| {
            let member = of(&self.members[usize::from(holder)]);
            (holder, &member.leases)
        });
        let of_left = self.left.iter().map(|(holder, leases)| (*holder, leases));
        let all = of_members.chain(of_left);
        all.flat_map(|(holder, leases)| leases.iter().map(move |slot| (holder, slot)))
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
        slots.take(count as usize).collect()
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

    /// The message in `slot` is handed to a member.
    pub fn hold(&mut self, holder: Holder, slot: u32) {
        let member = self.get_mut(holder).expect(NAMED);
        assert!(member.leases.insert(slot), "a lease is held twice");
    }

    /// A lease ended that somebody held.
    pub fn let_go(&mut self, holder: Holder, slot: u32) {
        if let Some(member) = self.get_mut(holder) {
            return member.leases.remove(slot);
        }
        let of = |(other, _): &(Holder, Slots)| *other == holder;
        let at = self.left.iter().position(of).expect("it left");
        self.left[at].1.remove(slot);
        if self.left[at].1.is_empty() {
            self.left.remove(at);
            self.free.push(holder);
        }
    }

    /// What the member is called; None: nobody, or it left.
    pub fn name(&self, holder: Holder) -> Option<&Arc<str>> {
        self.get(holder).map(|member| &member.name)
    }

    /// The same members, who hold nothing. `list` numbers their lists.
    pub fn successors(&self, mut list: impl FnMut() -> ListId) -> Members {
        let mut members = Members::default();
        for (name, member) in self.iter() {
            members.join(name, member.joined_at_ms, list());
            let successor = members.find_mut(name).expect("it just joined");
            successor.seen_ms = member.seen_ms;
        }
        members
    }

    pub fn fold(&self, fold: &mut impl FnMut(&[u8])) {
        for (name, member) in self.iter() {
            let Member {
                name: _,
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
        for leases in self.left() {
            fold(format!("left {leases:?}").as_bytes());
        }
    }
}

const NAMED: &str = "a name is a member's";

fn of(member: &Option<Member>) -> &Member {
    member.as_ref().expect(NAMED)
}

/// Spread over the whole word, so that ids that differ little score differently.
fn hash(consumer: &str) -> u64 {
    let bytes = consumer.bytes().map(u64::from);
    bytes.fold(0, |hash, byte| mix(hash ^ byte))
}

#[cfg(test)]
mod tests;
