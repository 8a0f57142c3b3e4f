//! How fairness keys share a queue, as sent: `{"weights": {"tenant-1": 10}, "maxInFlight": 5}`.

use crate::hash;
use crate::json::faults::Faults;
use crate::json::limits::Limits;
use crate::json::object::{Schema, read_raw};
use crate::json::scalar::{integer, is_null, kind};
use engine::config::Weight;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

struct FairnessFields;

impl Schema for FairnessFields {
    const WHAT: &'static str = "a fairness";
    const FIELDS: &'static [&'static str] = &["weights", "maxInFlight"];
}

/// What is given of it.
#[derive(Default)]
pub(super) struct FairnessChange {
    pub weights: Option<Vec<Weight>>,
    /// 0: no bound.
    pub in_flight_max: Option<u32>,
}

pub(super) fn fairness(raw: &str, limits: &Limits, faults: &mut Faults) -> Option<FairnessChange> {
    let fields = read_raw::<FairnessFields>(raw, faults)?;
    let weights = fields.read(0, faults, |raw, faults| weights(raw, limits, faults));
    let in_flight_max = fields.read(1, faults, |raw, faults| {
        integer(raw, 1, u64::from(u32::MAX), faults)
    });
    let is_cleared = fields.is_null(1);
    Some(FairnessChange {
        weights,
        in_flight_max: if is_cleared { Some(0) } else { in_flight_max },
    })
}

/// In order of key. A weight of 1 is what every key has, and is left out.
fn weights(raw: &str, limits: &Limits, faults: &mut Faults) -> Option<Vec<Weight>> {
    let mut json = serde_json::Deserializer::from_str(raw);
    let Ok(mut entries) = json.deserialize_map(Entries) else {
        let found = kind(raw);
        faults.add(format!(
            "must be an object of weights by key; found {found}"
        ));
        return None;
    };
    if entries.len() as u64 > limits.fairness_weights_max {
        let (count, max) = (entries.len(), limits.fairness_weights_max);
        faults.add(format!("names {count} keys; at most {max} are allowed"));
        return None;
    }
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut weights: Vec<Weight> = Vec::with_capacity(entries.len());
    for (index, (key, raw)) in entries.iter().enumerate() {
        let twice = index > 0 && entries[index - 1].0 == *key;
        let weight = faults.at(key, |faults| {
            check_key(key, twice, limits, faults);
            integer::<u32>(raw, 1, limits.fairness_weight_max, faults)
        });
        weights.extend(weight.filter(|weight| *weight != 1).map(|weight| Weight {
            key: key.as_ref().into(),
            hash: hash::key(key),
            weight,
        }));
    }
    Some(weights)
}

fn check_key(key: &str, twice: bool, limits: &Limits, faults: &mut Faults) {
    let (bytes, max) = (key.len() as u64, limits.key_bytes_max);
    if bytes == 0 || bytes > max {
        faults.add(format!("a key has 1 to {max} bytes; this one has {bytes}"));
    }
    if twice {
        faults.add("is named twice");
    }
}

/// The keys and the raw values of an object, in the order they come.
struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<(Cow<'de, str>, &'de str)>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
            // `null` says nothing, as in every other object.
            if !is_null(value.get()) {
                entries.push((Cow::Owned(key), value.get()));
            }
        }
        Ok(entries)
    }
}
