//! An array that a checkpoint takes block by block while it goes on changing. Who writes an entry marks its chunk as
//! changed; who writes one that the checkpoint under way has yet to take keeps a copy of its page first. Writing is only
//! possible through `IndexMut` and `push`, so no change can be forgotten; without a checkpoint under way it costs a bit.

use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};

/// Entries that lie beside each other, and never move.
const CHUNK: usize = 1024;

/// Entries that are copied at once.
const PAGE: usize = 64;
const PAGES: usize = CHUNK / PAGE;

/// Entries of a block: some hundred kilobytes as written, under a millisecond to take.
pub(crate) const BLOCK: usize = 8192;
const CHUNKS: usize = BLOCK / CHUNK;

struct Chunk<T> {
    entries: Box<[T; CHUNK]>,
    /// Since the last checkpoint began.
    changed: bool,
    /// A bit a page: the checkpoint under way takes it as it is now.
    awaited: u16,
}

const _: () = assert!(PAGES == 16, "a bit a page");

/// See the module.
pub(crate) struct Paged<T> {
    chunks: Vec<Chunk<T>>,
    len: usize,
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
            chunks: Vec::new(),
            len: 0,
            kept: BTreeMap::new(),
            begun: 0,
            blocks: Vec::new(),
            taken: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn push(&mut self, value: T) {
        if self.len == self.chunks.len() * CHUNK {
            let entries = vec![value; CHUNK].into_boxed_slice().try_into();
            self.chunks.push(Chunk {
                entries: entries.unwrap_or_else(|_| unreachable!("a chunk's length")),
                changed: true,
                awaited: 0,
            });
        }
        self.len += 1;
        let last = self.len as u32 - 1;
        self[last] = value;
    }

    /// As if it was written.
    pub fn touch(&mut self, index: u32) {
        let _ = &mut self[index];
    }

    /// Blocks that changed since the last checkpoint began.
    pub fn changed(&self) -> usize {
        let blocks = self.chunks.chunks(CHUNKS);
        blocks.filter(|block| is_changed(block)).count()
    }

    /// Has the block written with the next checkpoint, changed or not.
    pub fn rewrite(&mut self, block: u64) {
        let first = usize::try_from(block).map_or(usize::MAX, |block| block.saturating_mul(CHUNKS));
        if let Some(chunk) = self.chunks.get_mut(first) {
            chunk.changed = true;
        }
    }

    /// A checkpoint begins: it takes what changed as it is now.
    pub fn begin(&mut self) {
        self.begun = self.len;
        (self.blocks, self.taken) = (Vec::new(), 0);
        for (block, chunks) in (0..).zip(self.chunks.chunks_mut(CHUNKS)) {
            if is_changed(chunks) {
                self.blocks.push(block);
                mark(chunks, false, u16::MAX);
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
            let entries = kept.as_deref().unwrap_or_else(|| self.page(page));
            taken.extend_from_slice(&entries[..PAGE.min(end - page)]);
        }
        let chunks = self.chunks[first / CHUNK..].iter_mut().take(CHUNKS);
        chunks.for_each(|chunk| chunk.awaited = 0);
        Some((u64::from(block), taken))
    }

    /// The checkpoint came to nothing: its blocks count as changed.
    pub fn abandon(&mut self) {
        self.kept.clear();
        for block in std::mem::take(&mut self.blocks) {
            let chunks = self.chunks.iter_mut().skip(block as usize * CHUNKS);
            chunks.take(CHUNKS).for_each(|chunk| {
                (chunk.changed, chunk.awaited) = (true, 0);
            });
        }
    }

    /// All entries are as the last checkpoint has them.
    pub fn forget_changes(&mut self) {
        mark(&mut self.chunks, false, 0);
    }

    /// An entry of a chunk that the checkpoint under way has yet to take is about to change.
    #[cold]
    fn keep(&mut self, index: usize) {
        let page = index - index % PAGE;
        let bit = 1 << (index % CHUNK / PAGE);
        let chunk = &mut self.chunks[index / CHUNK];
        let is_awaited = chunk.awaited & bit != 0;
        chunk.awaited &= !bit;
        // What is written behind the end when the checkpoint began is no part of it.
        if is_awaited && page < self.begun {
            self.kept.insert(page, self.page(page).into());
        }
    }

    fn page(&self, first: usize) -> &[T] {
        &self.chunks[first / CHUNK].entries[first % CHUNK..][..PAGE]
    }
}

fn mark<T>(chunks: &mut [Chunk<T>], changed: bool, awaited: u16) {
    for chunk in chunks {
        (chunk.changed, chunk.awaited) = (changed, awaited);
    }
}

fn is_changed<T>(chunks: &[Chunk<T>]) -> bool {
    chunks.iter().any(|chunk| chunk.changed)
}

impl<T> Index<u32> for Paged<T> {
    type Output = T;

    fn index(&self, index: u32) -> &T {
        debug_assert!((index as usize) < self.len);
        &self.chunks[index as usize / CHUNK].entries[index as usize % CHUNK]
    }
}

impl<T: Copy> IndexMut<u32> for Paged<T> {
    fn index_mut(&mut self, index: u32) -> &mut T {
        debug_assert!((index as usize) < self.len);
        if self.chunks[index as usize / CHUNK].awaited != 0 {
            self.keep(index as usize);
        }
        let chunk = &mut self.chunks[index as usize / CHUNK];
        chunk.changed = true;
        &mut chunk.entries[index as usize % CHUNK]
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
