//! Reading an array of objects of a request, item by item.

use super::faults::Faults;
use super::object::{Fields, Object, Read, Schema};
use std::marker::PhantomData;

/// The items of an array, as some reader of JSON gives them.
pub trait Items<'de> {
    /// Why reading can't go on.
    type Error;

    /// Reads the next item; false at the array's end.
    fn object<T: Object<'de>>(&mut self, read: Read<'_, T>) -> Result<bool, Self::Error>;

    /// Passes the next item; false at the array's end.
    fn skip(&mut self) -> Result<bool, Self::Error>;

    /// Ends the reading: too much is wrong.
    fn stop() -> Self::Error;
}

/// Reads an array, handing each item with the faults (whose pointer is the item's) to `take`. Items past
/// `items_max` are counted and not read. The value is the count.
pub struct ReadArray<'a, F, S> {
    pub(super) what: &'static str,
    items_max: usize,
    faults: &'a mut Faults,
    take: F,
    schema: PhantomData<S>,
}

impl<'a, F, S: Schema> ReadArray<'a, F, S> {
    /// An array of `what`, in the plural.
    pub fn new<'de>(what: &'static str, items_max: usize, faults: &'a mut Faults, take: F) -> Self
    where
        F: FnMut(&Fields<'de, S>, &mut Faults),
    {
        ReadArray {
            what,
            items_max,
            faults,
            take,
            schema: PhantomData,
        }
    }

    /// Something else was found.
    pub(super) fn other(self, found: &str) -> usize {
        self.faults
            .add(format!("must be an array of {}; found {found}", self.what));
        0
    }

    /// Reads it.
    pub(super) fn items<'de, I: Items<'de>>(mut self, items: &mut I) -> Result<usize, I::Error>
    where
        F: FnMut(&Fields<'de, S>, &mut Faults),
    {
        let (mut count, mut more) = (0, true);
        while more && count < self.items_max {
            let take = &mut self.take;
            more = self.faults.at_index(count, |faults| {
                let mut object = Fields::default();
                let read = Read {
                    object: &mut object,
                    faults: &mut *faults,
                };
                let more = items.object(read)?;
                if more {
                    take(&object, faults);
                }
                Ok(more)
            })?;
            count += usize::from(more);
            if self.faults.are_too_many() {
                return Err(I::stop());
            }
        }
        while more && items.skip()? {
            count += 1;
        }
        Ok(count)
    }
}
