//! Reading one object of a request, field by field, in the order they come.
//!
//! A field that is unknown, repeated or of another type is a fault at its pointer; reading goes on, so that one
//! answer names every fault. Only text that is not JSON at all ends it.

use super::array::ReadArray;
use super::careful;
use super::faults::Faults;
use super::invalid::Invalid;
use super::plain;
use super::raw::Raw;
use super::scalar::is_null;
use std::borrow::Cow;
use std::marker::PhantomData;

/// The members of an object, as some reader of JSON gives them.
pub trait Members<'de> {
    /// Why reading can't go on.
    type Error;

    /// The next member's name; None at the object's end.
    fn name(&mut self) -> Result<Option<Cow<'de, str>>, Self::Error>;

    /// The value of the member that was named, as text.
    fn raw(&mut self) -> Result<Raw<'de>, Self::Error>;

    /// The value of the member that was named, read as an array.
    fn array<S: Schema, F>(&mut self, read: ReadArray<'_, F, S>) -> Result<usize, Self::Error>
    where
        F: FnMut(&Fields<'de, S>, &mut Faults);

    /// Passes the value of the member that was named.
    fn skip(&mut self) -> Result<(), Self::Error>;

    /// Ends the reading: too much is wrong.
    fn stop() -> Self::Error;
}

/// An object of the wire.
pub trait Object<'de> {
    /// What it is, in a sentence: "a message".
    const WHAT: &'static str;
    /// Its fields' names, at most 32.
    const FIELDS: &'static [&'static str];
    /// Those that must be there, as bits of `FIELDS`' positions.
    const REQUIRED: u32 = 0;

    /// Takes the value of field `index`.
    fn field<M: Members<'de>>(
        &mut self,
        index: usize,
        members: &mut M,
        faults: &mut Faults,
    ) -> Result<(), M::Error>;
}

/// An object all of whose fields are taken as raw text, to be read once they are all there.
pub trait Schema {
    /// As in [`Object`].
    const WHAT: &'static str;
    /// As in [`Object`]; at most `FIELDS_MAX`.
    const FIELDS: &'static [&'static str];
    /// As in [`Object`].
    const REQUIRED: u32 = 0;
    /// Required ones that may be `null`. Any other field that is `null` counts as left out.
    const NULLABLE: u32 = 0;
}

const FIELDS_MAX: usize = 20;

/// The raw fields of an object.
pub struct Fields<'de, S> {
    raw: [Option<Raw<'de>>; FIELDS_MAX],
    schema: PhantomData<S>,
}

impl<S> Default for Fields<'_, S> {
    fn default() -> Self {
        Fields {
            raw: [None; FIELDS_MAX],
            schema: PhantomData,
        }
    }
}

impl<'de, S: Schema> Fields<'de, S> {
    /// The field's value, also when it is `null`.
    pub fn raw(&self, index: usize) -> Option<Raw<'de>> {
        self.raw[index]
    }

    /// Whether the field is there, and `null`.
    pub fn is_null(&self, index: usize) -> bool {
        self.raw[index].is_some_and(|raw| is_null(raw.text))
    }

    /// Reads a field that is there and not `null`, at its pointer.
    pub fn read<T>(
        &self,
        index: usize,
        faults: &mut Faults,
        read: impl FnOnce(&'de str, &mut Faults) -> Option<T>,
    ) -> Option<T> {
        self.read_raw(index, faults, |raw, faults| read(raw.text, faults))
    }

    /// The same, with what is known of the text.
    pub fn read_raw<T>(
        &self,
        index: usize,
        faults: &mut Faults,
        read: impl FnOnce(Raw<'de>, &mut Faults) -> Option<T>,
    ) -> Option<T> {
        let raw = self.raw[index].filter(|raw| !is_null(raw.text))?;
        faults.at(S::FIELDS[index], |faults| read(raw, faults))
    }
}

impl<'de, S: Schema> Object<'de> for Fields<'de, S> {
    const WHAT: &'static str = S::WHAT;
    const FIELDS: &'static [&'static str] = S::FIELDS;
    const REQUIRED: u32 = S::REQUIRED;

    fn field<M: Members<'de>>(
        &mut self,
        index: usize,
        members: &mut M,
        faults: &mut Faults,
    ) -> Result<(), M::Error> {
        let raw = members.raw()?;
        if is_null(raw.text) && S::REQUIRED & !S::NULLABLE & (1 << index) != 0 {
            faults.add("is required, and must not be null");
        }
        self.raw[index] = Some(raw);
        Ok(())
    }
}

/// Reads the text of an object inside another.
pub fn read_raw<'de, S: Schema>(raw: &'de str, faults: &mut Faults) -> Option<Fields<'de, S>> {
    let mut fields = Fields::default();
    match careful::read(raw.as_bytes(), &mut fields, faults) {
        Ok(()) => Some(fields),
        Err(invalid) => {
            faults.add(invalid.detail);
            None
        }
    }
}

/// Reads a whole body as one object of raw fields.
pub fn read_fields<'de, S: Schema>(
    body: &'de [u8],
    faults: &mut Faults,
) -> Result<Fields<'de, S>, Invalid> {
    read_body(body, Fields::default, faults)
}

/// Reads a whole body as one object, which is `new` before. What is wrong with it goes to `faults`, which are empty.
pub fn read_body<'de, T: Object<'de>>(
    body: &'de [u8],
    new: impl Fn() -> T,
    faults: &mut Faults,
) -> Result<T, Invalid> {
    let mut object = new();
    if plain::read(body, &mut object, faults).is_ok() && faults.is_empty() {
        return Ok(object);
    }
    (object, *faults) = (new(), Faults::default());
    careful::read(body, &mut object, faults)?;
    Ok(object)
}

/// Reads an object in place.
pub struct Read<'a, T> {
    pub object: &'a mut T,
    pub faults: &'a mut Faults,
}

impl<'de, T: Object<'de>> Read<'_, T> {
    /// Something else was found.
    pub(super) fn other(self, found: &str) {
        self.faults
            .add(format!("must be {}, an object; found {found}", T::WHAT));
    }

    /// Reads it.
    pub(super) fn members<M: Members<'de>>(self, members: &mut M) -> Result<(), M::Error> {
        let mut seen = 0u32;
        while let Some(name) = members.name()? {
            let index = T::FIELDS.iter().position(|field| *field == name);
            let repeated = index.is_some_and(|index| seen & (1 << index) != 0);
            let object = &mut *self.object;
            self.faults.at(&name, |faults| match index {
                Some(index) if !repeated => object.field(index, members, faults),
                _ => {
                    faults.add_with(|| match repeated {
                        true => "is given twice".into(),
                        false => unknown(&name, T::FIELDS),
                    });
                    members.skip()
                }
            })?;
            seen |= index.map_or(0, |index| 1 << index);
            if self.faults.are_too_many() {
                return Err(M::stop());
            }
        }
        missing::<T>(seen, self.faults);
        Ok(())
    }
}

fn missing<'de, T: Object<'de>>(seen: u32, faults: &mut Faults) {
    if T::REQUIRED & !seen == 0 {
        return;
    }
    for (index, name) in T::FIELDS.iter().enumerate() {
        let bit = 1 << index;
        if T::REQUIRED & bit != 0 && seen & bit == 0 {
            faults.at(name, |faults| faults.add("is required"));
        }
    }
}

fn unknown(name: &str, fields: &[&str]) -> String {
    let plain = |text: &str| text.replace(['_', '-'], "").to_lowercase();
    match fields.iter().find(|field| plain(field) == plain(name)) {
        Some(field) => format!("is not a field here; did you mean {field}?"),
        None => format!("is not a field here; the fields are {}", fields.join(", ")),
    }
}
