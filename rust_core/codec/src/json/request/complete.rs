//! What an ack brings: a result that is kept, and messages to enqueue in the same step.

use super::bytes_max::backoffs_bytes_max;
use super::enqueue::{Collector, Message, check_count, check_length};
use super::settle::{AckBody, ack, read_receipt};
use super::{Ask, Request, Requests, Signed};
use crate::json::array::ReadArray;
use crate::json::careful::read_array;
use crate::json::faults::Faults;
use crate::json::invalid::Invalid;
use crate::json::names;
use crate::json::object::{Fields, Schema, read_fields};
use crate::json::scalar::{any_text, is_null};
use crate::record::bound;
use engine::command::{Blob, Complete, FollowUp};
use engine::ids::LeaseId;

/// A message as sent, with its queue: the fields of a message come first, in its order.
struct FollowUpBody;

impl Schema for FollowUpBody {
    const WHAT: &'static str = "a message to enqueue";
    const FIELDS: &'static [&'static str] = &FIELDS;
    const REQUIRED: u32 = Message::REQUIRED | 1 << QUEUE;
    const NULLABLE: u32 = Message::NULLABLE;
}

const FIELDS: [&str; QUEUE + 1] = {
    let (mut fields, mut index) = (["queue"; QUEUE + 1], 0);
    while index < QUEUE {
        fields[index] = <Message as Schema>::FIELDS[index];
        index += 1;
    }
    fields
};

const RESULT: usize = 1;
const ENQUEUE: usize = 2;
/// Of a message to enqueue: behind those of a message.
const QUEUE: usize = <Message as Schema>::FIELDS.len();

/// What an ack brings beside its receipt.
pub(super) struct Brought {
    result: Option<Blob>,
    enqueue: Vec<FollowUp>,
}

impl Brought {
    pub(super) fn with(self, lease: LeaseId) -> Complete {
        let Brought { result, enqueue } = self;
        Complete {
            lease,
            result,
            enqueue,
        }
    }
}

/// Bytes of an ack, beside its blobs.
pub(super) fn ack_bytes_max(complete: &Complete) -> usize {
    let kept = complete.result.map_or(0, |_| bound::RESULTS_EVICTED);
    let follow_ups = match complete.enqueue.len() {
        0 => 0,
        count => bound::FOLLOWED_UP + count * bound::FOLLOWED,
    };
    let messages = complete.enqueue.iter().map(|one| &one.message);
    let follow_ups = follow_ups + backoffs_bytes_max(messages);
    bound::CHANGE + kept + follow_ups
}

impl Requests {
    /// `POST /v1/messages/{id}/ack`
    pub fn ack(&self, id: &str, body: &[u8]) -> Result<Request, Invalid> {
        let (_, message) = names::message(id)?;
        check_length(body)?;
        let mut faults = Faults::default();
        let fields = read_fields::<AckBody>(body, &mut faults)?;
        let receipt = read_receipt(&fields, message, &mut faults);
        let mut collector = Collector::new(self, body);
        let brought = self.brought(&fields, &mut collector, &mut faults);
        let receipt = faults.finish(receipt)?;
        let verb = brought.with(receipt.claim().lease);
        let batch_bytes_max = ack_bytes_max(&verb) + collector.blobs.bytes();
        let ask = match verb.result.is_none() && verb.enqueue.is_empty() {
            true => Ask::Ack(ack(receipt)),
            false => Ask::Complete(Signed { receipt, verb }),
        };
        Ok(Request {
            ask,
            blobs: collector.blobs,
            batch_bytes_max,
        })
    }

    /// What an ack brings beside its receipt; with a fault some of it is missing.
    pub(super) fn brought<'de, S: Schema>(
        &self,
        fields: &Fields<'de, S>,
        collector: &mut Collector<'_, 'de>,
        faults: &mut Faults,
    ) -> Brought {
        let queues = self.follow_ups(fields, collector, faults);
        let result = fields
            .raw(RESULT)
            .and_then(|raw| collector.result(raw, faults));
        let messages = collector.messages();
        let enqueue = queues.into_iter().zip(messages);
        Brought {
            result,
            enqueue: enqueue
                .map(|(queue, message)| FollowUp { queue, message })
                .collect(),
        }
    }

    /// The queues of what is to be enqueued; the messages go to the collector.
    fn follow_ups<'de, S: Schema>(
        &self,
        fields: &Fields<'de, S>,
        collector: &mut Collector<'_, 'de>,
        faults: &mut Faults,
    ) -> Vec<Box<str>> {
        let (mut queues, max) = (Vec::new(), self.limits.batch_entries_max as usize);
        let Some(raw) = fields.raw(ENQUEUE).filter(|raw| !is_null(raw.text)) else {
            return queues;
        };
        faults.at("enqueue", |faults| {
            let take = |fields: &Fields<'de, FollowUpBody>, faults: &mut Faults| {
                collector.take(fields, faults);
                queues.extend(fields.read(QUEUE, faults, |raw, faults| {
                    self.follow_up_queue(raw, faults)
                }));
            };
            let read = ReadArray::new("messages", max, faults, take);
            match read_array(raw.text, read) {
                None | Some(0) => {}
                Some(count) => check_count(count, max, faults),
            }
        });
        queues
    }

    fn follow_up_queue(&self, raw: &str, faults: &mut Faults) -> Option<Box<str>> {
        let name = any_text(raw, faults)?;
        if self.limits.is_queue_name(&name) {
            return Some(name.into());
        }
        faults.add_coded("queue_name_invalid", self.limits.queue_name_rule());
        None
    }
}
