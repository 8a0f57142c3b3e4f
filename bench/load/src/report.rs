//! What a run measured, as one line of JSON.

use std::time::Duration;

use crate::ledger::Ledger;

/// One worker's observations; workers are added up at the end.
#[derive(Default)]
pub struct Tally {
    /// Requests answered as hoped for.
    pub requests: u64,
    /// Requests answered otherwise, or not at all.
    pub errors: u64,
    /// Messages those requests stood for.
    pub messages: u64,
    /// Microseconds of each request.
    pub latencies_us: Vec<u32>,
    /// Ids the server acknowledged (enqueue) or handed out and settled (drain).
    pub ids: Vec<String>,
    /// How far a message came ahead of the first of its sender that was missing, at most.
    pub ahead_max: u64,
    /// The first unexpected answer, for people.
    pub first_error: Option<String>,
}

impl Tally {
    /// Counts one request.
    pub fn count(&mut self, taken: Duration, messages: u64) {
        self.requests += 1;
        self.messages += messages;
        self.latencies_us
            .push(taken.as_micros().min(u32::MAX as u128) as u32);
    }

    /// Counts one failure and keeps the first one's text.
    pub fn fail(&mut self, detail: String) {
        self.errors += 1;
        self.first_error.get_or_insert(detail);
    }

    /// Counts an answer that was not hoped for.
    pub fn unexpected(&mut self, what: &str, status: u16, body: &[u8]) {
        self.fail(format!("{what} {status} {}", String::from_utf8_lossy(body)));
    }

    /// What the ledger shows to be wrong is a failure.
    pub fn balance(&mut self, ledger: &Ledger) {
        self.ahead_max = ledger.ahead_max;
        let wrong = [
            ("lost", ledger.lost()),
            ("received twice", ledger.twice),
            ("out of order", ledger.out_of_order),
            ("not as they were sent", ledger.strange),
        ];
        for (what, count) in wrong.iter().filter(|(_, count)| *count > 0) {
            self.fail(format!("{count} of {} messages {what}", ledger.sent));
        }
    }

    /// Adds another worker's observations.
    pub fn add(&mut self, mut other: Tally) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.messages += other.messages;
        self.latencies_us.append(&mut other.latencies_us);
        self.ids.append(&mut other.ids);
        if self.first_error.is_none() {
            self.first_error = other.first_error;
        }
    }

    /// One line of JSON.
    pub fn json(&mut self, seconds: f64) -> String {
        self.latencies_us.sort_unstable();
        format!(
            "{{\"requests\": {}, \"errors\": {}, \"messages\": {}, \"seconds\": {seconds:.3}, \
             \"messages_per_second\": {:.1}, \"p50_ms\": {:.3}, \"p99_ms\": {:.3}, \"ahead_max\": {}, \
             \"first_error\": \"{}\"}}",
            self.requests,
            self.errors,
            self.messages,
            self.messages as f64 / seconds,
            self.percentile_ms(0.50),
            self.percentile_ms(0.99),
            self.ahead_max,
            self.first_error
                .as_deref()
                .unwrap_or("")
                .replace(['"', '\\', '\n', '\r'], "'"),
        )
    }

    fn percentile_ms(&self, share: f64) -> f64 {
        let last = self.latencies_us.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        f64::from(self.latencies_us.get(at).copied().unwrap_or(0)) / 1000.0
    }
}
