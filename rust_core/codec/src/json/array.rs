//! Reading an array of a request, item by item.

use super::faults::Faults;
use super::object::{refuse_others, stop_at_too_many};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// What an array holds.
pub trait Item<'de>: Sized {
    /// Reads the next item; None at the array's end.
    fn read<A: SeqAccess<'de>>(
        items: &mut A,
        faults: &mut Faults,
    ) -> Result<Option<Self>, A::Error>;
}

/// Reads an array, handing each item with the faults (whose pointer is the item's) to `take`. Items past
/// `items_max` are counted and not read. The value is the count.
pub struct ReadArray<'a, F, T> {
    what: &'static str,
    items_max: usize,
    faults: &'a mut Faults,
    take: F,
    item: PhantomData<T>,
}

impl<'a, F, T> ReadArray<'a, F, T> {
    /// An array of `what`, in the plural.
    pub fn new(what: &'static str, items_max: usize, faults: &'a mut Faults, take: F) -> Self {
        ReadArray {
            what,
            items_max,
            faults,
            take,
            item: PhantomData,
        }
    }

    fn other<E>(self, found: &str) -> Result<usize, E> {
        self.faults
            .add(format!("must be an array of {}; found {found}", self.what));
        Ok(0)
    }
}

impl<'de, F, T> DeserializeSeed<'de> for ReadArray<'_, F, T>
where
    T: Item<'de>,
    F: FnMut(T, &mut Faults),
{
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<usize, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de, F, T> Visitor<'de> for ReadArray<'_, F, T>
where
    T: Item<'de>,
    F: FnMut(T, &mut Faults),
{
    type Value = usize;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "an array of {}", self.what)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<usize, A::Error> {
        let (mut count, mut more) = (0, true);
        while more && count < self.items_max {
            let take = &mut self.take;
            more = self
                .faults
                .at_index(count, |faults| -> Result<bool, A::Error> {
                    let item = T::read(&mut items, faults)?;
                    Ok(item.map(|item| take(item, faults)).is_some())
                })?;
            count += usize::from(more);
            stop_at_too_many(self.faults)?;
        }
        while more && items.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<usize, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.other("an object")
    }

    refuse_others!();
}
