//! Requests about sweeps: redriving, and cancelling or changing by filter, in the background.

use super::config::period;
use super::{Ask, Request, Requests};
use crate::json::faults::Faults;
use crate::json::invalid::Invalid;
use crate::json::names;
use crate::json::object::{Fields, Schema, read_fields, read_raw};
use crate::json::raw::{self, Raw};
use crate::json::scalar::{any_text, boolean, integer, kind, seconds, text};
use crate::record::bound;
use engine::command::{Command, StartSweep, SweepChoice};
use engine::ids::MessageId;
use engine::reply::State;
use engine::sweep::{SweepAction, SweepFilter, SweepPlan, SweepRate};

struct RedriveBody;

impl Schema for RedriveBody {
    const WHAT: &'static str = "a redrive";
    const FIELDS: &'static [&'static str] =
        &["filter", "rate", "max", "dryRun", "ids", "destination"];
}

struct SweepBody;

impl Schema for SweepBody {
    const WHAT: &'static str = "a sweep";
    const FIELDS: &'static [&'static str] = &["filter", "rate", "max", "dryRun", "action"];
    const REQUIRED: u32 = 0b10001;
}

struct Filter;

impl Schema for Filter {
    const WHAT: &'static str = "a filter";
    const FIELDS: &'static [&'static str] = &[
        "state",
        "reason",
        "error",
        "metadata",
        "olderThan",
        "newerThan",
    ];
}

struct Rate;

impl Schema for Rate {
    const WHAT: &'static str = "a rate";
    const FIELDS: &'static [&'static str] = &["requests", "per"];
    const REQUIRED: u32 = 0b11;
}

struct Change;

impl Schema for Change {
    const WHAT: &'static str = "a change of messages";
    const FIELDS: &'static [&'static str] = &["delay", "priority"];
}

/// What a filter may name, and what an answer calls it.
const STATES: [(&str, State); 4] = [
    ("ready", State::Ready),
    ("blocked", State::Blocked),
    ("delayed", State::Delayed),
    ("dead", State::Dead),
];

/// Entries of a page when the request names no limit.
const LIST_LIMIT_DEFAULT: u64 = 100;

/// Larger numbers are not exact in every language.
const MAX_MAX: u64 = (1 << 53) - 1;

impl Requests {
    /// `POST /v1/queues/{queue}/redrive`
    pub fn redrive(&self, queue: &str, body: &[u8]) -> Result<Request, Invalid> {
        let queue = self.queue_name(queue)?;
        let mut faults = Faults::default();
        let fields = read_fields::<RedriveBody>(body, &mut faults)?;
        let ids = fields.read(4, &mut faults, |raw, faults| self.ids(raw, faults));
        if ids.is_some() && fields.raw(0).is_some() {
            faults.add("names ids and a filter; name one of them");
        }
        let destination = fields.read(5, &mut faults, |raw, faults| {
            self.queue_name_field(raw, faults)
        });
        let action = SweepAction::Redrive { destination };
        let plan = self.plan(&fields, action, ids, &mut faults);
        self.start_sweep(queue, faults.finish(Some(plan))?)
    }

    /// `POST /v1/queues/{queue}/sweep`
    pub fn sweep(&self, queue: &str, body: &[u8]) -> Result<Request, Invalid> {
        let queue = self.queue_name(queue)?;
        let mut faults = Faults::default();
        let fields = read_fields::<SweepBody>(body, &mut faults)?;
        let action = fields.read(4, &mut faults, |raw, faults| self.action(raw, faults));
        let is_change = matches!(action, Some(SweepAction::Change { .. }));
        let plan = action.map(|action| self.plan(&fields, action, None, &mut faults));
        let state = plan.as_ref().and_then(|plan| plan.filter.state);
        if is_change && state == Some(State::Dead) {
            faults.add("can't change what is dead: redrive it, or cancel it");
        }
        self.start_sweep(queue, faults.finish(plan)?)
    }

    /// `GET /v1/sweeps/{id}`
    pub fn get_sweep(&self, id: &str) -> Result<Request, Invalid> {
        let (sweep, kept_ms) = (names::sweep(id)?, self.limits.sweep_kept_ms_max);
        Ok(Request::plain(Command::GetSweep { sweep, kept_ms }, 0))
    }

    /// `GET /v1/sweeps`
    pub fn list_sweeps(&self, after: Option<&str>, limit: Option<i64>) -> Result<Request, Invalid> {
        let command = Command::ListSweeps {
            before: after.map(names::sweep).transpose()?,
            limit: self.limit(limit, LIST_LIMIT_DEFAULT)?,
            kept_ms: self.limits.sweep_kept_ms_max,
        };
        Ok(Request::plain(command, 0))
    }

    /// `DELETE /v1/sweeps/{id}`
    pub fn cancel_sweep(&self, id: &str) -> Result<Request, Invalid> {
        let (sweep, kept_ms) = (names::sweep(id)?, self.limits.sweep_kept_ms_max);
        let command = Command::CancelSweep { sweep, kept_ms };
        Ok(Request::plain(command, bound::SWEEP_ENDED))
    }

    fn start_sweep(&self, queue: Box<str>, plan: SweepPlan) -> Result<Request, Invalid> {
        let destination = match &plan.action {
            SweepAction::Redrive { destination } => destination.as_deref(),
            _ => None,
        };
        let texts = [
            plan.filter.error.as_deref(),
            plan.filter.metadata.as_deref(),
        ];
        let texts = texts.into_iter().chain([destination]).flatten();
        let text_bytes = texts.map(str::len).sum();
        let ids = plan.ids.as_ref().map_or(0, Vec::len);
        let bytes = bound::sweep_started(text_bytes, ids) + bound::SWEEPS_FORGOTTEN;
        let start = StartSweep {
            queue,
            plan,
            running_max: self.limits.sweeps_running_max,
            kept_max: self.limits.sweeps_kept_max,
            kept_ms: self.limits.sweep_kept_ms_max,
        };
        Ok(Request::plain(Command::StartSweep(start.into()), bytes))
    }

    /// What a redrive and a sweep have in common.
    fn plan<S: Schema>(
        &self,
        fields: &Fields<'_, S>,
        action: SweepAction,
        ids: Option<Vec<MessageId>>,
        faults: &mut Faults,
    ) -> SweepPlan {
        let filter = fields.read(0, faults, |raw, faults| self.sweep_filter(raw, faults));
        let rate = fields.read(1, faults, |raw, faults| self.rate(raw, faults));
        let max = fields.read(2, faults, |raw, faults| integer(raw, 1, MAX_MAX, faults));
        SweepPlan {
            action,
            filter: filter.unwrap_or_default(),
            ids,
            messages_max: max.unwrap_or(0),
            rate,
            dry_run: fields.read(3, faults, boolean).unwrap_or(false),
        }
    }

    fn action(&self, raw: &str, faults: &mut Faults) -> Option<SweepAction> {
        if kind(raw) == "a string" {
            let is_cancel = any_text(raw, faults)? == "cancel";
            if !is_cancel {
                faults.add("must be \"cancel\", or an object with a delay, a priority, or both");
            }
            return is_cancel.then_some(SweepAction::Cancel);
        }
        let (fields, delay_ms_max) = (read_raw::<Change>(raw, faults)?, self.limits.delay_ms_max);
        let delay_ms = fields.read(0, faults, |raw, faults| {
            seconds(raw, 0, delay_ms_max, faults)
        });
        let priority = fields.read(1, faults, |raw, faults| integer(raw, 0, 255, faults));
        if faults.is_empty() && delay_ms.is_none() && priority.is_none() {
            faults.add("must name a delay, a priority, or both");
        }
        Some(SweepAction::Change { delay_ms, priority })
    }

    fn sweep_filter(&self, raw: &str, faults: &mut Faults) -> Option<SweepFilter> {
        let fields = read_raw::<Filter>(raw, faults)?;
        let bytes_max = self.limits.filter_bytes_max;
        let age =
            |raw: &str, faults: &mut Faults| seconds(raw, 0, self.limits.delay_ms_max, faults);
        Some(SweepFilter {
            state: fields.read(0, faults, |raw, faults| named(raw, &STATES, faults)),
            reason: fields.read(1, faults, |raw, faults| {
                named(raw, &names::DEATH_REASONS, faults)
            }),
            error: fields
                .read(2, faults, |raw, faults| text(raw, bytes_max, faults))
                .map(Into::into),
            metadata: fields.read(3, faults, |raw, faults| self.members(raw, faults)),
            older_than_ms: fields.read(4, faults, age),
            newer_than_ms: fields.read(5, faults, age),
            accepted: None,
        })
    }

    /// A JSON object; one without members says nothing.
    fn members(&self, raw: &str, faults: &mut Faults) -> Option<Box<str>> {
        let (bytes, max) = (raw.len() as u64, self.limits.filter_bytes_max);
        if kind(raw) != "an object" {
            faults.add(format!("must be an object; found {}", kind(raw)));
        } else if bytes > max {
            faults.add(format!("has {bytes} bytes; at most {max} are allowed"));
        } else {
            raw::check(Raw::new(raw), self.limits.payload_depth_max, faults);
        }
        let is_empty = raw[1..].trim_start().starts_with('}');
        (!is_empty).then(|| raw.into())
    }

    fn rate(&self, raw: &str, faults: &mut Faults) -> Option<SweepRate> {
        let fields = read_raw::<Rate>(raw, faults)?;
        let max = self.limits.rate_limit_requests_max;
        let messages = fields.read(0, faults, |raw, faults| integer(raw, 1, max, faults));
        let per_ms = fields.read(1, faults, period);
        Some(SweepRate {
            messages: messages?,
            per_ms: per_ms?,
        })
    }

    /// Message ids, put in order; one that is named twice counts once.
    fn ids(&self, raw: &str, faults: &mut Faults) -> Option<Vec<MessageId>> {
        let Ok(texts) = serde_json::from_str::<Vec<&str>>(raw) else {
            faults.add("must be an array of message ids");
            return None;
        };
        let (count, max) = (texts.len() as u64, self.limits.sweep_ids_max);
        if count == 0 || count > max {
            faults.add(format!("has {count} ids; 1 to {max} are allowed"));
            return None;
        }
        let mut ids = Vec::with_capacity(texts.len());
        for (index, text) in texts.into_iter().enumerate() {
            match names::message(text) {
                Ok((_, id)) => ids.push(id),
                Err(invalid) => faults.at_index(index, |faults| {
                    faults.add_coded(invalid.code, invalid.detail)
                }),
            }
        }
        ids.sort_unstable();
        ids.dedup();
        Some(ids)
    }
}

fn named<T: Copy>(raw: &str, known: &[(&str, T)], faults: &mut Faults) -> Option<T> {
    let name = any_text(raw, faults)?;
    let found = known.iter().find(|(known, _)| *known == name);
    if found.is_none() {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        faults.add(format!("must be one of {}", names.join(", ")));
    }
    found.map(|(_, value)| *value)
}

/// The next step of a sweep, with what was chosen of the page that the last one showed.
pub fn step_sweep(sweep: u64, choice: Option<SweepChoice>) -> Request {
    Request::plain(Command::StepSweep { sweep, choice }, bound::SWEEP_STEP)
}

impl Request {
    /// For a sweep that asks for messages of an age, and may meet some that never died: how old at least and at most,
    /// in milliseconds. Which batches that means is for [`Request::accepted`] to say.
    pub fn ages(&self) -> Option<(Option<u64>, Option<u64>)> {
        let Ask::Plain(Command::StartSweep(start)) = &self.ask else {
            return None;
        };
        let filter = &start.plan.filter;
        let ages = (filter.older_than_ms, filter.newer_than_ms);
        let is_redrive = matches!(start.plan.action, SweepAction::Redrive { .. });
        let only_dead = match filter.state {
            None => is_redrive,
            Some(state) => state == State::Dead,
        };
        (ages != (None, None) && !only_dead && filter.reason.is_none()).then_some(ages)
    }

    /// The same, for messages that were accepted with batches `first` to `last`.
    pub fn accepted(&self, first: u64, last: u64) -> Request {
        let mut request = self.clone();
        if let Ask::Plain(Command::StartSweep(start)) = &mut request.ask {
            start.plan.filter.accepted = Some((first, last));
        }
        request
    }
}
