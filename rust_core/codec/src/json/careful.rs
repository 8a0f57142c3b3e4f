//! The reader of any body: it says what is wrong, and where. serde_json knows the grammar.

use super::array::{Items, ReadArray};
use super::faults::Faults;
use super::invalid::Invalid;
use super::object::{Fields, Members, Object, Read, Schema};
use super::raw::Raw;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Reads a whole body as one object.
pub fn read<'de, T: Object<'de>>(
    body: &'de [u8],
    object: &mut T,
    faults: &mut Faults,
) -> Result<(), Invalid> {
    let mut json = serde_json::Deserializer::from_str(body_text(body)?);
    let read = Read {
        object,
        faults: &mut *faults,
    };
    match read.deserialize(&mut json).and_then(|()| json.end()) {
        Err(error) if !faults.are_too_many() => Err(Invalid::new(
            "json_invalid",
            format!("the body is not JSON: {error}"),
        )),
        _ => Ok(()),
    }
}

fn body_text(body: &[u8]) -> Result<&str, Invalid> {
    std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to();
        Invalid::new(
            "json_invalid",
            format!("the body is not UTF-8: byte {at} does not belong to a character"),
        )
    })
}

/// Reads the text of a value as an array: JSON, as it was found in a body. The value is the count of its items; None when so
/// much is wrong that reading ended.
pub fn read_array<'de, S: Schema, F>(raw: &'de str, read: ReadArray<'_, F, S>) -> Option<usize>
where
    F: FnMut(&Fields<'de, S>, &mut Faults),
{
    let mut json = serde_json::Deserializer::from_str(raw);
    read.deserialize(&mut json).ok()
}

/// What serde gives, as members or items.
struct Given<A>(A);

impl<'de, A: MapAccess<'de>> Members<'de> for Given<A> {
    type Error = A::Error;

    fn name(&mut self) -> Result<Option<Cow<'de, str>>, A::Error> {
        let name = self.0.next_key::<Name<'de>>()?;
        Ok(name.map(|name| name.0))
    }

    fn raw(&mut self) -> Result<Raw<'de>, A::Error> {
        self.0
            .next_value::<&RawValue>()
            .map(|raw| Raw::new(raw.get()))
    }

    fn array<S: Schema, F>(&mut self, read: ReadArray<'_, F, S>) -> Result<usize, A::Error>
    where
        F: FnMut(&Fields<'de, S>, &mut Faults),
    {
        self.0.next_value_seed(read)
    }

    fn skip(&mut self) -> Result<(), A::Error> {
        self.0.next_value::<IgnoredAny>().map(|_| ())
    }

    fn stop() -> A::Error {
        A::Error::custom("too many faults")
    }
}

impl<'de, A: SeqAccess<'de>> Items<'de> for Given<A> {
    type Error = A::Error;

    fn object<T: Object<'de>>(&mut self, read: Read<'_, T>) -> Result<bool, A::Error> {
        self.0.next_element_seed(read).map(|read| read.is_some())
    }

    fn skip(&mut self) -> Result<bool, A::Error> {
        let item = self.0.next_element::<IgnoredAny>()?;
        Ok(item.is_some())
    }

    fn stop() -> A::Error {
        A::Error::custom("too many faults")
    }
}

/// Says what kinds of value were found where another was expected.
macro_rules! refuse_others {
    () => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok(self.other("a boolean"))
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok(self.other("a number"))
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok(self.other("a number"))
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok(self.other("a number"))
        }
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok(self.other("a string"))
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(self.other("null"))
        }
    };
}

impl<'de, T: Object<'de>> DeserializeSeed<'de> for Read<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de, T: Object<'de>> Visitor<'de> for Read<'_, T> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(T::WHAT)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.members(&mut Given(map))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        self.other("an array");
        Ok(())
    }

    refuse_others!();
}

impl<'de, F, S> DeserializeSeed<'de> for ReadArray<'_, F, S>
where
    S: Schema,
    F: FnMut(&Fields<'de, S>, &mut Faults),
{
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<usize, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de, F, S> Visitor<'de> for ReadArray<'_, F, S>
where
    S: Schema,
    F: FnMut(&Fields<'de, S>, &mut Faults),
{
    type Value = usize;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "an array of {}", self.what)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<usize, A::Error> {
        self.items(&mut Given(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<usize, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self.other("an object"))
    }

    refuse_others!();
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
