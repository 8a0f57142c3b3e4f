//! An array that a checkpoint takes block by block while it goes on changing. Who writes an entry marks its chunk as
//! changed; who writes one that the checkpoint under way has yet to take keeps a copy of its page first. Writing is only
//! possible through `IndexMut` and `push`, so no change can be forgotten; without a checkpoint under way it costs a bit.

use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};

use crate::chunked::{CHUNK, Chunked};

/// Entries that are copied at once.
const PAGE: usize = 64;
const PAGES: usize = CHUNK / PAGE;

/// Entries of a block: some hundred kilobytes as written, under a millisecond to take.
pub(crate) const BLOCK: usize = 8192;
const CHUNKS: usize = BLOCK / CHUNK;

/// One chunk's marks.
#[derive(Clone, Copy, Default)]
struct Mark {
    /// Since the last checkpoint began.
    changed: bool,
    /// A bit a page: the checkpoint under way takes it as it is now.
    awaited: u16,
}

const _: () = assert!(PAGES == 16, "a bit a page");

/// See the module.
pub(crate) struct Paged<T> {
    entries: Chunked<T>,
    marks: Vec<Mark>,
    /// Pages as they were when the checkpoint began.
    kept: BTreeMap<usize, Box<[T]>>,
    /// How many entries there were then.
    begun: usize,
    /// The checkpoint's blocks, and how many of them were taken.
    blocks: Vec<u32>,
    taken: usize,
}

impl<T: Copy> Paged<T> {
    pub fn new() -> Self {
        Paged {
            entries: Chunked::new(),
            marks: Vec::new(),
            kept: BTreeMap::new(),
            begun: 0,
            blocks: Vec::new(),
            taken: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn push(&mut self, value: T) {
        let last = self.entries.len();
        if last % CHUNK == 0 {
            self.marks.push(Mark::default());
        }
        self.mark(last);
        self.entries.push(value);
    }

    /// As if it was written.
    pub fn touch(&mut self, index: u32) {
        self.mark(index as usize);
    }

    /// Blocks that changed since the last checkpoint began.
    pub fn changed(&self) -> usize {
        let blocks = self.marks.chunks(CHUNKS);
        blocks.filter(|block| is_changed(block)).count()
    }

    /// Has the block written with the next checkpoint, changed or not.
    pub fn rewrite(&mut self, block: u64) {
        let first = usize::try_from(block).map_or(usize::MAX, |block| block.saturating_mul(CHUNKS));
        if let Some(mark) = self.marks.get_mut(first) {
            mark.changed = true;
        }
    }

    /// A checkpoint begins: it takes what changed as it is now.
    pub fn begin(&mut self) {
        self.begun = self.entries.len();
        (self.blocks, self.taken) = (Vec::new(), 0);
        for (block, marks) in (0..).zip(self.marks.chunks_mut(CHUNKS)) {
            if is_changed(marks) {
                self.blocks.push(block);
                marks.fill(Mark {
                    changed: false,
                    awaited: u16::MAX,
                });
            }
        }
    }

    /// The checkpoint's next block.
    pub fn next(&mut self) -> Option<(u64, Vec<T>)> {
        let block = *self.blocks.get(self.taken)?;
        self.taken += 1;
        let first = block as usize * BLOCK;
        let end = self.begun.min(first + BLOCK);
        let mut taken = Vec::with_capacity(end - first);
        for page in (first..end).step_by(PAGE) {
            let kept = self.kept.remove(&page);
            let entries = kept
                .as_deref()
                .unwrap_or_else(|| self.entries.part(page, PAGE));
            taken.extend_from_slice(&entries[..PAGE.min(end - page)]);
        }
        let marks = self.marks[first / CHUNK..].iter_mut().take(CHUNKS);
        marks.for_each(|mark| mark.awaited = 0);
        Some((u64::from(block), taken))
    }

    /// The checkpoint came to nothing: its blocks count as changed.
    pub fn abandon(&mut self) {
        self.kept.clear();
        for block in std::mem::take(&mut self.blocks) {
            let first = block as usize * CHUNKS;
            let marks = self.marks[first..].iter_mut().take(CHUNKS);
            marks.for_each(|mark| {
                *mark = Mark {
                    changed: true,
                    awaited: 0,
                }
            });
        }
    }

    /// All entries are as the last checkpoint has them.
    pub fn forget_changes(&mut self) {
        self.marks.fill(Mark::default());
    }

    fn mark(&mut self, index: usize) {
        let mark = &mut self.marks[index / CHUNK];
        mark.changed = true;
        let page = 1 << (index % CHUNK / PAGE);
        if mark.awaited & page != 0 {
            mark.awaited &= !page;
            self.keep(index);
        }
    }

    #[cold]
    fn keep(&mut self, index: usize) {
        let page = index - index % PAGE;
        // What is written behind the end when the checkpoint began is no part of it.
        if page < self.begun {
            self.kept.insert(page, self.entries.part(page, PAGE).into());
        }
    }
}

fn is_changed(marks: &[Mark]) -> bool {
    marks.iter().any(|mark| mark.changed)
}

impl<T> Index<u32> for Paged<T> {
    type Output = T;

    fn index(&self, index: u32) -> &T {
        &self.entries[index as usize]
    }
}

impl<T: Copy> IndexMut<u32> for Paged<T> {
    fn index_mut(&mut self, index: u32) -> &mut T {
        self.mark(index as usize);
        &mut self.entries[index as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paged(len: u32) -> Paged<u32> {
        let mut paged = Paged::new();
        (0..len).for_each(|i| paged.push(i));
        paged
    }

    fn taken(paged: &mut Paged<u32>) -> Vec<(u64, Vec<u32>)> {
        std::iter::from_fn(|| paged.next()).collect()
    }

    #[test]
    fn a_checkpoint_takes_what_changed_as_it_was_when_it_began() {
        let mut paged = paged(20_000);
        paged.begin();
        (0..20_000).for_each(|i| paged[i] = 0);
        (0..5000).for_each(|i| paged.push(i));
        let blocks = taken(&mut paged);
        let expected: Vec<u32> = (0..20_000).collect();
        assert_eq!(
            blocks.iter().map(|(block, _)| *block).collect::<Vec<_>>(),
            [0, 1, 2]
        );
        assert_eq!(
            blocks
                .into_iter()
                .flat_map(|(_, block)| block)
                .collect::<Vec<_>>(),
            expected
        );
        assert!(paged.kept.is_empty());
        assert_eq!(paged.changed(), 4);
        paged.begin();
        assert_eq!(taken(&mut paged).len(), 4);
        assert_eq!(paged.changed(), 0);
        paged[9000] = 7;
        paged.begin();
        let blocks = taken(&mut paged);
        assert_eq!(
            (blocks.len(), blocks[0].0, blocks[0].1[9000 - BLOCK]),
            (1, 1, 7)
        );
    }

    #[test]
    fn blocks_of_one_that_came_to_nothing_are_written_again() {
        let mut paged = paged(20_000);
        paged.begin();
        taken(&mut paged);
        paged[1] = 9;
        paged.begin();
        paged[2] = 9;
        paged.abandon();
        assert_eq!((paged.changed(), paged.kept.len()), (1, 0));
        paged.begin();
        let blocks = taken(&mut paged);
        assert_eq!((blocks.len(), &blocks[0].1[..4]), (1, &[0, 9, 9, 3][..]));
        paged.rewrite(2);
        paged.rewrite(u64::MAX);
        paged.begin();
        assert_eq!(taken(&mut paged)[0].0, 2);
    }

    #[test]
    fn writing_after_a_block_was_taken_copies_nothing() {
        let mut paged = paged(20_000);
        paged.begin();
        paged.next();
        paged[5] = 1;
        assert!(paged.kept.is_empty());
        paged[BLOCK as u32] = 1;
        assert_eq!(paged.kept.len(), 1);
    }
}
