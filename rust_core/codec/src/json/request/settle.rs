//! What becomes of one lease: ack, nack, extend, release.

use super::admit::{Signed, receipt_of};
use super::{Ask, Request, Requests};
use crate::blob::Blobs;
use crate::json::faults::Faults;
use crate::json::invalid::Invalid;
use crate::json::names;
use crate::json::object::{Fields, Schema, read_fields};
use crate::json::scalar::{any_text, boolean, integer, seconds};
use crate::receipt::Receipt;
use crate::record::bound;
use engine::command::{Ack, Blob, Extend, Nack, Release};
use engine::ids::MessageId;
use std::borrow::Cow;

/// The fields of a verb, for a message that is named in the path or beside its receipt.
macro_rules! schema {
    ($name:ident, $what:literal, $required:literal, [$($field:literal),+]) => {
        pub(super) struct $name;
        impl Schema for $name {
            const WHAT: &'static str = $what;
            const FIELDS: &'static [&'static str] = &[$($field),+];
            const REQUIRED: u32 = $required;
        }
    };
}

schema!(AckBody, "an ack", 0b1, ["receipt", "result", "enqueue"]);
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
pub(super) use schema;

schema!(ReleaseBody, "a release", 0b1, ["receipt", "delay"]);

/// Reads verbs, collecting their texts.
pub(super) struct Reader<'a> {
    pub requests: &'a Requests,
    pub blobs: Blobs,
}

/// The fields of a nack beside its receipt.
pub(super) struct NackFields<'de> {
    delay_ms: Option<u64>,
    priority: Option<u8>,
    error: Option<Cow<'de, str>>,
    reject: bool,
}

impl Reader<'_> {
    pub(super) fn nack_fields<'de, S: Schema>(
        &self,
        fields: &Fields<'de, S>,
        faults: &mut Faults,
    ) -> NackFields<'de> {
        let priority = fields.read(2, faults, |raw, faults| integer(raw, 0, 255, faults));
        NackFields {
            delay_ms: self.delay_ms(fields, faults),
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

    pub(super) fn nack(&mut self, receipt: Receipt, fields: &NackFields<'_>) -> Signed<Nack> {
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

    pub(super) fn delay_ms<S: Schema>(
        &self,
        fields: &Fields<'_, S>,
        faults: &mut Faults,
    ) -> Option<u64> {
        let max = self.requests.limits.delay_ms_max;
        fields.read(1, faults, |raw, faults| seconds(raw, 0, max, faults))
    }

    pub(super) fn timeout_ms<S: Schema>(
        &self,
        fields: &Fields<'_, S>,
        faults: &mut Faults,
    ) -> Option<u64> {
        let max = self.requests.limits.visibility_timeout_ms_max;
        fields.read(1, faults, |raw, faults| seconds(raw, 1, max, faults))
    }
}

pub(super) fn ack(receipt: Receipt) -> Signed<Ack> {
    Signed {
        receipt,
        verb: Ack {
            lease: receipt.claim().lease,
        },
    }
}

pub(super) fn extend(receipt: Receipt, visibility_timeout_ms: Option<u64>) -> Signed<Extend> {
    Signed {
        receipt,
        verb: Extend {
            lease: receipt.claim().lease,
            visibility_timeout_ms,
        },
    }
}

pub(super) fn release(receipt: Receipt, delay_ms: Option<u64>) -> Signed<Release> {
    Signed {
        receipt,
        verb: Release {
            lease: receipt.claim().lease,
            delay_ms,
        },
    }
}

/// The receipt of a body whose message is in the path.
pub(super) fn read_receipt<S: Schema>(
    fields: &Fields<'_, S>,
    message: MessageId,
    faults: &mut Faults,
) -> Option<Receipt> {
    read_text(fields, 0, faults).and_then(|text| {
        let read = receipt_of(&text, message);
        read.map_err(|refusal| {
            faults.at("receipt", |faults| {
                faults.add_coded(refusal.code(), refusal.detail())
            })
        })
        .ok()
    })
}

/// The same, of a body that has no other fault.
fn body_receipt<S: Schema>(
    fields: &Fields<'_, S>,
    message: MessageId,
    mut faults: Faults,
) -> Result<Receipt, Invalid> {
    let receipt = read_receipt(fields, message, &mut faults);
    faults.finish(receipt)
}

/// A required text.
pub(super) fn read_text<'de, S: Schema>(
    fields: &Fields<'de, S>,
    index: usize,
    faults: &mut Faults,
) -> Option<Cow<'de, str>> {
    fields.read(index, faults, any_text)
}

impl Requests {
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader {
            requests: self,
            blobs: Blobs::default(),
        }
    }

    /// `POST /v1/messages/{id}/nack`
    pub fn nack(&self, id: &str, body: &[u8]) -> Result<Request, Invalid> {
        let (_, message) = names::message(id)?;
        let (mut faults, mut reader) = (Faults::default(), self.reader());
        let fields = read_fields::<NackBody>(body, &mut faults)?;
        let nack = reader.nack_fields(&fields, &mut faults);
        let receipt = body_receipt(&fields, message, faults)?;
        let ask = Ask::Nack(reader.nack(receipt, &nack));
        let batch_bytes_max = self.return_bytes_max() + reader.blobs.bytes();
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

    /// `POST /v1/messages/{id}/release`
    pub fn release(&self, id: &str, body: &[u8]) -> Result<Request, Invalid> {
        let (_, message) = names::message(id)?;
        let mut faults = Faults::default();
        let fields = read_fields::<ReleaseBody>(body, &mut faults)?;
        let delay_ms = self.reader().delay_ms(&fields, &mut faults);
        let ask = Ask::Release(release(body_receipt(&fields, message, faults)?, delay_ms));
        Ok(Request {
            ask,
            blobs: Blobs::default(),
            batch_bytes_max: self.return_bytes_max(),
        })
    }
}
