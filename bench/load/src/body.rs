//! The bodies of requests. Plain ones are made once and sent again and again. With `--features on` each message has a
//! priority and a dedup id of its own, and the ids are written over the last request's, so that making them costs the
//! generator next to nothing.

use std::time::{SystemTime, UNIX_EPOCH};

/// Digits of a dedup id: of the clock when the generator started, then of a count.
const DIGITS: usize = 20;
const PRIORITIES: usize = 10;

/// A complete request, and where its dedup ids are.
pub struct Request {
    bytes: Vec<u8>,
    ids_at: Vec<usize>,
    next_id: [u8; DIGITS],
    step: usize,
}

/// One message as JSON; `number` is its place in the batch.
pub fn message(payload: &str, features: bool, number: usize) -> String {
    if features {
        let (priority, id) = (number % PRIORITIES, "#".repeat(DIGITS));
        format!("{{\"payload\":{payload},\"priority\":{priority},\"dedupId\":\"{id}\"}}")
    } else {
        format!("{{\"payload\":{payload}}}")
    }
}

impl Request {
    /// Of its bytes. Worker `number` of `workers` takes every `workers`th id, so that no two take the same.
    pub fn new(bytes: Vec<u8>, number: usize, workers: usize) -> Request {
        let placeholder = "#".repeat(DIGITS).into_bytes();
        let ids_at = (0..bytes.len().saturating_sub(DIGITS))
            .filter(|&at| bytes[at] == b'#' && bytes[at..].starts_with(&placeholder))
            .collect();
        let started = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock after 1970");
        let mut next_id = [b'0'; DIGITS];
        add(&mut next_id, started.as_micros() as usize * 1000 + number);
        Request {
            bytes,
            ids_at,
            next_id,
            step: workers,
        }
    }

    /// The bytes to send next: ids that were never sent.
    pub fn next(&mut self) -> &[u8] {
        for &at in &self.ids_at {
            self.bytes[at..at + DIGITS].copy_from_slice(&self.next_id);
            add(&mut self.next_id, self.step);
        }
        &self.bytes
    }
}

/// Adds to a number of decimal digits: most additions change one or two of them.
fn add(digits: &mut [u8; DIGITS], number: usize) {
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        if rest == 0 {
            break;
        }
        let sum = rest + usize::from(*digit - b'0');
        *digit = b'0' + (sum % 10) as u8;
        rest = sum / 10;
    }
}

#[cfg(test)]
mod tests {
    use super::{DIGITS, Request, add, message};

    fn ids(bytes: &[u8]) -> Vec<String> {
        let text = std::str::from_utf8(bytes).expect("text");
        crate::fields::strings(text.as_bytes(), "dedupId")
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn no_id_is_sent_twice() {
        let body = [message("1", true, 0), message("2", true, 1)].join(",");
        let mut workers = [0, 1].map(|number| Request::new(body.clone().into_bytes(), number, 2));
        let mut seen: Vec<String> = (0..100)
            .flat_map(|round| ids(workers[round % 2].next()))
            .collect();
        assert!(seen.iter().all(|id| id.len() == DIGITS));
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 200);
    }

    #[test]
    fn digits_carry() {
        let mut digits = *b"00000000000000000998";
        add(&mut digits, 8);
        add(&mut digits, 1_000_000);
        assert_eq!(&digits, b"00000000000001001006");
    }

    #[test]
    fn a_plain_request_stays_as_it_is() {
        let body = message("1", false, 7).into_bytes();
        assert_eq!(Request::new(body.clone(), 0, 1).next(), body);
    }
}
