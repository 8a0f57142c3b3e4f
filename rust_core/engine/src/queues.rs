//! The queues of a partition: by number for the engine, by name for the outside. A deleted queue keeps its
//! number until its last message is gone; its name is free at once.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use crate::checkpoint::{Contradiction, QueueMarks, check};
use crate::config::QueueConfig;
use crate::group::Group;
use crate::ids::{GroupNumber, QueueNumber};
use crate::queue::Queue;
use crate::rejection::Rejection;

/// See the module.
#[derive(Default)]
pub(crate) struct Queues {
    /// By number; numbers are never reused.
    pub numbered: Vec<Option<Box<Queue>>>,
    /// Whoever may change one marks it first.
    pub marks: QueueMarks,
    names: BTreeMap<Arc<str>, QueueNumber>,
    /// Deleted ones that still hold something, in order of deletion.
    reaping: VecDeque<QueueNumber>,
}

impl Queues {
    pub fn count(&self) -> usize {
        self.names.len()
    }

    pub fn next_number(&self) -> QueueNumber {
        QueueNumber(u32::try_from(self.numbered.len()).expect("queue numbers fit 32 bits"))
    }

    /// A queue a message is in, so it is there.
    pub fn get(&self, number: QueueNumber) -> &Queue {
        self.numbered[number.0 as usize]
            .as_ref()
            .expect("a message's queue exists")
    }

    #[inline]
    pub fn get_mut(&mut self, number: QueueNumber) -> &mut Queue {
        self.try_get_mut(number).expect("a message's queue exists")
    }

    /// None: it is gone.
    pub fn try_get(&self, number: QueueNumber) -> Option<&Queue> {
        self.numbered[number.0 as usize].as_deref()
    }

    #[inline]
    pub fn try_get_mut(&mut self, number: QueueNumber) -> Option<&mut Queue> {
        let place = number.0 as usize;
        self.marks.mark(place, self.numbered[place].as_deref());
        self.numbered[place].as_deref_mut()
    }

    /// Whether it is there, as a queue that can be named or one whose messages are being taken away.
    pub fn holds(&self, number: QueueNumber) -> bool {
        let queue = self.numbered.get(number.0 as usize);
        queue.is_some_and(|queue| queue.is_some())
    }

    /// What follows from the queues of a checkpoint: `count` numbers were given, and these are being taken away.
    pub fn load(&mut self, count: u32, reaping: &[QueueNumber]) -> Result<(), Contradiction> {
        let missing = (count as usize).checked_sub(self.numbered.len());
        check(missing.is_some_and(|missing| missing < 1 << 24), || {
            format!("{} queues are there of {count}", self.numbered.len())
        })?;
        self.numbered.resize_with(count as usize, || None);
        self.marks.load(count as usize);
        self.reaping = reaping.iter().copied().collect();
        for queue in self.numbered.iter().flatten() {
            let is_source = |number: QueueNumber| self.holds(number) && !self.get(number).deleted;
            let holds = match queue.deleted {
                true => self.reaping.contains(&queue.number) && queue.group.source.0 < count,
                false => {
                    is_source(queue.group.source)
                        && queue.groups.iter().all(|&group| is_source(group))
                }
            };
            let name = (!queue.deleted && queue.group.is_default()).then(|| queue.name.clone());
            let earlier = name.and_then(|name| self.names.insert(name, queue.number));
            check(holds && earlier.is_none(), || {
                format!("queue {} can't be", queue.number.0)
            })?;
        }
        let is_deleted = |number: &QueueNumber| self.holds(*number) && self.get(*number).deleted;
        check(self.reaping.iter().all(is_deleted), || {
            "a queue is taken away that isn't deleted".to_owned()
        })
    }

    /// It was deleted, whether or not something of it is left.
    pub fn is_gone(&self, number: QueueNumber) -> bool {
        let queue = self.numbered[number.0 as usize].as_ref();
        queue.is_none_or(|queue| queue.deleted)
    }

    pub fn find(&self, name: &str) -> Option<&Queue> {
        self.names.get(name).map(|&number| self.get(number))
    }

    /// The queue a command names.
    pub fn named(&self, name: &str) -> Result<&Queue, Rejection> {
        self.find(name)
            .ok_or_else(|| Rejection::QueueNotFound { queue: name.into() })
    }

    /// The group a command names: the queue itself, or one in its shadow.
    pub fn group(&self, queue: &str, group: &str) -> Result<&Queue, Rejection> {
        let source = self.named(queue)?;
        self.groups_of(source)
            .find(|one| *one.group.name == *group)
            .ok_or_else(|| Rejection::GroupNotFound {
                queue: queue.into(),
                group: group.into(),
            })
    }

    /// All groups of a queue: `default` first, then in order of their making.
    pub fn groups_of<'a>(&'a self, source: &'a Queue) -> impl Iterator<Item = &'a Queue> {
        let further = source.groups.iter().map(|&number| self.get(number));
        std::iter::once(source).chain(further)
    }

    /// The lowest number that no group of the queue has.
    pub fn next_group(&self, source: &Queue) -> GroupNumber {
        let used = |number: u16| {
            self.groups_of(source)
                .any(|one| one.group.number == GroupNumber(number))
        };
        let free = (1..=u16::MAX).find(|&number| !used(number));
        GroupNumber(free.expect("group numbers fit 16 bits"))
    }

    /// Those whose names begin with `prefix`, in order of name, after `after`.
    pub fn after<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&str>,
    ) -> impl Iterator<Item = &'a Queue> {
        let after = after.filter(|after| *after >= prefix);
        let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
        self.names
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(move |(name, _)| name.starts_with(prefix))
            .map(|(_, &number)| self.get(number))
    }

    /// By number.
    pub fn iter(&self) -> impl Iterator<Item = &Queue> {
        self.numbered.iter().flatten().map(|queue| &**queue)
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Queue> {
        let numbered = self.numbered.iter().enumerate();
        numbered.for_each(|(place, queue)| self.marks.mark(place, queue.as_deref()));
        self.numbered.iter_mut().flatten().map(|queue| &mut **queue)
    }

    pub fn insert(&mut self, number: QueueNumber, name: &str, config: QueueConfig, now_ms: u64) {
        assert_eq!(
            number,
            self.next_number(),
            "a record names a queue number that isn't the next"
        );
        let name: Arc<str> = name.into();
        let earlier = self.names.insert(name.clone(), number);
        assert!(earlier.is_none(), "a queue of that name exists");
        self.push(Queue::new(number, name, config, now_ms));
    }

    /// The queue goes on as `fresh`, empty, and its further groups under the numbers behind; what they held is taken
    /// away under the old ones.
    pub fn purge(&mut self, number: QueueNumber, fresh: QueueNumber) {
        assert_eq!(
            fresh,
            self.next_number(),
            "a record names a queue number that isn't the next"
        );
        let groups = std::mem::take(&mut self.get_mut(number).groups);
        self.succeed(number, fresh, fresh);
        let name = self.get(fresh).name.clone();
        let earlier = self.names.insert(name, fresh);
        assert_eq!(earlier, Some(number), "a queue's name is another's");
        for group in groups {
            let successor = self.next_number();
            self.succeed(group, successor, fresh);
            self.get_mut(fresh).groups.push(successor);
        }
    }

    fn succeed(&mut self, number: QueueNumber, fresh: QueueNumber, source: QueueNumber) {
        let queue = self.get_mut(number);
        assert!(!queue.deleted, "a deleted queue is purged");
        let mut successor = queue.successor(fresh);
        queue.forsake();
        successor.group = Group {
            source,
            ..queue.group.clone()
        };
        self.push(successor);
        self.bury(number);
    }

    /// A group in the shadow of `source`, which it gets its settings from.
    pub fn insert_group(
        &mut self,
        source: QueueNumber,
        group: GroupNumber,
        name: &str,
        shadow: QueueNumber,
        now_ms: u64,
    ) {
        assert_eq!(
            shadow,
            self.next_number(),
            "a record names a queue number that isn't the next"
        );
        let queue = self.get_mut(source);
        assert!(
            queue.group.is_default() && !queue.deleted,
            "a group is of a queue"
        );
        queue.groups.push(shadow);
        let paused = queue.paused;
        let mut made = Queue::new(shadow, queue.name.clone(), queue.config.clone(), now_ms);
        made.group = Group {
            number: group,
            name: name.into(),
            source,
        };
        made.paused = paused;
        self.push(made);
    }

    /// With its further groups.
    pub fn delete(&mut self, number: QueueNumber) {
        let queue = self.get_mut(number);
        assert!(!queue.deleted, "a queue is deleted twice");
        queue.forsake();
        if queue.group.is_default() {
            let (name, groups) = (queue.name.clone(), std::mem::take(&mut queue.groups));
            assert_eq!(
                self.names.remove(&name),
                Some(number),
                "a queue's name is another's"
            );
            groups.into_iter().for_each(|group| self.delete(group));
        } else {
            let source = queue.group.source;
            self.get_mut(source).groups.retain(|&group| group != number);
        }
        self.bury(number);
    }

    fn bury(&mut self, number: QueueNumber) {
        if self.get(number).is_reaped() {
            self.take_away(number);
        } else {
            self.reaping.push_back(number);
        }
    }

    fn push(&mut self, queue: Queue) {
        self.numbered.push(Some(Box::new(queue)));
        self.marks.push();
    }

    fn take_away(&mut self, number: QueueNumber) {
        let place = number.0 as usize;
        self.marks.mark(place, self.numbered[place].as_deref());
        self.numbered[place] = None;
    }

    /// The deleted queue whose rest is taken away next.
    pub fn reaping(&self) -> Option<&Queue> {
        self.reaping.front().map(|&number| self.get(number))
    }

    /// All of them, in order of deletion.
    pub fn reaping_all(&self) -> impl Iterator<Item = QueueNumber> + '_ {
        self.reaping.iter().copied()
    }

    /// After something was taken from the queue that is reaped now.
    pub fn drop_if_reaped(&mut self, number: QueueNumber) {
        let front = self.reaping.front();
        assert_eq!(front, Some(&number), "deleted queues go in order");
        if self.get(number).is_reaped() {
            self.reaping.pop_front();
            self.take_away(number);
        }
    }

    pub fn fold_reaping(&self, fold: &mut impl FnMut(&[u8])) {
        fold(&self.next_number().0.to_le_bytes());
        self.reaping
            .iter()
            .for_each(|number| fold(&number.0.to_le_bytes()));
    }
}
