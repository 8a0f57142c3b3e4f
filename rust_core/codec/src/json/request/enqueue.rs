//! Messages to accept, one or many.

use super::config::backoff;
use super::{Ask, Request, Requests};
use crate::blob::Blobs;
use crate::envelope::{self, Texts};
use crate::hash;
use crate::json::array::ReadArray;
use crate::json::faults::Faults;
use crate::json::invalid::Invalid;
use crate::json::names;
use crate::json::object::{Fields, Members, Object, Schema, read_body, read_fields};
use crate::json::raw::{self, Raw};
use crate::json::scalar::{boolean, integer, is_null, kind, seconds, text};
use engine::command::{Blob, Command, DedupKey, NewMessage};
use engine::config::Backoff;
use std::borrow::Cow;
use std::ops::Range;

/// A message as sent.
pub struct Message;

impl Schema for Message {
    const WHAT: &'static str = "a message";
    const FIELDS: &'static [&'static str] = &[
        "payload",
        "priority",
        "delay",
        "dedupId",
        "orderingKey",
        "fairnessKey",
        "metadata",
        "ttl",
        "maxRetries",
        "traceparent",
        "dedupUntil",
        "backoff",
    ];
    const REQUIRED: u32 = 1;
    const NULLABLE: u32 = 1;
}

/// Higher is sooner; this is "normal".
const PRIORITY_DEFAULT: u8 = 1;

/// Collects messages: the engine's view of each, and its bytes.
pub(super) struct Collector<'a, 'de> {
    requests: &'a Requests,
    body: &'de [u8],
    messages: Vec<NewMessage>,
    /// Of those with a dedup id behind the first message: their fingerprints are made when all are there.
    deduped: Vec<&'de [u8]>,
    pub blobs: Blobs,
}

impl<'a, 'de> Collector<'a, 'de> {
    pub(super) fn new(requests: &'a Requests, body: &'de [u8]) -> Self {
        Collector::after(requests, body, Blobs::default())
    }

    /// One whose blobs follow others of the request.
    pub(super) fn after(requests: &'a Requests, body: &'de [u8], blobs: Blobs) -> Self {
        Collector {
            requests,
            body,
            messages: Vec::new(),
            deduped: Vec::new(),
            blobs,
        }
    }

    /// Reads a message's fields; a fault leaves it out, which ends the request.
    pub(super) fn take<S: Schema>(&mut self, fields: &Fields<'de, S>, faults: &mut Faults) {
        let limits = &self.requests.limits;
        let payload = fields
            .raw(0)
            .and_then(|raw| faults.at("payload", |faults| self.payload(raw, faults)));
        let metadata = fields.read_raw(6, faults, |raw, faults| self.metadata(raw, faults));
        let priority = fields.read(1, faults, |raw, faults| integer(raw, 0, 255, faults));
        let delay_ms = fields.read(2, faults, |raw, faults| {
            seconds(raw, 0, limits.delay_ms_max, faults)
        });
        let ttl_ms = fields.read(7, faults, |raw, faults| {
            seconds(raw, 1, limits.ttl_ms_max, faults)
        });
        let max_retries = fields.read(8, faults, |raw, faults| {
            integer(raw, 0, limits.max_retries_max, faults)
        });
        let backoff = fields.read(11, faults, |raw, faults| backoff(raw, limits, faults));
        let backoff = backoff.map(|given| given.over(Backoff::DEFAULT));
        let mut key = |index| {
            fields.read(index, faults, |raw, faults| {
                text(raw, limits.key_bytes_max, faults)
            })
        };
        let (dedup_id, ordering_key, fairness_key) = (key(3), key(4), key(5));
        let traceparent = fields.read(9, faults, traceparent);
        let until_done = fields.read(10, faults, until_done);
        if until_done.is_some() && (fields.raw(3).is_none() || fields.is_null(3)) {
            let needs = "needs a dedupId: it says how long that is held";
            faults.at("dedupUntil", |faults| faults.add(needs));
        }
        let until_done = until_done.unwrap_or(false);
        let Some(payload) = payload else { return };
        let texts = Texts {
            dedup_id: dedup_id.as_deref(),
            ordering_key: ordering_key.as_deref(),
            fairness_key: fairness_key.as_deref(),
            traceparent: traceparent.as_deref(),
        };
        let blob = self.blob(&texts, metadata, payload);
        let dedup = texts.dedup_id;
        let dedup = dedup.map(|id| self.dedup_key(id, payload, until_done));
        self.messages.push(NewMessage {
            priority: priority.unwrap_or(PRIORITY_DEFAULT),
            delay_ms,
            ttl_ms,
            dedup,
            ordering_key: texts.ordering_key.map(hash::key),
            fairness_key: texts.fairness_key.map(hash::key),
            max_retries,
            backoff,
            blob,
        });
    }

    pub(super) fn payload(&self, raw: Raw<'de>, faults: &mut Faults) -> Option<&'de str> {
        let (bytes, max) = (
            raw.text.len() as u64,
            self.requests.limits.payload_bytes_max,
        );
        if bytes > max {
            let source = &self.requests.payload_limit_source;
            faults.add_coded(
                "payload_too_large",
                format!("has {bytes} bytes; at most {max} are allowed ({source})"),
            );
            return None;
        }
        raw::check(raw, self.requests.limits.payload_depth_max, faults);
        Some(raw.text)
    }

    /// What came of a message: any JSON, as large as a payload may be.
    pub(super) fn result(&mut self, raw: Raw<'de>, faults: &mut Faults) -> Option<Blob> {
        let checked = faults.at("result", |faults| self.payload(raw, faults))?;
        let range = range_of(self.body, checked);
        Some(self.blobs.push([range, 0..0]))
    }

    fn metadata(&self, raw: Raw<'de>, faults: &mut Faults) -> Option<&'de str> {
        let (bytes, max) = (
            raw.text.len() as u64,
            self.requests.limits.metadata_bytes_max,
        );
        if !raw.text.starts_with('{') {
            faults.add(format!("must be an object; found {}", kind(raw.text)));
        } else if bytes > max {
            faults.add(format!(
                "has {bytes} bytes; at most {max} are allowed; the payload has more room"
            ));
        } else {
            raw::check(raw, self.requests.limits.payload_depth_max, faults);
        }
        Some(raw.text)
    }

    fn blob(&mut self, texts: &Texts<'_>, metadata: Option<&str>, payload: &str) -> Blob {
        envelope::put_head(self.blobs.owned(), texts, metadata.map_or(0, str::len));
        let metadata = metadata.map_or(0..0, |metadata| range_of(self.body, metadata));
        self.blobs.push([metadata, range_of(self.body, payload)])
    }

    fn dedup_key(&mut self, id: &str, payload: &'de str, until_done: bool) -> DedupKey {
        let payload = payload.as_bytes();
        let is_first = self.messages.is_empty();
        if !is_first {
            self.deduped.push(payload);
        }
        DedupKey {
            hash: hash::dedup_id(id),
            fingerprint: if is_first {
                hash::fingerprint(payload)
            } else {
                0
            },
            until_done,
        }
    }

    /// The messages taken since the last time.
    pub(super) fn messages(&mut self) -> Vec<NewMessage> {
        let mut messages = std::mem::take(&mut self.messages);
        let fingerprints = hash::fingerprints(&std::mem::take(&mut self.deduped));
        let behind_first = messages.iter_mut().skip(1);
        let keys = behind_first.filter_map(|message| message.dedup.as_mut());
        for (key, fingerprint) in keys.zip(fingerprints) {
            key.fingerprint = fingerprint;
        }
        messages
    }

    fn finish(mut self, ask: impl FnOnce(Vec<NewMessage>) -> Ask) -> Request {
        let messages = self.messages();
        let batch_bytes_max = self
            .requests
            .enqueue_bytes_max(&messages, self.blobs.bytes());
        Request {
            ask: ask(messages),
            blobs: self.blobs,
            batch_bytes_max,
        }
    }
}

/// Where `part`, a slice of `body`, lies in it.
fn range_of(body: &[u8], part: &str) -> Range<u32> {
    let start = part.as_ptr() as usize - body.as_ptr() as usize;
    start as u32..(start + part.len()) as u32
}

/// How long a dedup id is held: true is until its message is done.
fn until_done(raw: &str, faults: &mut Faults) -> Option<bool> {
    match raw {
        r#""window""# => Some(false),
        r#""done""# => Some(true),
        _ => {
            faults.add("must be window or done");
            None
        }
    }
}

fn traceparent<'de>(raw: &'de str, faults: &mut Faults) -> Option<Cow<'de, str>> {
    let value = text(raw, 256, faults)?;
    if names::is_traceparent(&value) {
        return Some(value);
    }
    faults.add("is not a W3C traceparent: version, trace id, parent id and flags in lower-case hexadecimal, joined by dashes");
    None
}

/// The body of a batch enqueue.
struct BatchBody<'a, 'de> {
    collector: Collector<'a, 'de>,
    count: usize,
    atomic: Option<Raw<'de>>,
}

impl<'de> Object<'de> for BatchBody<'_, 'de> {
    const WHAT: &'static str = "a batch of messages";
    const FIELDS: &'static [&'static str] = &["messages", "atomic"];
    const REQUIRED: u32 = 1;

    fn field<M: Members<'de>>(
        &mut self,
        index: usize,
        members: &mut M,
        faults: &mut Faults,
    ) -> Result<(), M::Error> {
        if index == 1 {
            self.atomic = Some(members.raw()?);
            return Ok(());
        }
        let collector = &mut self.collector;
        let entries_max = collector.requests.limits.batch_entries_max as usize;
        let take =
            |fields: &Fields<'de, Message>, faults: &mut Faults| collector.take(fields, faults);
        self.count = members.array(ReadArray::new("messages", entries_max, faults, take))?;
        check_count(self.count, entries_max, faults);
        Ok(())
    }
}

/// A batch holds at least one entry, and at most what the limit says.
pub fn check_count(count: usize, entries_max: usize, faults: &mut Faults) {
    if count == 0 {
        faults.add("must have at least one entry");
    } else if count > entries_max {
        let detail =
            format!("has {count} entries; at most {entries_max} are allowed (MAX_BATCH_SIZE)");
        faults.add_coded("batch_too_large", detail);
    }
}

/// Ranges of a body are 32 bits wide.
pub fn check_length(body: &[u8]) -> Result<(), Invalid> {
    if u32::try_from(body.len()).is_ok() {
        return Ok(());
    }
    Err(Invalid::new(
        "request_too_large",
        "the body has 4 GiB or more",
    ))
}

impl Requests {
    /// `POST /v1/queues/{queue}/messages`
    pub fn enqueue(&self, queue: &str, body: &[u8]) -> Result<Request, Invalid> {
        let queue = self.queue_name(queue)?;
        check_length(body)?;
        let mut faults = Faults::default();
        let fields = read_fields::<Message>(body, &mut faults)?;
        let mut collector = Collector::new(self, body);
        collector.take(&fields, &mut faults);
        let collector = faults.finish(Some(collector))?;
        Ok(collector.finish(|messages| {
            Ask::EnqueueOne(Command::Enqueue {
                queue,
                messages,
                atomic: false,
            })
        }))
    }

    /// `POST /v1/queues/{queue}/messages/batch`
    pub fn enqueue_batch(&self, queue: &str, body: &[u8]) -> Result<Request, Invalid> {
        let queue = self.queue_name(queue)?;
        check_length(body)?;
        let mut faults = Faults::default();
        let batch = || BatchBody {
            collector: Collector::new(self, body),
            count: 0,
            atomic: None,
        };
        let batch = read_body(body, batch, &mut faults)?;
        let atomic = batch
            .atomic
            .map(|raw| raw.text)
            .filter(|raw| !is_null(raw))
            .and_then(|raw| faults.at("atomic", |faults| boolean(raw, faults)));
        let atomic = atomic.unwrap_or(false);
        let collector = faults.finish(Some(batch.collector))?;
        Ok(collector.finish(|messages| {
            Ask::Plain(Command::Enqueue {
                queue,
                messages,
                atomic,
            })
        }))
    }
}
