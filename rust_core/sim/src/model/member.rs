//! Members of a consumer group: who comes and goes, whom an ordering key sticks to, and what becomes of what one holds.

use engine::command::Command;
use engine::rejection::Rejection;
use engine::reply::{MemberView, Reply, State};

use super::group::Group;
use super::queue::Queue;
use super::{Message, Model};

/// A member, as long as its session lasts.
#[derive(Clone)]
pub(crate) struct Member {
    pub name: Box<str>,
    joined_at_ms: u64,
    /// When it was last seen, or until when a poll of it waits.
    pub seen_ms: u64,
}

/// Spreads a number over the whole word.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// How much a key is drawn to a member: it sticks to the one that draws most.
fn score(key: u64, name: &str) -> u64 {
    let hash = name
        .bytes()
        .fold(0, |hash, byte| mix(hash ^ u64::from(byte)));
    mix(key ^ hash)
}

impl Message {
    /// Whether a consumer of a group with or without members may take it when it is ready.
    pub fn is_for(&self, queue: &Queue, group: usize, consumer: &str) -> bool {
        let nobody_is_there = queue.groups[group].members.is_empty();
        let sticks = self.list.as_deref();
        nobody_is_there || sticks.is_none_or(|owner| owner == consumer)
    }
}

impl Model {
    pub(super) fn about_member(&mut self, command: &Command) -> Result<Reply, Rejection> {
        let (Command::Heartbeat {
            queue,
            group,
            consumer,
            ..
        }
        | Command::Seen {
            queue,
            group,
            consumer,
        }
        | Command::Leave {
            queue,
            group,
            consumer,
        }) = command
        else {
            unreachable!("only what is asked of a member comes here")
        };
        let queue = self.named(queue)?;
        let group = self.group(queue, group)?;
        let now_ms = self.now_ms;
        match command {
            Command::Leave { .. } => {
                let released = self.is_member(queue, group, consumer);
                let released = released.then(|| self.leave_group(queue, group, consumer));
                self.saw(
                    None,
                    "leave",
                    if released.is_some() {
                        "left"
                    } else {
                        "is none"
                    },
                );
                let released = released.unwrap_or(0);
                return Ok(Reply::Left { released });
            }
            Command::Heartbeat { members_max, .. } => {
                self.join(queue, group, consumer, *members_max)?;
                self.see(queue, group, consumer, |seen_ms| seen_ms.max(now_ms));
            }
            _ => self.see(queue, group, consumer, |_| now_ms),
        }
        let timeout_ms = self.queues[queue].config.session_timeout_ms;
        let mut members = self.queues[queue].groups[group].members.iter();
        let member = members.find(|member| member.name == *consumer);
        let until_ms = member.map_or(now_ms, |member| member.seen_ms + timeout_ms);
        Ok(Reply::Session { until_ms })
    }

    fn is_member(&self, queue: usize, group: usize, consumer: &str) -> bool {
        let mut members = self.queues[queue].groups[group].members.iter();
        members.any(|member| *member.name == *consumer)
    }

    /// It is a member from here on, unless it has no name.
    pub(super) fn join(
        &mut self,
        queue: usize,
        group: usize,
        consumer: &str,
        members_max: u64,
    ) -> Result<(), Rejection> {
        if consumer.is_empty() || self.is_member(queue, group, consumer) {
            return Ok(());
        }
        let now_ms = self.now_ms;
        let Queue { name, groups, .. } = &mut self.queues[queue];
        let found = &mut groups[group];
        if found.members.len() as u64 >= members_max {
            let (queue, group) = (name.clone(), found.name.clone());
            self.saw(None, "join", "refused");
            return Err(Rejection::MembersExhausted {
                queue,
                group,
                members_max,
            });
        }
        let member = Member {
            name: consumer.into(),
            joined_at_ms: now_ms,
            seen_ms: now_ms,
        };
        let home = found.home;
        found.members.push(member);
        found
            .members
            .sort_by(|one, other| one.name.cmp(&other.name));
        let keyed = self.take_up_keyed(home, |_| true);
        self.put_down(keyed);
        self.wake(home);
        self.saw(None, "join", "joined");
        Ok(())
    }

    pub(super) fn see(
        &mut self,
        queue: usize,
        group: usize,
        consumer: &str,
        until_ms: impl Fn(u64) -> u64,
    ) {
        let members = self.queues[queue].groups[group].members.iter_mut();
        for member in members.filter(|member| *member.name == *consumer) {
            member.seen_ms = until_ms(member.seen_ms);
        }
    }

    /// Whoever does something with what it holds is there.
    pub(super) fn see_holder(&mut self, at: usize) {
        let (message, now_ms) = (&self.messages[at], self.now_ms);
        let Some(holder) = message.holder.clone() else {
            return;
        };
        let home = message.home;
        let mut groups = self.queues.iter_mut().flat_map(|queue| &mut queue.groups);
        let group = groups.find(|group| group.home == home);
        let members = &mut group.expect("a message's group").members;
        let mut members = members.iter_mut();
        let member = members.find(|member| member.name == holder);
        let member = member.expect("a holder is a member");
        member.seen_ms = member.seen_ms.max(now_ms);
    }

    /// Sessions that are over. Which of several ends first is left open.
    pub(super) fn end_sessions(&mut self) {
        let all = |queue: usize, of: &Queue| -> Vec<(usize, usize)> {
            (0..of.groups.len()).map(|group| (queue, group)).collect()
        };
        let queues = self.queues.iter().enumerate();
        let groups: Vec<_> = queues.flat_map(|(at, queue)| all(at, queue)).collect();
        let now_ms = self.now_ms;
        let mut over = Vec::new();
        for (queue, group) in groups {
            let timeout_ms = self.queues[queue].config.session_timeout_ms;
            let members = self.queues[queue].groups[group].members.iter();
            let ended = members.filter(|member| member.seen_ms + timeout_ms <= now_ms);
            over.extend(ended.map(|member| (queue, group, member.name.clone())));
        }
        while !over.is_empty() {
            let first = self.left.first().expect("a session that is over ends");
            let is_it = |(queue, group, name): &(usize, usize, Box<str>)| {
                let shadow = self.queues[*queue].groups[*group].shadow;
                (shadow, name) == (first.0, &first.1)
            };
            let at = over.iter().position(is_it);
            let (queue, group, name) = over.swap_remove(at.expect("its session is over"));
            self.fail_lost(self.queues[queue].groups[group].home, &name);
            self.leave_group(queue, group, &name);
            self.saw(None, "session", "ended");
        }
    }

    /// Of what it held whose session ended, what was handed out in vain before failed now, the older first.
    fn fail_lost(&mut self, home: u32, consumer: &str) {
        let in_vain = |message: &&Message| {
            let is_held = message.home == home && message.holder.as_deref() == Some(consumer);
            is_held && message.deliveries - message.attempts > 1
        };
        let lost = self.messages.iter().filter(in_vain);
        let mut lost: Vec<u64> = lost.map(|message| message.number).collect();
        lost.sort_unstable();
        for number in lost {
            let at = self.position(number, home).expect("it is held");
            self.saw(Some(State::Leased), "session", "failed");
            self.fire(at);
        }
    }

    /// What it held is ready again, in front, the older first, and no attempt is counted.
    fn leave_group(&mut self, queue: usize, group: usize, consumer: &str) -> u64 {
        let (home, shadow) = {
            let group = &self.queues[queue].groups[group];
            (group.home, group.shadow)
        };
        assert!(
            !self.left.is_empty(),
            "a member leaves, and nothing says so"
        );
        assert_eq!(self.left.remove(0), (shadow, consumer.into()), "who leaves");
        let members = &mut self.queues[queue].groups[group].members;
        members.retain(|member| *member.name != *consumer);
        let keyed = self.take_up_keyed(home, |owner| owner == consumer);
        let is_held = |message: &&Message| {
            message.home == home && message.holder.as_deref() == Some(consumer)
        };
        let mut held: Vec<u64> = self
            .messages
            .iter()
            .filter(is_held)
            .map(|message| message.number)
            .collect();
        held.sort_unstable();
        for number in held.iter().rev() {
            let at = self.position(*number, home).expect("it is held");
            self.put_in_front(at, self.messages[at].held_since_ms);
            self.saw(Some(State::Leased), "leave", "ready");
        }
        self.put_down(keyed);
        self.wake(home);
        held.len() as u64
    }

    // -- whom keys stick to

    fn owner(&self, home: u32, key: u64) -> Box<str> {
        let members = self.group_of(home).members.iter();
        let best = members.max_by_key(|member| (score(key, &member.name), &member.name));
        best.map_or("".into(), |member| member.name.clone())
    }

    /// It lies among those of whom its key sticks to, from here on.
    pub(super) fn assign(&mut self, at: usize) {
        let message = &self.messages[at];
        let key = message.ordering_key;
        let list = key.map(|key| self.owner(message.home, key));
        self.messages[at].list = list;
    }

    /// Members changed: ready messages with an ordering key that may move lie nowhere, in the order in which they are to be
    /// put down. That of each list is kept, and of the first ones of all lists the one goes first that waits longest.
    fn take_up_keyed(&mut self, home: u32, moves: impl Fn(&str) -> bool) -> Vec<(u64, u32)> {
        let is_keyed = |message: &Message| {
            let is_ready = message.home == home && message.state == State::Ready;
            is_ready && message.list.as_deref().is_some_and(&moves)
        };
        let all = 0..self.messages.len();
        let mut left: Vec<usize> = all.filter(|&at| is_keyed(&self.messages[at])).collect();
        let mut order = Vec::new();
        while !left.is_empty() {
            let is_first = |&&at: &&usize| {
                let message = &self.messages[at];
                let mut others = left.iter().map(|&other| &self.messages[other]);
                others.all(|other| other.lane() != message.lane() || other.line >= message.line)
            };
            let firsts = left.iter().filter(is_first);
            let age = |&&at: &&usize| (self.messages[at].at_ms, self.messages[at].number);
            let next = *firsts.min_by_key(age).expect("one is first");
            left.retain(|&at| at != next);
            order.push(next);
        }
        for &at in &order {
            self.messages[at].state = State::Dead;
        }
        let numbers = order.iter().map(|&at| self.messages[at].number);
        numbers.map(|number| (number, home)).collect()
    }

    fn put_down(&mut self, keyed: Vec<(u64, u32)>) {
        for (number, home) in keyed {
            let at = self.position(number, home).expect("it is there");
            self.messages[at].state = State::Ready;
            self.stand_in_order(at);
        }
    }

    pub(super) fn view_of_members(&self, group: &Group) -> Vec<MemberView> {
        let here = self.messages.iter().filter(|one| one.home == group.home);
        let view = |member: &Member| {
            let held = |one: &&Message| one.holder.as_ref() == Some(&member.name);
            let listed = |one: &&Message| {
                one.state == State::Ready && one.list.as_ref() == Some(&member.name)
            };
            let keyed = |one: &&Message| one.ordering_key.is_some();
            let keys = here.clone().filter(listed).count()
                + here.clone().filter(held).filter(keyed).count();
            MemberView {
                consumer: member.name.clone(),
                joined_at_ms: member.joined_at_ms,
                seen_ms: member.seen_ms.min(self.now_ms),
                leased: here.clone().filter(held).count() as u64,
                keys: keys as u64,
            }
        };
        group.members.iter().map(view).collect()
    }
}
