//! Bounds of what a request may hold.

use super::names;

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// The limits of spec/limits.toml that concern requests, with the settings applied.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits { $($(#[$doc])* pub $name: u64,)+ }

        impl Limits {
            /// Takes each limit from `get`. Err names those it doesn't have.
            pub fn from_table(get: impl Fn(&str) -> Option<u64>) -> Result<Limits, Vec<&'static str>> {
                let missing: Vec<_> = [$(stringify!($name)),+].into_iter().filter(|name| get(name).is_none()).collect();
                if !missing.is_empty() {
                    return Err(missing);
                }
                Ok(Limits { $($name: get(stringify!($name)).unwrap_or_default(),)+ })
            }
        }
    };
}

limits! {
    /// A payload's bytes.
    payload_bytes_max,
    /// Arrays and objects inside each other, in a payload or metadata.
    payload_depth_max,
    /// A queue name's bytes.
    queue_name_bytes_max,
    /// The bytes of a message's metadata.
    metadata_bytes_max,
    /// The bytes of a dedup id, an ordering or fairness key, a consumer's or a group's name.
    key_bytes_max,
    /// The bytes of a nack's error.
    error_bytes_max,
    /// Entries of a batch, and messages of one receive.
    batch_entries_max,
    /// The bytes of an error or of metadata that a filter looks for.
    filter_bytes_max,
    /// Messages a redrive names by id.
    sweep_ids_max,
    /// Sweeps under way at once.
    sweeps_running_max,
    /// Ended sweeps that can be asked about.
    sweeps_kept_max,
    /// How long that lasts.
    sweep_kept_ms_max,
    /// The bytes of one answer's messages.
    answer_bytes_max,
    /// A lease's length.
    visibility_timeout_ms_max,
    /// A delay.
    delay_ms_max,
    /// A time to live.
    ttl_ms_max,
    /// A dedup window.
    dedup_window_ms_max,
    /// Entries of one page of a listing.
    list_limit_max,
    /// Retries.
    max_retries_max,
    /// A rate limit's messages a period, and at once.
    rate_limit_requests_max,
    /// A backoff's growth a failed attempt.
    backoff_multiplier_max,
    /// Fairness keys that have a weight.
    fairness_weights_max,
    /// A fairness key's weight.
    fairness_weight_max,
    /// A queue's bound on its messages.
    queue_messages_max,
    /// How long dead messages and results are kept.
    retention_ms_max,
    /// A group member's session.
    session_timeout_ms_max,
    /// Consumer groups of a queue beside `default`.
    groups_max,
    /// Members of a consumer group.
    members_max,
}

impl Limits {
    /// True for the name of a queue.
    pub(super) fn is_queue_name(&self, name: &str) -> bool {
        name.len() as u64 <= self.queue_name_bytes_max && names::is_queue_name(name)
    }

    /// What a queue's name must be, in a sentence.
    pub(super) fn queue_name_rule(&self) -> String {
        self.name_rule("a queue name")
    }

    /// Groups are named like queues.
    pub(super) fn name_rule(&self, of: &str) -> String {
        let rest = self.queue_name_bytes_max.saturating_sub(1);
        format!(
            "{of} is a letter or digit, then up to {rest} letters, digits, dots, underscores and dashes"
        )
    }
}
