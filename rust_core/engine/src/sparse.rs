//! A value for some of the slots. A part of the slots none of which has one takes no memory, so a backlog that waits
//! pays nothing for what only leases or timers have.

/// Slots of a part.
const PART: usize = 1024;

struct Part<T> {
    values: [Option<T>; PART],
    /// Values that are there.
    count: u32,
}

/// See the module.
pub(crate) struct Sparse<T> {
    parts: Vec<Option<Box<Part<T>>>>,
    /// One without a value is kept: a slot that is used again and again allocates nothing.
    spare: Option<Box<Part<T>>>,
}

impl<T: Copy> Sparse<T> {
    pub fn new() -> Self {
        Sparse {
            parts: Vec::new(),
            spare: None,
        }
    }

    pub fn get(&self, slot: u32) -> Option<T> {
        let part = self.parts.get(slot as usize / PART)?.as_ref()?;
        part.values[slot as usize % PART]
    }

    /// Answers the value before.
    pub fn insert(&mut self, slot: u32, value: T) -> Option<T> {
        let place = slot as usize / PART;
        if self.parts.len() <= place {
            self.parts.resize_with(place + 1, || None);
        }
        let spare = &mut self.spare;
        let part = self.parts[place].get_or_insert_with(|| {
            spare.take().unwrap_or_else(|| {
                Box::new(Part {
                    values: [None; PART],
                    count: 0,
                })
            })
        });
        let before = part.values[slot as usize % PART].replace(value);
        part.count += u32::from(before.is_none());
        before
    }

    pub fn remove(&mut self, slot: u32) -> Option<T> {
        let part = self.parts.get_mut(slot as usize / PART)?;
        let removed = part.as_mut()?.values[slot as usize % PART].take()?;
        let count = &mut part.as_mut()?.count;
        *count -= 1;
        if *count == 0 {
            self.spare = part.take();
        }
        Some(removed)
    }
}

#[cfg(test)]
impl<T> Sparse<T> {
    pub fn count(&self) -> u32 {
        self.parts.iter().flatten().map(|part| part.count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::num::NonZeroU32;

    fn parts(sparse: &Sparse<NonZeroU32>) -> Vec<bool> {
        sparse.parts.iter().map(Option::is_some).collect()
    }

    #[test]
    fn only_parts_with_a_value_are_there() {
        let mut sparse = Sparse::new();
        let value = NonZeroU32::new(7).unwrap();
        assert_eq!(
            (sparse.get(u32::MAX), sparse.remove(u32::MAX)),
            (None, None)
        );
        sparse.insert(3000, value);
        sparse.insert(3001, value);
        sparse.insert(3001, value);
        assert_eq!(parts(&sparse), [false, false, true]);
        assert_eq!(
            (sparse.remove(3000), sparse.remove(3000)),
            (Some(value), None)
        );
        assert_eq!(parts(&sparse), [false, false, true]);
        sparse.remove(3001);
        assert_eq!(parts(&sparse), [false; 3]);
        assert!(sparse.spare.is_some());
        sparse.insert(0, value);
        assert!(sparse.spare.is_none(), "the part that was kept is used");
        assert_eq!(parts(&sparse), [true, false, false]);
    }

    proptest! {
        #[test]
        fn agrees_with_a_map(ops in prop::collection::vec((0_u32..3000, prop::option::of(1_u32..9)), 1..200)) {
            let (mut sparse, mut model) = (Sparse::new(), BTreeMap::new());
            for (slot, value) in ops {
                match value.and_then(NonZeroU32::new) {
                    Some(value) => prop_assert_eq!(sparse.insert(slot, value), model.insert(slot, value)),
                    None => prop_assert_eq!(sparse.remove(slot), model.remove(&slot)),
                }
                prop_assert_eq!(sparse.count() as usize, model.len());
            }
            for slot in 0..3000 {
                prop_assert_eq!(sparse.get(slot), model.get(&slot).copied());
            }
        }
    }
}
