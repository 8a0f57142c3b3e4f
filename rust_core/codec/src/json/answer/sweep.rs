//! A sweep as seen from outside, and what of a page its filter chooses.

use super::batches::Batches;
use super::write::Json;
use super::{Context, rejection};
use crate::batch::Fault;
use crate::envelope;
use crate::json::names;
use engine::command::SweepChoice;
use engine::ids::Location;
use engine::rejection::Rejection;
use engine::sweep::*;
use serde_json::{Map, Value};

/// One sweep.
pub fn put(json: &mut Json, context: &Context, sweep: &SweepView) {
    let (tally, plan) = (&sweep.tally, &sweep.plan);
    let failed = tally.failures();
    json.object(|json| {
        json.id("id", context.partition, names::sweep_id(sweep.number));
        json.text("queue", &sweep.queue);
        put_action(json, &plan.action);
        json.plain("state", state_name(sweep));
        json.boolean("dryRun", plan.dry_run);
        if let Some(total) = sweep.total {
            json.number("total", total);
        }
        json.number("matched", tally.matched);
        json.number("moved", tally.moved);
        json.number("skipped", tally.skipped);
        json.number("failed", failed);
        if failed > 0 {
            put_failures(json, &tally.failed);
        }
        json.instant("createdAt", sweep.created_at_ms);
        if let Some((end, ended_at_ms)) = sweep.ended {
            json.instant("endedAt", ended_at_ms);
            if end == SweepEnd::QueueDeleted {
                let queue = sweep.queue.clone();
                json.text(
                    "error",
                    &rejection::detail(&Rejection::QueueNotFound { queue }),
                );
            }
        }
        if plan.dry_run {
            json.name("sample");
            json.array(|json| {
                let ids = sweep.sample.iter();
                ids.for_each(|id| json.id_item(context.partition, *id));
            });
        }
    });
}

/// One page, the latest first; `next` continues with earlier ones.
pub fn put_page(json: &mut Json, context: &Context, sweeps: &[SweepView], more: bool) {
    json.object(|json| {
        json.name("sweeps");
        json.array(|json| sweeps.iter().for_each(|sweep| put(json, context, sweep)));
        match sweeps.last().filter(|_| more) {
            Some(last) => json.id("next", context.partition, names::sweep_id(last.number)),
            None => json.null("next"),
        }
    });
}

fn put_action(json: &mut Json, action: &SweepAction) {
    match action {
        SweepAction::Redrive { destination } => {
            json.plain("action", b"redrive");
            if let Some(destination) = destination {
                json.text("destination", destination);
            }
        }
        SweepAction::Cancel => json.plain("action", b"cancel"),
        SweepAction::Change { delay_ms, priority } => {
            json.name("action");
            json.object(|json| {
                if let Some(delay_ms) = delay_ms {
                    json.thousandths("delay", *delay_ms);
                }
                if let Some(priority) = priority {
                    json.number("priority", u64::from(*priority));
                }
            });
        }
    }
}

fn put_failures(json: &mut Json, failed: &[u64; SWEEP_FAILURES.len()]) {
    json.name("failures");
    json.object(|json| {
        for (failure, count) in SWEEP_FAILURES.iter().zip(failed) {
            if *count > 0 {
                json.number(failure_name(*failure), *count);
            }
        }
    });
}

fn failure_name(failure: SweepFailure) -> &'static str {
    match failure {
        SweepFailure::NoSource => "no_source",
        SweepFailure::QueueNotFound => "queue_not_found",
        SweepFailure::QueueFull => "queue_full",
        SweepFailure::GroupNotFound => "group_not_found",
    }
}

fn state_name(sweep: &SweepView) -> &'static [u8] {
    match sweep.ended {
        None => b"running",
        Some((SweepEnd::Done, _)) => b"done",
        Some((SweepEnd::Cancelled, _)) => b"cancelled",
        Some((SweepEnd::QueueDeleted, _)) => b"failed",
    }
}

/// Where the bytes lie that a page's filter asks for.
pub fn locations(page: &SweepPage) -> impl Iterator<Item = Location> + '_ {
    page.messages.iter().flat_map(|next| {
        let reads = page.metadata.is_some() || next.asks_age;
        let envelope = reads.then_some(next.envelope);
        let error = page.error.is_some().then_some(next.error);
        envelope.into_iter().chain(error).filter(is_there)
    })
}

/// A message that has gone since it was found has no envelope, and one may have died without an error's text: neither
/// matches a filter that asks for it.
fn is_there(at: &Location) -> bool {
    at.lsn > 0
}

/// What of a page matches.
pub fn choose(page: &SweepPage, batches: &Batches<'_>) -> Result<SweepChoice, Fault> {
    let wanted = page.metadata.as_deref().map(members).unwrap_or_default();
    let mut messages = Vec::new();
    for next in &page.messages {
        if has_error(page, next, batches)?
            && has_metadata(&wanted, next, batches)?
            && is_of_age(page, next, batches)?
        {
            messages.push(*next);
        }
    }
    let until = page.until;
    Ok(SweepChoice { until, messages })
}

fn has_error(
    page: &SweepPage,
    next: &SweepCandidate,
    batches: &Batches<'_>,
) -> Result<bool, Fault> {
    let Some(part) = page.error.as_deref() else {
        return Ok(true);
    };
    if !is_there(&next.error) {
        return Ok(false);
    }
    let (text, _) = batches.blob(next.error)?;
    Ok(std::str::from_utf8(text).is_ok_and(|text| text.contains(part)))
}

/// Of a message that was moved; of others the engine knows.
fn is_of_age(
    page: &SweepPage,
    next: &SweepCandidate,
    batches: &Batches<'_>,
) -> Result<bool, Fault> {
    if !next.asks_age {
        return Ok(true);
    }
    let (blob, now_ms) = batches.blob(next.envelope)?;
    let envelope = envelope::decode(blob).map_err(|malformed| Fault::Malformed(malformed.0))?;
    let (first_ms, last_ms) = page.accepted_ms;
    let accepted_at_ms = envelope.accepted_at_ms.unwrap_or(now_ms);
    Ok((first_ms..=last_ms).contains(&accepted_at_ms))
}

fn has_metadata(
    wanted: &Map<String, Value>,
    next: &SweepCandidate,
    batches: &Batches<'_>,
) -> Result<bool, Fault> {
    if wanted.is_empty() {
        return Ok(true);
    }
    if !is_there(&next.envelope) {
        return Ok(false);
    }
    let (blob, _) = batches.blob(next.envelope)?;
    let envelope = envelope::decode(blob).map_err(|malformed| Fault::Malformed(malformed.0))?;
    let text = envelope
        .metadata
        .and_then(|raw| std::str::from_utf8(raw).ok());
    let found = text.map(members).unwrap_or_default();
    Ok(wanted
        .iter()
        .all(|(name, value)| found.get(name) == Some(value)))
}

/// An object's members; none of what is no object.
fn members(raw: &str) -> Map<String, Value> {
    serde_json::from_str(raw).unwrap_or_default()
}
