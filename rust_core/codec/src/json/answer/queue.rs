//! A queue as seen from outside.

use super::write::Json;
use crate::json::request::PERIODS;
use engine::config::{Backoff, Fairness, QueueConfig, RateLimit, Scheduling};
use engine::reply::{Counts, QueueView};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Of a setting that a sentence shows.
const SHOWN_BYTES_MAX: usize = 200;

/// One queue.
pub fn put(json: &mut Json, now_ms: u64, queue: &QueueView) {
    json.object(|json| {
        json.text("name", &queue.name);
        json.name("config");
        put_config(json, &queue.config);
        json.instant("createdAt", queue.created_at_ms);
        json.name("paused");
        json.object(|json| {
            json.boolean("enqueue", queue.paused.enqueue);
            json.boolean("receive", queue.paused.receive);
        });
        put_counts(json, &queue.counts);
        put_age(json, now_ms, queue.oldest_ready_ms);
    });
}

/// For how long the message has been ready that has been for the longest.
pub fn put_age(json: &mut Json, now_ms: u64, oldest_ready_ms: Option<u64>) {
    match oldest_ready_ms {
        Some(since_ms) => json.thousandths("oldestReadyAge", now_ms.saturating_sub(since_ms)),
        None => json.null("oldestReadyAge"),
    }
}

/// How many messages are in each state.
pub fn put_counts(json: &mut Json, counts: &Counts) {
    json.name("counts");
    json.object(|json| {
        json.number("ready", counts.ready);
        json.number("blocked", counts.blocked);
        json.number("delayed", counts.delayed);
        json.number("leased", counts.leased);
        json.number("dead", counts.dead);
    });
}

/// One page of queues; `next` continues after the last one.
pub fn put_page(json: &mut Json, now_ms: u64, queues: &[QueueView], more: bool) {
    json.object(|json| {
        json.name("queues");
        json.array(|json| queues.iter().for_each(|queue| put(json, now_ms, queue)));
        match queues.last().filter(|_| more) {
            Some(last) => json.text("next", &last.name),
            None => json.null("next"),
        }
    });
}

fn put_config(json: &mut Json, config: &QueueConfig) {
    json.object(|json| {
        json.number("maxRetries", u64::from(config.max_retries));
        json.thousandths("visibilityTimeout", config.visibility_timeout_ms);
        match &config.dead_letter_queue {
            Some(name) => json.text("deadLetterQueue", name),
            None => json.null("deadLetterQueue"),
        }
        put_rate_limit(json, "rateLimit", &config.rate_limit);
        put_rate_limit(json, "consumerRateLimit", &config.consumer_rate_limit);
        put_rate_limit(json, "keyRateLimit", &config.key_rate_limit);
        put_rate_limit(json, "ingressLimit", &config.ingress_limit);
        put_fairness(json, &config.fairness);
        put_bound(json, "maxMessages", config.messages_max);
        put_bound(json, "maxInFlight", u64::from(config.in_flight_max));
        put_rules(json, config);
        json.thousandths("dedupWindow", config.dedup_window_ms);
        json.thousandths("delay", config.delay_ms);
        put_duration(json, "ttl", config.ttl_ms);
        put_duration(json, "deadRetention", config.dead_retention_ms);
        json.thousandths("resultRetention", config.result_retention_ms);
        json.thousandths("sessionTimeout", config.session_timeout_ms);
    });
}

/// In words, what of the settings that are there differs from those asked for. What is long is named alone.
pub fn differences(there: &QueueConfig, asked: &QueueConfig) -> String {
    let [there, asked] = [there, asked].map(|config| {
        let mut json = Json::with_capacity(1024, 0);
        put_config(&mut json, config);
        let settings: serde_json::Result<BTreeMap<String, Box<RawValue>>> =
            serde_json::from_slice(&json.to_bytes());
        settings.expect("settings are an object")
    });
    let differ = |name: &String| {
        let (has, not) = (there[name].get(), asked[name].get());
        match has.len().max(not.len()) {
            _ if has == not => None,
            0..=SHOWN_BYTES_MAX => Some(format!("{name} is {has}, not {not}")),
            _ => Some(format!("{name} differs")),
        }
    };
    let differences: Vec<String> = there.keys().filter_map(differ).collect();
    differences.join("; ")
}

/// 0: there is none.
fn put_bound(json: &mut Json, name: &'static str, value: u64) {
    match value {
        0 => json.null(name),
        value => json.number(name, value),
    }
}

/// 0: for ever.
fn put_duration(json: &mut Json, name: &'static str, ms: u64) {
    match ms {
        0 => json.null(name),
        ms => json.thousandths(name, ms),
    }
}

fn put_fairness(json: &mut Json, fairness: &Fairness) {
    json.name("fairness");
    json.object(|json| {
        json.name("weights");
        json.object(|json| {
            for weight in &fairness.weights {
                json.number_of(&weight.key, u64::from(weight.weight));
            }
        });
        put_bound(json, "maxInFlight", u64::from(fairness.in_flight_max));
    });
}

fn put_rate_limit(json: &mut Json, name: &'static str, limit: &Option<RateLimit>) {
    let Some(limit) = limit else {
        return json.null(name);
    };
    let period = PERIODS
        .iter()
        .find(|(_, ms)| *ms == limit.per_ms)
        .map_or("second", |(name, _)| name);
    json.name(name);
    json.object(|json| {
        json.number("requests", u64::from(limit.requests));
        json.text("per", period);
        json.number("burst", u64::from(limit.burst));
    });
}

fn put_rules(json: &mut Json, config: &QueueConfig) {
    json.name("scheduling");
    json.object(|json| match config.scheduling {
        Scheduling::Strict => json.plain("mode", b"strict"),
        Scheduling::Fair { aging_ms } => {
            json.plain("mode", b"fair");
            json.thousandths("agingSeconds", aging_ms);
        }
    });
    put_backoff(json, config.backoff);
}

/// As a field.
pub fn put_backoff(json: &mut Json, backoff: Backoff) {
    json.name("backoff");
    json.object(|json| {
        json.thousandths("initial", backoff.initial_ms);
        json.thousandths("multiplier", u64::from(backoff.multiplier_permille));
        json.thousandths("max", backoff.max_ms);
        json.thousandths("jitter", u64::from(backoff.jitter_permille));
    });
}
