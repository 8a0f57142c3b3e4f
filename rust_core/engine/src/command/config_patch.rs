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
    pub scheduling: Option<SchedulingPatch>,
    pub backoff: BackoffPatch,
    pub dedup_window_ms: Option<u64>,
    pub delay_ms: Option<u64>,
    pub ttl_ms: Option<u64>,
    pub dead_retention_ms: Option<u64>,
    pub result_retention_ms: Option<u64>,
    pub session_timeout_ms: Option<u64>,
}

/// Another way to choose among priority levels, or another aging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchedulingPatch {
    /// As in [`Scheduling`].
    Strict,
    /// As in [`Scheduling`].
    Fair {
        /// None: as it is, or, of a queue that was strict, a new queue's.
        aging_ms: Option<u64>,
    },
}

impl SchedulingPatch {
    fn over(self, old: Scheduling) -> Scheduling {
        let SchedulingPatch::Fair { aging_ms } = self else {
            return Scheduling::Strict;
        };
        let old_ms = match old {
            Scheduling::Fair { aging_ms } => aging_ms,
            Scheduling::Strict => Scheduling::AGING_MS_DEFAULT,
        };
        Scheduling::Fair {
            aging_ms: aging_ms.unwrap_or(old_ms),
        }
    }
}

/// What of a backoff is given, each as in [`Backoff`].
#[allow(missing_docs)] // Backoff says what each means
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackoffPatch {
    pub initial_ms: Option<u64>,
    pub multiplier_permille: Option<u32>,
    pub max_ms: Option<u64>,
    pub jitter_permille: Option<u16>,
}

impl BackoffPatch {
    /// What is left out stays. Of the first and the largest delay one that is left out makes room for the one given.
    pub fn over(self, old: Backoff) -> Backoff {
        let initial_ms = self.initial_ms.unwrap_or(old.initial_ms);
        let max_ms = self.max_ms.unwrap_or(old.max_ms.max(initial_ms));
        Backoff {
            initial_ms: self.initial_ms.unwrap_or(initial_ms.min(max_ms)),
            multiplier_permille: self.multiplier_permille.unwrap_or(old.multiplier_permille),
            max_ms,
            jitter_permille: self.jitter_permille.unwrap_or(old.jitter_permille),
        }
    }
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
            scheduling: self
                .scheduling
                .map_or(old.scheduling, |patch| patch.over(old.scheduling)),
            backoff: self.backoff.over(old.backoff),
            dedup_window_ms: self.dedup_window_ms.unwrap_or(old.dedup_window_ms),
            delay_ms: self.delay_ms.unwrap_or(old.delay_ms),
            ttl_ms: self.ttl_ms.unwrap_or(old.ttl_ms),
            dead_retention_ms: self.dead_retention_ms.unwrap_or(old.dead_retention_ms),
            result_retention_ms: self.result_retention_ms.unwrap_or(old.result_retention_ms),
            session_timeout_ms: self.session_timeout_ms.unwrap_or(old.session_timeout_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Backoff = Backoff {
        initial_ms: 9000,
        multiplier_permille: 3000,
        max_ms: 50_000,
        jitter_permille: 0,
    };

    #[test]
    fn what_a_change_of_a_backoff_leaves_out_stays_or_makes_room() {
        let changed = |initial_ms, max_ms| {
            let patch = BackoffPatch {
                initial_ms,
                max_ms,
                ..BackoffPatch::default()
            };
            let new = patch.over(OLD);
            assert_eq!((new.multiplier_permille, new.jitter_permille), (3000, 0));
            (new.initial_ms, new.max_ms)
        };
        assert_eq!(changed(None, None), (9000, 50_000));
        assert_eq!(changed(Some(1), None), (1, 50_000));
        assert_eq!(changed(None, Some(60_000)), (9000, 60_000));
        assert_eq!(changed(Some(70_000), None), (70_000, 70_000));
        assert_eq!(changed(None, Some(5000)), (5000, 5000));
        let others = BackoffPatch {
            multiplier_permille: Some(1000),
            jitter_permille: Some(100),
            ..BackoffPatch::default()
        };
        let expected = Backoff {
            multiplier_permille: 1000,
            jitter_permille: 100,
            ..OLD
        };
        assert_eq!(others.over(OLD), expected);
    }

    #[test]
    fn an_aging_stays_as_long_as_the_mode_does() {
        let fair = |aging_ms| SchedulingPatch::Fair { aging_ms };
        let old = Scheduling::Fair { aging_ms: 5000 };
        assert_eq!(fair(None).over(old), old);
        let changed = Scheduling::Fair { aging_ms: 7 };
        assert_eq!(fair(Some(7)).over(old), changed);
        assert_eq!(SchedulingPatch::Strict.over(old), Scheduling::Strict);
        assert_eq!(fair(None).over(Scheduling::Strict), Scheduling::DEFAULT);
    }
}
