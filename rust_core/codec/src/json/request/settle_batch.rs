//! What becomes of many leases at once, each with its own result.

use super::admit::{Refusal, receipt_of};
use super::enqueue::{check_count, check_length};
use super::settle::{Reader, ack, extend, read_text, release, schema};
use super::{Ask, Request, Requests, Settle};
use crate::json::array::ReadArray;
use crate::json::faults::Faults;
use crate::json::invalid::Invalid;
use crate::json::names;
use crate::json::object::{Fields, Object, Schema, body_text, read_body};
use crate::receipt::Receipt;
use serde::de::MapAccess;

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
schema!(ReleaseEntry, "a release", 0b101, ["receipt", "delay", "id"]);

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
    const FIELDS: &'static [&'static str] = &["acks", "nacks", "extends", "releases"];

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
            2 => map.next_value_seed(ReadArray::new(
                "extensions",
                entries_max,
                faults,
                |fields, faults: &mut Faults| {
                    self.extend(&fields, faults);
                },
            ))?,
            _ => map.next_value_seed(ReadArray::new(
                "releases",
                entries_max,
                faults,
                |fields, faults: &mut Faults| {
                    self.release(&fields, faults);
                },
            ))?,
        };
        if count > entries_max {
            check_count(count, entries_max, faults);
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

    fn release(&mut self, fields: &Fields<'_, ReleaseEntry>, faults: &mut Faults) {
        let receipt = entry_receipt(fields, 2, faults);
        let delay_ms = self.reader.delay_ms(fields, faults);
        self.settle
            .releases
            .extend(receipt.map(|receipt| receipt.map(|receipt| release(receipt, delay_ms))));
    }
}

impl Requests {
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
            check_count(read.settle.count(), entries_max, &mut faults);
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
