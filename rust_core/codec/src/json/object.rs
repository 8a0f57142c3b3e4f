//! Reading one object of a request, field by field, in the order they come.
//!
//! A field that is unknown, repeated or of another type is a fault at its pointer; reading goes on, so that one
//! answer names every fault. Only text that is not JSON at all ends it.

use super::array::Item;
use super::faults::Faults;
use super::invalid::Invalid;
use super::scalar::is_null;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// An object of the wire.
pub trait Object<'de> {
    /// What it is, in a sentence: "a message".
    const WHAT: &'static str;
    /// Its fields' names, at most 32.
    const FIELDS: &'static [&'static str];
    /// Those that must be there, as bits of `FIELDS`' positions.
    const REQUIRED: u32 = 0;

    /// Takes the value of field `index`.
    fn field<A: MapAccess<'de>>(
        &mut self,
        index: usize,
        map: &mut A,
        faults: &mut Faults,
    ) -> Result<(), A::Error>;
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
    raw: [Option<&'de str>; FIELDS_MAX],
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
    /// The field's text, also when it is `null`.
    pub fn raw(&self, index: usize) -> Option<&'de str> {
        self.raw[index]
    }

    /// Reads a field that is there and not `null`, at its pointer.
    pub fn read<T>(
        &self,
        index: usize,
        faults: &mut Faults,
        read: impl FnOnce(&'de str, &mut Faults) -> Option<T>,
    ) -> Option<T> {
        let raw = self.raw[index].filter(|raw| !is_null(raw))?;
        faults.at(S::FIELDS[index], |faults| read(raw, faults))
    }
}

impl<'de, S: Schema> Object<'de> for Fields<'de, S> {
    const WHAT: &'static str = S::WHAT;
    const FIELDS: &'static [&'static str] = S::FIELDS;
    const REQUIRED: u32 = S::REQUIRED;

    fn field<A: MapAccess<'de>>(
        &mut self,
        index: usize,
        map: &mut A,
        faults: &mut Faults,
    ) -> Result<(), A::Error> {
        let raw = map.next_value::<&RawValue>()?.get();
        if is_null(raw) && S::REQUIRED & !S::NULLABLE & (1 << index) != 0 {
            faults.add("is required, and must not be null");
        }
        self.raw[index] = Some(raw);
        Ok(())
    }
}

/// Reads the raw text of an object inside another.
pub fn read_raw<'de, S: Schema>(raw: &'de str, faults: &mut Faults) -> Option<Fields<'de, S>> {
    let mut fields = Fields::default();
    match read_body(raw, &mut fields, faults) {
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
    let mut fields = Fields::default();
    read_body(body_text(body)?, &mut fields, faults)?;
    Ok(fields)
}

/// Reads a whole body as one object.
pub fn read_body<'de, T: Object<'de>>(
    body: &'de str,
    object: &mut T,
    faults: &mut Faults,
) -> Result<(), Invalid> {
    let mut json = serde_json::Deserializer::from_str(body);
    let read = Read {
        object,
        faults: &mut *faults,
    };
    match read.deserialize(&mut json).and_then(|()| json.end()) {
        Err(error) if !faults.are_too_many() => Err(not_json(&error)),
        _ => Ok(()),
    }
}

/// The body as text.
pub fn body_text(body: &[u8]) -> Result<&str, Invalid> {
    std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to();
        Invalid::new(
            "json_invalid",
            format!("the body is not UTF-8: byte {at} does not belong to a character"),
        )
    })
}

fn not_json(error: &serde_json::Error) -> Invalid {
    Invalid::new("json_invalid", format!("the body is not JSON: {error}"))
}

/// Reads an object in place.
pub struct Read<'a, T> {
    pub object: &'a mut T,
    pub faults: &'a mut Faults,
}

impl<'de, T: Object<'de>> DeserializeSeed<'de> for Read<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de, T: Object<'de>> Read<'_, T> {
    fn other<E>(self, found: &str) -> Result<(), E> {
        self.faults
            .add(format!("must be {}, an object; found {found}", T::WHAT));
        Ok(())
    }

    fn missing(&mut self, seen: u32) {
        for (index, name) in T::FIELDS.iter().enumerate() {
            let bit = 1 << index;
            if T::REQUIRED & bit != 0 && seen & bit == 0 {
                self.faults.at(name, |faults| faults.add("is required"));
            }
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

/// Ends the reading; `read_body` knows that it was no fault of the JSON.
pub(super) fn stop_at_too_many<E: serde::de::Error>(faults: &Faults) -> Result<(), E> {
    match faults.are_too_many() {
        true => Err(E::custom("too many faults")),
        false => Ok(()),
    }
}

/// Says what kinds of value were found where another was expected.
macro_rules! refuse_others {
    () => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            self.other("a boolean")
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            self.other("a number")
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            self.other("a number")
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            self.other("a number")
        }
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            self.other("a string")
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            self.other("null")
        }
    };
}
pub(super) use refuse_others;

impl<'de, T: Object<'de>> Visitor<'de> for Read<'_, T> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(T::WHAT)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut seen = 0u32;
        while let Some(Name(name)) = map.next_key()? {
            let index = T::FIELDS.iter().position(|field| *field == name);
            let repeated = index.is_some_and(|index| seen & (1 << index) != 0);
            let (object, map) = (&mut *self.object, &mut map);
            self.faults.at(&name, |faults| match index {
                Some(index) if !repeated => object.field(index, map, faults),
                _ => {
                    faults.add_with(|| match repeated {
                        true => "is given twice".into(),
                        false => unknown(&name, T::FIELDS),
                    });
                    map.next_value::<IgnoredAny>().map(|_| ())
                }
            })?;
            seen |= index.map_or(0, |index| 1 << index);
            stop_at_too_many(self.faults)?;
        }
        self.missing(seen);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        self.other("an array")
    }

    refuse_others!();
}

/// An object as an item of an array.
impl<'de, S: Schema> Item<'de> for Fields<'de, S> {
    fn read<A: SeqAccess<'de>>(
        items: &mut A,
        faults: &mut Faults,
    ) -> Result<Option<Self>, A::Error> {
        let mut object = Fields::default();
        let read = items.next_element_seed(Read {
            object: &mut object,
            faults,
        })?;
        Ok(read.map(|()| object))
    }
}

/// A field's name, borrowed unless it has escapes.
struct Name<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a field's name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        json.deserialize_str(Text)
    }
}
