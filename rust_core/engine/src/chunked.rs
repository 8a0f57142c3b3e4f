//! A growable array that never moves: fixed chunks behind a small table of pointers. Growing it costs one
//! chunk, whatever it holds, so no enqueue pays for copying a million others.

use std::ops::{Index, IndexMut};

const SHIFT: usize = 10;
const CHUNK: usize = 1 << SHIFT;

/// Elements in chunks of 1024.
pub(crate) struct Chunked<T> {
    chunks: Vec<Box<[T; CHUNK]>>,
    len: usize,
}

impl<T: Copy> Chunked<T> {
    pub fn new() -> Self {
        Chunked {
            chunks: Vec::new(),
            len: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn push(&mut self, value: T) {
        if self.len == self.chunks.len() * CHUNK {
            let chunk = vec![value; CHUNK].into_boxed_slice();
            let chunk = chunk.try_into().ok().expect("it is a chunk long");
            self.chunks.push(chunk);
        }
        self.len += 1;
        let last = self.len - 1;
        self[last] = value;
    }

    /// Takes the last element away. One empty chunk is kept, so that an array whose length swings around a
    /// chunk's border doesn't allocate each time.
    pub fn pop(&mut self) {
        assert!(self.len > 0, "pop of an empty array");
        self.len -= 1;
        if self.chunks.len() * CHUNK >= self.len + 2 * CHUNK {
            self.chunks.pop();
        }
    }
}

impl<T> Index<usize> for Chunked<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        debug_assert!(index < self.len);
        &self.chunks[index >> SHIFT][index & (CHUNK - 1)]
    }
}

impl<T> IndexMut<usize> for Chunked<T> {
    fn index_mut(&mut self, index: usize) -> &mut T {
        debug_assert!(index < self.len);
        &mut self.chunks[index >> SHIFT][index & (CHUNK - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_stay_where_they_are_while_it_grows() {
        let mut array = Chunked::new();
        array.push(0_u32);
        let first: *const u32 = &array[0];
        (1..5000).for_each(|i| array.push(i));
        assert!(std::ptr::eq(first, &array[0]));
        assert_eq!((0..5000).map(|i| array[i]).sum::<u32>(), 4999 * 5000 / 2);
    }

    #[test]
    fn shrinking_gives_chunks_back_but_one() {
        let mut array = Chunked::new();
        (0..4096_u32).for_each(|i| array.push(i));
        (0..4096).for_each(|_| array.pop());
        assert_eq!((array.len(), array.chunks.len()), (0, 1));
        array.push(7);
        assert_eq!(array[0], 7);
    }

    #[test]
    fn a_length_that_swings_around_a_chunk_s_border_allocates_nothing() {
        let mut array = Chunked::new();
        (0..=CHUNK).for_each(|i| array.push(i));
        let second: *const usize = &array[CHUNK];
        for _ in 0..CHUNK {
            array.pop();
            array.push(7);
            assert!(std::ptr::eq(second, &array.chunks[1][0]));
            array.pop();
        }
        assert_eq!((array.len(), array.chunks.len()), (1, 2));
    }
}
