//! What becomes of leases: ack, nack, extend, and many of them at once.

use super::admit::{Refusal, Signed, receipt_of};
use super::enqueue::check_length;
use super::{Ask, Request, Requests, Settle};
use crate::blob::Blobs;
use crate::json::array::ReadArray;
use crate::json::faults::Faults;
use crate::json::invalid::Invalid;
use crate::json::names;
use crate::json::object::{Fields, Object, Schema, body_text, read_body, read_fields};
use crate::json::scalar::{any_text, boolean, integer, seconds};
use crate::receipt::Receipt;
use crate::record::bound;
use engine::command::{Ack, Blob, Extend, Nack};
use engine::ids::MessageId;
use serde::de::MapAccess;
use std::borrow::Cow;

/// The fields of a verb, for a message that is named in the path or beside its receipt.
macro_rules! schema {
    ($name:ident, $what:literal, $required:literal, [$($field:literal),+]) => {
        struct $name;
        impl Schema for $name {
            const WHAT: &'static str = $what;
            const FIELDS: &'static [&'static str] = &[$($field),+];
            const REQUIRED: u32 = $required;
        }
    };
}

schema!(AckBody, "an ack", 0b1, ["receipt"]);
schema!(
    NackBody,
    "a nack",
    0b1,
    ["receipt", "delay", "priority", "error", "reject"]
);
schema!(
    ExtendBody,
    "an extension",
    0b1,
    ["receipt", "visibilityTimeout"]
);
schema!(AckEntry, "an ack", 0b11, ["receipt", "id"]);
schema!(
    NackEntry,
    "a nack",
    0b100001,
    ["receipt", "delay", "priority", "error", "reject", "id"]
);
schema!(
    ExtendEntry,
    "an extension",
    0b101,
    ["receipt", "visibilityTimeout", "id"]
);

/// Reads verbs, collecting their texts.
struct Reader<'a> {
    requests: &'a Requests,
    blobs: Blobs,
}

/// The fields of a nack beside its receipt.
struct NackFields<'de> {
    delay_ms: Option<u64>,
    priority: Option<u8>,
    error: Option<Cow<'de, str>>,
    reject: bool,
}

impl Reader<'_> {
    fn nack_fields<'de, S: Schema>(
        &self,
        fields: &Fields<'de, S>,
        faults: &mut Faults,
    ) -> NackFields<'de> {
        let limits = &self.requests.limits;
        let priority = fields.read(2, faults, |raw, faults| integer(raw, 0, 255, faults));
        NackFields {
            delay_ms: fields.read(1, faults, |raw, faults| {
                seconds(raw, 0, limits.delay_ms_max, faults)
            }),
            priority,
            error: fields.read(3, faults, |raw, faults| self.error(raw, faults)),
            reject: fields.read(4, faults, boolean).unwrap_or(false),
        }
    }

    /// An error's text; an empty one says nothing.
    fn error<'de>(&self, raw: &'de str, faults: &mut Faults) -> Option<Cow<'de, str>> {
        let error = any_text(raw, faults)?;
        let (bytes, max) = (error.len() as u64, self.requests.limits.error_bytes_max);
        if bytes > max {
            faults.add(format!(
                "has {bytes} bytes; at most {max} are allowed: send the telling part"
            ));
        }
        Some(error).filter(|error| !error.is_empty())
    }

    fn error_blob(&mut self, error: Option<&str>) -> Option<Blob> {
        let error = error?;
        self.blobs.owned().extend_from_slice(error.as_bytes());
        Some(self.blobs.push([0..0, 0..0]))
    }

    fn nack(&mut self, receipt: Receipt, fields: &NackFields<'_>) -> Signed<Nack> {
        let NackFields {
            delay_ms,
            priority,
            reject,
            ..
        } = *fields;
        let error = self.error_blob(fields.error.as_deref());
        let verb = Nack {
            lease: receipt.claim().lease,
            delay_ms,
            priority,
            error,
            reject,
        };
        Signed { receipt, verb }
    }

    fn timeout_ms<S: Schema>(&self, fields: &Fields<'_, S>, faults: &mut Faults) -> Option<u64> {
        let max = self.requests.limits.visibility_timeout_ms_max;
        fields.read(1, faults, |raw, faults| seconds(raw, 1, max, faults))
    }
}

fn ack(receipt: Receipt) -> Signed<Ack> {
    Signed {
        receipt,
        verb: Ack {
            lease: receipt.claim().lease,
        },
    }
}

fn extend(receipt: Receipt, visibility_timeout_ms: Option<u64>) -> Signed<Extend> {
    Signed {
        receipt,
        verb: Extend {
            lease: receipt.claim().lease,
            visibility_timeout_ms,
        },
    }
}

/// The receipt of a body whose message is in the path.
fn body_receipt<S: Schema>(
    fields: &Fields<'_, S>,
    message: MessageId,
    mut faults: Faults,
) -> Result<Receipt, Invalid> {
    let text = read_text(fields, 0, &mut faults);
    let receipt = text.and_then(|text| {
        let read = receipt_of(&text, message);
        read.map_err(|refusal| {
            faults.at("receipt", |faults| {
                faults.add_coded(refusal.code(), refusal.detail())
            })
        })
        .ok()
    });
    faults.finish(receipt)
}

/// A required text.
fn read_text<'de, S: Schema>(
    fields: &Fields<'de, S>,
    index: usize,
    faults: &mut Faults,
) -> Option<Cow<'de, str>> {
    fields.read(index, faults, any_text)
}

/// The receipt of an entry. One that is none is that entry's refusal, and no fault of the others.
fn entry_receipt<S: Schema>(
    fields: &Fields<'_, S>,
    id_index: usize,
    faults: &mut Faults,
) -> Option<Result<Receipt, Refusal>> {
    let id = read_text(fields, id_index, faults);
    let receipt = read_text(fields, 0, faults)?;
    let message = names::message(&id?).map_err(|_| Refusal::MessageIdInvalid);
    Some(message.and_then(|(_, message)| receipt_of(&receipt, message)))
}

/// The body of a settle.
struct SettleBody<'a> {
    reader: Reader<'a>,
    settle: Settle,
}

impl<'de> Object<'de> for SettleBody<'_> {
    const WHAT: &'static str = "a settle";
    const FIELDS: &'static [&'static str] = &["acks", "nacks", "extends"];

    fn field<A: MapAccess<'de>>(
        &mut self,
        index: usize,
        map: &mut A,
        faults: &mut Faults,
    ) -> Result<(), A::Error> {
        let entries_max = self.reader.requests.limits.batch_entries_max as usize;
        let count = match index {
            0 => map.next_value_seed(ReadArray::new(
                "acks",
                entries_max,
                faults,
                |fields, faults: &mut Faults| {
                    self.ack(&fields, faults);
                },
            ))?,
            1 => map.next_value_seed(ReadArray::new(
                "nacks",
                entries_max,
                faults,
                |fields, faults: &mut Faults| {
                    self.nack(&fields, faults);
                },
            ))?,
            _ => map.next_value_seed(ReadArray::new(
                "extensions",
                entries_max,
                faults,
                |fields, faults: &mut Faults| {
                    self.extend(&fields, faults);
                },
            ))?,
        };
        if count > entries_max {
            super::enqueue::check_count(count, entries_max, faults);
        }
        Ok(())
    }
}

impl SettleBody<'_> {
    fn ack(&mut self, fields: &Fields<'_, AckEntry>, faults: &mut Faults) {
        let receipt = entry_receipt(fields, 1, faults);
        self.settle
            .acks
            .extend(receipt.map(|receipt| receipt.map(ack)));
    }

    fn nack(&mut self, fields: &Fields<'_, NackEntry>, faults: &mut Faults) {
        let receipt = entry_receipt(fields, 5, faults);
        let nack = self.reader.nack_fields(fields, faults);
        if let Some(receipt) = receipt {
            let entry = receipt.map(|receipt| self.reader.nack(receipt, &nack));
            self.settle.nacks.push(entry);
        }
    }

    fn extend(&mut self, fields: &Fields<'_, ExtendEntry>, faults: &mut Faults) {
        let receipt = entry_receipt(fields, 2, faults);
        let timeout_ms = self.reader.timeout_ms(fields, faults);
        self.settle
            .extends
            .extend(receipt.map(|receipt| receipt.map(|receipt| extend(receipt, timeout_ms))));
    }

    fn count(&self) -> usize {
        self.settle.acks.len() + self.settle.nacks.len() + self.settle.extends.len()
    }
}

impl Requests {
    fn reader(&self) -> Reader<'_> {
        Reader {
            requests: self,
            blobs: Blobs::default(),
        }
    }

    /// `POST /v1/messages/{id}/ack`
    pub fn ack(&self, id: &str, body: &[u8]) -> Result<Request, Invalid> {
        let (_, message) = names::message(id)?;
        let mut faults = Faults::default();
        let fields = read_fields::<AckBody>(body, &mut faults)?;
        let receipt = body_receipt(&fields, message, faults)?;
        Ok(Request {
            ask: Ask::Ack(ack(receipt)),
            blobs: Blobs::default(),
            batch_bytes_max: bound::CHANGE,
        })
    }

    /// `POST /v1/messages/{id}/nack`
    pub fn nack(&self, id: &str, body: &[u8]) -> Result<Request, Invalid> {
        let (_, message) = names::message(id)?;
        let (mut faults, mut reader) = (Faults::default(), self.reader());
        let fields = read_fields::<NackBody>(body, &mut faults)?;
        let nack = reader.nack_fields(&fields, &mut faults);
        let receipt = body_receipt(&fields, message, faults)?;
        let ask = Ask::Nack(reader.nack(receipt, &nack));
        let batch_bytes_max = self.nack_bytes_max() + reader.blobs.bytes();
        Ok(Request {
            ask,
            blobs: reader.blobs,
            batch_bytes_max,
        })
    }

    /// `POST /v1/messages/{id}/extend`
    pub fn extend(&self, id: &str, body: &[u8]) -> Result<Request, Invalid> {
        let (_, message) = names::message(id)?;
        let mut faults = Faults::default();
        let fields = read_fields::<ExtendBody>(body, &mut faults)?;
        let timeout_ms = self.reader().timeout_ms(&fields, &mut faults);
        let ask = Ask::Extend(extend(body_receipt(&fields, message, faults)?, timeout_ms));
        Ok(Request {
            ask,
            blobs: Blobs::default(),
            batch_bytes_max: bound::CHANGE,
        })
    }

    /// `POST /v1/queues/{queue}/settle`
    pub fn settle(&self, queue: &str, body: &[u8]) -> Result<Request, Invalid> {
        let queue = self.queue_name(queue)?;
        check_length(body)?;
        let (mut faults, settle) = (
            Faults::default(),
            Settle {
                queue,
                ..Settle::default()
            },
        );
        let mut read = SettleBody {
            reader: self.reader(),
            settle,
        };
        read_body(body_text(body)?, &mut read, &mut faults)?;
        let entries_max = self.limits.batch_entries_max as usize;
        if faults.is_empty() {
            super::enqueue::check_count(read.count(), entries_max, &mut faults);
        }
        let SettleBody { reader, settle } = faults.finish(Some(read))?;
        let batch_bytes_max = self.settle_bytes_max(&settle, reader.blobs.bytes());
        Ok(Request {
            ask: Ask::Settle(settle),
            blobs: reader.blobs,
            batch_bytes_max,
        })
    }
}
