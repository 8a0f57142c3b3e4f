//! Consumer groups: each further one gets a copy of what its queue accepts from its making on.

use engine::config::QueueConfig;
use engine::rejection::Rejection;
use engine::reply::{GroupView, Reply};

use super::Model;
use super::limits::Limits;
use super::member::Member;
use super::queue::Queue;

/// A consumer group of a queue.
#[derive(Clone)]
pub(crate) struct Group {
    /// Told from every other group of every queue there ever was.
    pub home: u32,
    /// Its number among queues and groups; a purge gives it the next one.
    pub shadow: u32,
    /// Its number in its queue; `default` has 0.
    pub number: u16,
    pub name: Box<str>,
    pub created_at_ms: u64,
    pub limits: Limits,
    /// In order of name.
    pub members: Vec<Member>,
}

impl Model {
    pub(super) fn new_group(&mut self, number: u16, name: &str, config: &QueueConfig) -> Group {
        self.homes_made += 1;
        Group {
            home: self.homes_made,
            shadow: self.next_shadow(),
            number,
            name: name.into(),
            created_at_ms: self.now_ms,
            limits: Limits::full(config, self.now_ms),
            members: Vec::new(),
        }
    }

    pub(super) fn next_shadow(&mut self) -> u32 {
        self.shadows_made += 1;
        self.shadows_made - 1
    }

    pub(super) fn create_group(
        &mut self,
        queue: &str,
        group: &str,
        groups_max: u64,
    ) -> Result<Reply, Rejection> {
        let at = self.named(queue)?;
        let created = self.group(at, group).is_err();
        if created {
            let groups = &self.queues[at].groups;
            if groups.len() as u64 > groups_max {
                let queue = queue.into();
                return Err(Rejection::GroupsExhausted { queue, groups_max });
            }
            let is_free = |number: &u16| groups.iter().all(|other| other.number != *number);
            let number = (1..).find(is_free).expect("numbers enough");
            let config = self.queues[at].config.clone();
            let made = self.new_group(number, group, &config);
            self.queues[at].groups.push(made);
            self.saw(None, "create group", "made");
        }
        let group = self.view_of_group(at, self.group(at, group)?).into();
        Ok(Reply::GroupCreated { created, group })
    }

    pub(super) fn delete_group(&mut self, queue: &str, group: &str) -> Result<Reply, Rejection> {
        let at = self.named(queue)?;
        let found = self.group(at, group)?;
        if found == 0 {
            let queue = queue.into();
            return Err(Rejection::GroupIsDefault { queue });
        }
        let home = self.queues[at].groups.remove(found).home;
        let all = std::mem::take(&mut self.messages).into_iter();
        let (gone, left): (Vec<_>, Vec<_>) = all.partition(|message| message.home == home);
        self.messages = left;
        let queue = self.queues[at].number;
        for message in &gone {
            // They are counted until they are taken away, in the next step.
            self.doomed.push((queue, message.number));
            self.gone.push(message.token);
            self.saw(Some(message.state), "delete group", "gone");
        }
        let messages = gone.len() as u64;
        Ok(Reply::GroupDeleted { messages })
    }

    pub(super) fn get_group(&self, queue: &str, group: &str) -> Result<Reply, Rejection> {
        let at = self.named(queue)?;
        let view = self.view_of_group(at, self.group(at, group)?);
        Ok(Reply::Group(view.into()))
    }

    pub(super) fn list_groups(&self, queue: &str) -> Result<Reply, Rejection> {
        let at = self.named(queue)?;
        let groups = 0..self.queues[at].groups.len();
        let views = groups.map(|group| self.view_of_group(at, group));
        Ok(Reply::Groups(views.collect()))
    }

    /// Where the group of that name is among its queue's.
    pub(super) fn group(&self, queue: usize, group: &str) -> Result<usize, Rejection> {
        let Queue { name, groups, .. } = &self.queues[queue];
        let found = groups.iter().position(|other| *other.name == *group);
        found.ok_or_else(|| Rejection::GroupNotFound {
            queue: name.clone(),
            group: group.into(),
        })
    }

    pub(super) fn group_of(&self, home: u32) -> &Group {
        let mut groups = self.queues.iter().flat_map(|queue| &queue.groups);
        let found = groups.find(|group| group.home == home);
        found.expect("a message's group can be named")
    }

    fn view_of_group(&self, queue: usize, group: usize) -> GroupView {
        let queue = &self.queues[queue];
        let group = &queue.groups[group];
        GroupView {
            name: group.name.clone(),
            queue: queue.name.clone(),
            created_at_ms: group.created_at_ms,
            counts: self.counts(group.home),
            oldest_ready_ms: self.oldest_ready_ms(group.home),
            members: self.view_of_members(group),
        }
    }
}
