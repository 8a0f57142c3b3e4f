//! Which queues changed, and what those were that the checkpoint under way has yet to take: what [`Paged`] is for arrays.
//! Kept is only what a checkpoint has of a queue, which is little.
//!
//! [`Paged`]: super::paged::Paged

use std::collections::BTreeMap;

use super::image::{MemberImage, QueueImage};
use crate::queue::Queue;

/// Queues of a block.
const BLOCK: usize = 64;

const CHANGED: u8 = 1;
const AWAITED: u8 = 2;

/// See the module.
#[derive(Default)]
pub(crate) struct QueueMarks {
    /// By number.
    marks: Vec<u8>,
    /// As it was when the checkpoint began; None: gone.
    kept: BTreeMap<usize, Option<QueueImage>>,
    /// How many numbers were given then.
    begun: usize,
    blocks: Vec<usize>,
    taken: usize,
}

impl QueueMarks {
    /// A number was given.
    pub fn push(&mut self) {
        self.marks.push(CHANGED);
    }

    /// The queue of this number is about to change.
    #[inline]
    pub fn mark(&mut self, number: usize, queue: Option<&Queue>) {
        if self.marks[number] & AWAITED != 0 {
            self.keep(number, queue);
        }
        self.marks[number] = CHANGED;
    }

    #[cold]
    fn keep(&mut self, number: usize, queue: Option<&Queue>) {
        self.kept.insert(number, queue.map(Queue::image));
    }

    /// Blocks that changed since the last checkpoint began.
    pub fn changed(&self) -> usize {
        self.marks
            .chunks(BLOCK)
            .filter(|marks| is_changed(marks))
            .count()
    }

    /// Queues of those, at most.
    pub fn changed_entries(&self) -> usize {
        self.len().min(self.changed() * BLOCK)
    }

    /// Numbers that were given.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Has the block written with the next checkpoint, changed or not.
    pub fn rewrite(&mut self, block: u64) {
        let first = usize::try_from(block).map_or(usize::MAX, |block| block.saturating_mul(BLOCK));
        if let Some(mark) = self.marks.get_mut(first) {
            *mark |= CHANGED;
        }
    }

    /// A checkpoint begins: it takes what changed as it is now.
    pub fn begin(&mut self) {
        self.begun = self.marks.len();
        (self.blocks, self.taken) = (Vec::new(), 0);
        for (block, marks) in self.marks.chunks_mut(BLOCK).enumerate() {
            if is_changed(marks) {
                self.blocks.push(block);
                marks.fill(AWAITED);
            }
        }
    }

    /// The checkpoint's next block.
    pub fn next(&mut self, queues: &[Option<Box<Queue>>]) -> Option<(u64, Vec<(u64, QueueImage)>)> {
        let block = *self.blocks.get(self.taken)?;
        self.taken += 1;
        let numbers = block * BLOCK..self.begun.min((block + 1) * BLOCK);
        let mut taken = Vec::new();
        for number in numbers {
            self.marks[number] &= !AWAITED;
            let now = || queues[number].as_deref().map(Queue::image);
            let image = self.kept.remove(&number).unwrap_or_else(now);
            taken.extend(image.map(|image| (number as u64, image)));
        }
        Some((block as u64, taken))
    }

    /// The checkpoint came to nothing: its blocks count as changed.
    pub fn abandon(&mut self) {
        self.kept.clear();
        for block in std::mem::take(&mut self.blocks) {
            let marks = self.marks[block * BLOCK..].iter_mut().take(BLOCK);
            marks.for_each(|mark| *mark = CHANGED);
        }
    }

    /// As a checkpoint has them: `count` numbers were given, and none has changed.
    pub fn load(&mut self, count: usize) {
        self.marks = vec![0; count];
    }
}

fn is_changed(marks: &[u8]) -> bool {
    marks.iter().any(|mark| mark & CHANGED != 0)
}

impl Queue {
    /// What a checkpoint keeps of it.
    fn image(&self) -> QueueImage {
        let (unassigned, numbered, retired) = self.lists.numbers();
        let (runs, left) = (self.dedup.runs.iter(), self.members.left());
        QueueImage {
            name: (*self.name).into(),
            group: self.group.number,
            group_name: (*self.group.name).into(),
            source: self.group.source,
            groups: self.groups.clone(),
            config: self.config.clone(),
            created_at_ms: self.created_at_ms,
            paused: self.paused,
            deleted: self.deleted,
            orphans: self.orphans,
            dispatched: self.limiter.arrival(),
            ingressed: self.ingress.arrival(),
            lists: (unassigned, numbered),
            retired,
            members: self.members.iter().map(member).collect(),
            left: left.map(|leases| leases.iter().collect()).collect(),
            dedup_of: self.dedup.of,
            dedup_runs: runs.map(|run| (run.head, run.tail)).collect(),
        }
    }
}

fn member((name, member): (&std::sync::Arc<str>, &crate::members::Member)) -> MemberImage {
    MemberImage {
        name: (**name).into(),
        joined_at_ms: member.joined_at_ms,
        list: member.list,
        leases: member.leases.iter().collect(),
    }
}
