//! Changing some of a queue's settings.

use crate::config::{Backoff, Fairness, QueueConfig, RateLimit, Scheduling, Weight};

/// Settings to change, each as in [`QueueConfig`]; None leaves one as it is. Of one that can be removed, `Some(None)`
/// removes it.
#[allow(missing_docs)] // QueueConfig says what each means
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigPatch {
    pub max_retries: Option<u32>,
    pub visibility_timeout_ms: Option<u64>,
    pub dead_letter_queue: Option<Option<Box<str>>>,
    pub rate_limit: Option<Option<RateLimit>>,
    pub consumer_rate_limit: Option<Option<RateLimit>>,
    pub key_rate_limit: Option<Option<RateLimit>>,
    pub ingress_limit: Option<Option<RateLimit>>,
    pub fairness_weights: Option<Vec<Weight>>,
    pub fairness_in_flight_max: Option<u32>,
    pub messages_max: Option<u64>,
    pub in_flight_max: Option<u32>,
    pub scheduling: Option<Scheduling>,
    pub backoff: Option<Backoff>,
    pub dedup_window_ms: Option<u64>,
    pub delay_ms: Option<u64>,
    pub ttl_ms: Option<u64>,
    pub dead_retention_ms: Option<u64>,
    pub result_retention_ms: Option<u64>,
    pub session_timeout_ms: Option<u64>,
}

impl ConfigPatch {
    /// The settings with the changes made.
    pub fn over(self, config: &QueueConfig) -> QueueConfig {
        let old = config.clone();
        QueueConfig {
            max_retries: self.max_retries.unwrap_or(old.max_retries),
            visibility_timeout_ms: self
                .visibility_timeout_ms
                .unwrap_or(old.visibility_timeout_ms),
            dead_letter_queue: self.dead_letter_queue.unwrap_or(old.dead_letter_queue),
            rate_limit: self.rate_limit.unwrap_or(old.rate_limit),
            consumer_rate_limit: self.consumer_rate_limit.unwrap_or(old.consumer_rate_limit),
            key_rate_limit: self.key_rate_limit.unwrap_or(old.key_rate_limit),
            ingress_limit: self.ingress_limit.unwrap_or(old.ingress_limit),
            fairness: Fairness {
                weights: self.fairness_weights.unwrap_or(old.fairness.weights),
                in_flight_max: self
                    .fairness_in_flight_max
                    .unwrap_or(old.fairness.in_flight_max),
            },
            messages_max: self.messages_max.unwrap_or(old.messages_max),
            in_flight_max: self.in_flight_max.unwrap_or(old.in_flight_max),
            scheduling: self.scheduling.unwrap_or(old.scheduling),
            backoff: self.backoff.unwrap_or(old.backoff),
            dedup_window_ms: self.dedup_window_ms.unwrap_or(old.dedup_window_ms),
            delay_ms: self.delay_ms.unwrap_or(old.delay_ms),
            ttl_ms: self.ttl_ms.unwrap_or(old.ttl_ms),
            dead_retention_ms: self.dead_retention_ms.unwrap_or(old.dead_retention_ms),
            result_retention_ms: self.result_retention_ms.unwrap_or(old.result_retention_ms),
            session_timeout_ms: self.session_timeout_ms.unwrap_or(old.session_timeout_ms),
        }
    }
}
