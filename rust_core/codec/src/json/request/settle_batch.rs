//! What becomes of many leases at once, each with its own result.

use super::admit::{Refusal, Signed, receipt_of};
use super::enqueue::{Collector, check_count, check_length};
use super::settle::{Reader, extend, read_text, release, schema};
use super::{Ask, Request, Requests, Settle};
use crate::json::array::ReadArray;
use crate::json::faults::Faults;
use crate::json::invalid::Invalid;
use crate::json::names;
use crate::json::object::{Fields, Members, Object, Schema, read_body};
use crate::receipt::Receipt;

schema!(
    AckEntry,
    "an ack",
    0b1001,
    ["receipt", "result", "enqueue", "id"]
);
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
struct SettleBody<'a, 'de> {
    reader: Reader<'a>,
    body: &'de [u8],
    settle: Settle,
}

impl<'de> Object<'de> for SettleBody<'_, 'de> {
    const WHAT: &'static str = "a settle";
    const FIELDS: &'static [&'static str] = &["acks", "nacks", "extends", "releases"];

    fn field<M: Members<'de>>(
        &mut self,
        index: usize,
        members: &mut M,
        faults: &mut Faults,
    ) -> Result<(), M::Error> {
        let max = self.reader.requests.limits.batch_entries_max as usize;
        let count = match index {
            0 => {
                let take = |fields: &Fields<'de, _>, faults: &mut Faults| self.ack(fields, faults);
                members.array(ReadArray::new("acks", max, faults, take))?
            }
            1 => {
                let take = |fields: &Fields<'de, _>, faults: &mut Faults| self.nack(fields, faults);
                members.array(ReadArray::new("nacks", max, faults, take))?
            }
            2 => {
                let take =
                    |fields: &Fields<'de, _>, faults: &mut Faults| self.extend(fields, faults);
                members.array(ReadArray::new("extensions", max, faults, take))?
            }
            _ => {
                let take =
                    |fields: &Fields<'de, _>, faults: &mut Faults| self.release(fields, faults);
                members.array(ReadArray::new("releases", max, faults, take))?
            }
        };
        if count > max {
            check_count(count, max, faults);
        }
        Ok(())
    }
}

impl<'de> SettleBody<'_, 'de> {
    fn ack(&mut self, fields: &Fields<'de, AckEntry>, faults: &mut Faults) {
        let receipt = entry_receipt(fields, 3, faults);
        let (requests, blobs) = (self.reader.requests, std::mem::take(&mut self.reader.blobs));
        let mut collector = Collector::after(requests, self.body, blobs);
        let brought = requests.brought(fields, &mut collector, faults);
        self.reader.blobs = collector.blobs;
        let entry = receipt.map(|receipt| {
            receipt.map(|receipt| Signed {
                verb: brought.with(receipt.claim().lease),
                receipt,
            })
        });
        self.settle.acks.extend(entry);
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

/// All acks together bring no more messages than a batch: what they do is one step.
fn check_follow_ups(count: usize, max: usize, faults: &mut Faults) {
    if count > max {
        faults.at("acks", |faults| {
            let detail = format!(
                "enqueue {count} messages together; at most {max} are allowed (MAX_BATCH_SIZE)"
            );
            faults.add_coded("batch_too_large", detail);
        });
    }
}

impl Requests {
    /// `POST /v1/queues/{queue}/settle`
    pub fn settle(&self, queue: &str, body: &[u8]) -> Result<Request, Invalid> {
        let queue = self.queue_name(queue)?;
        check_length(body)?;
        let mut faults = Faults::default();
        let read = || SettleBody {
            reader: self.reader(),
            body,
            settle: Settle::default(),
        };
        let read = read_body(body, read, &mut faults)?;
        let entries_max = self.limits.batch_entries_max as usize;
        if faults.is_empty() {
            check_count(read.settle.count(), entries_max, &mut faults);
        }
        if faults.is_empty() {
            check_follow_ups(read.settle.follow_ups(), entries_max, &mut faults);
        }
        let SettleBody {
            reader, mut settle, ..
        } = faults.finish(Some(read))?;
        settle.queue = queue;
        let batch_bytes_max = self.settle_bytes_max(&settle, reader.blobs.bytes());
        Ok(Request {
            ask: Ask::Settle(settle),
            blobs: reader.blobs,
            batch_bytes_max,
        })
    }
}
