//! An array that a checkpoint takes block by block while it goes on changing. Who writes an entry marks its block as
//! changed; who writes one that the checkpoint under way has yet to take keeps a copy of its page first. Writing is only
//! possible through `IndexMut` and `push`, so no change can be forgotten; without a checkpoint under way it costs a bit.

use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};

/// Entries of a block, which lie beside each other and never move: some hundred kilobytes as written, under a millisecond
/// to take. In memory a block is larger than what comes and goes beside it (bodies of requests, batches): it does not cut
/// the holes that they leave into pieces too small for them.
pub(crate) const BLOCK: usize = 8192;

/// Entries that are copied at once.
const PAGE: usize = 64;

struct Block<T> {
    /// Those that are there; room for all of them, which the system gives where it is used.
    entries: Vec<T>,
    /// Since the last checkpoint began.
    changed: bool,
    /// A bit a page: the checkpoint under way takes it as it is now.
    awaited: u128,
}

const _: () = assert!(BLOCK / PAGE == 128, "a bit a page");

/// See the module.
pub(crate) struct Paged<T> {
    blocks: Vec<Block<T>>,
    len: usize,
    /// Pages as they were when the checkpoint began.
    kept: BTreeMap<usize, Box<[T]>>,
    /// How many entries there were then.
    begun: usize,
    /// The checkpoint's blocks, and how many of them were taken.
    taking: Vec<u32>,
    taken: usize,
}

impl<T: Copy> Paged<T> {
    pub fn new() -> Self {
        Paged {
            blocks: Vec::new(),
            len: 0,
            kept: BTreeMap::new(),
            begun: 0,
            taking: Vec::new(),
            taken: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn push(&mut self, value: T) {
        if self.len == self.blocks.len() * BLOCK {
            self.blocks.push(Block {
                entries: Vec::with_capacity(BLOCK),
                changed: true,
                awaited: 0,
            });
        }
        let last = self.len;
        self.len += 1;
        self.blocks[last / BLOCK].entries.push(value);
        self.touch(last as u32);
    }

    /// As if it was written.
    pub fn touch(&mut self, index: u32) {
        let _ = &mut self[index];
    }

    /// Blocks that changed since the last checkpoint began.
    #[cfg(test)]
    pub fn changed(&self) -> usize {
        self.blocks.iter().filter(|block| block.changed).count()
    }

    /// Entries of those.
    pub fn changed_entries(&self) -> usize {
        let changed = self.blocks.iter().filter(|block| block.changed);
        changed.map(|block| block.entries.len()).sum()
    }

    /// Has the block written with the next checkpoint, changed or not.
    pub fn rewrite(&mut self, block: u64) {
        let block = usize::try_from(block).unwrap_or(usize::MAX);
        if let Some(block) = self.blocks.get_mut(block) {
            block.changed = true;
        }
    }

    /// A checkpoint begins: it takes what changed as it is now.
    pub fn begin(&mut self) {
        self.begun = self.len;
        (self.taking, self.taken) = (Vec::new(), 0);
        for (number, block) in (0..).zip(&mut self.blocks) {
            if block.changed {
                self.taking.push(number);
                (block.changed, block.awaited) = (false, u128::MAX);
            }
        }
    }

    /// The checkpoint's next block.
    pub fn next(&mut self) -> Option<(u64, Vec<T>)> {
        let block = *self.taking.get(self.taken)?;
        self.taken += 1;
        let first = block as usize * BLOCK;
        let end = self.begun.min(first + BLOCK);
        let mut taken = Vec::with_capacity(end - first);
        for page in (first..end).step_by(PAGE) {
            let kept = self.kept.remove(&page);
            let entries = kept.as_deref().unwrap_or_else(|| self.page(page));
            taken.extend_from_slice(&entries[..PAGE.min(end - page)]);
        }
        self.blocks[block as usize].awaited = 0;
        Some((u64::from(block), taken))
    }

    /// The checkpoint came to nothing: its blocks count as changed.
    pub fn abandon(&mut self) {
        self.kept.clear();
        for block in std::mem::take(&mut self.taking) {
            let block = &mut self.blocks[block as usize];
            (block.changed, block.awaited) = (true, 0);
        }
    }

    /// All entries are as the last checkpoint has them.
    pub fn forget_changes(&mut self) {
        for block in &mut self.blocks {
            (block.changed, block.awaited) = (false, 0);
        }
    }

    /// An entry of a block that the checkpoint under way has yet to take is about to change.
    #[cold]
    fn keep(&mut self, index: usize) {
        let page = index - index % PAGE;
        let bit = 1 << (index % BLOCK / PAGE);
        let block = &mut self.blocks[index / BLOCK];
        let is_awaited = block.awaited & bit != 0;
        block.awaited &= !bit;
        // What is written behind the end when the checkpoint began is no part of it.
        if is_awaited && page < self.begun {
            self.kept.insert(page, self.page(page).into());
        }
    }

    fn page(&self, first: usize) -> &[T] {
        let behind = &self.blocks[first / BLOCK].entries[first % BLOCK..];
        &behind[..PAGE.min(behind.len())]
    }
}

impl<T> Index<u32> for Paged<T> {
    type Output = T;

    fn index(&self, index: u32) -> &T {
        &self.blocks[index as usize / BLOCK].entries[index as usize % BLOCK]
    }
}

impl<T: Copy> IndexMut<u32> for Paged<T> {
    fn index_mut(&mut self, index: u32) -> &mut T {
        if self.blocks[index as usize / BLOCK].awaited != 0 {
            self.keep(index as usize);
        }
        let block = &mut self.blocks[index as usize / BLOCK];
        block.changed = true;
        &mut block.entries[index as usize % BLOCK]
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
        assert_eq!((paged.changed(), paged.changed_entries()), (4, 25_000));
        paged.begin();
        assert_eq!(taken(&mut paged).len(), 4);
        assert_eq!(paged.changed(), 0);
        paged[24_999] = 7;
        assert_eq!(paged.changed_entries(), 25_000 - 3 * BLOCK);
        paged.begin();
        paged.next();
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

    #[test]
    fn a_page_that_began_since_is_kept_for_nobody() {
        let mut paged = paged(2 * PAGE as u32);
        paged.begin();
        paged.push(7);
        taken(&mut paged);
        paged[2 * PAGE as u32] = 9;
        paged.begin();
        assert_eq!(taken(&mut paged)[0].1.last(), Some(&9));
    }
}
