//! Who sent what, and in which order it came back. Each sender numbers its messages from 0; a message says its sender
//! and its number at the beginning of its payload. First in, first out means that a receiver sees each sender's numbers
//! ascend, and that nobody sees a number while a much earlier one waits.

use std::collections::HashMap;

/// What a payload begins with: sender, number.
pub fn stamp(sender: usize, number: u64) -> String {
    format!("{sender}:{number}:")
}

fn stamped(payload: &str) -> Option<(usize, u64)> {
    let mut parts = payload.split(':');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The numbers of one sender.
#[derive(Default)]
struct Sender {
    received: Vec<u64>,
    first_missing: u64,
}

impl Sender {
    /// Whether `number` is received now for the first time.
    fn receive(&mut self, number: u64) -> bool {
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        if self.received.len() <= word {
            self.received.resize(word + 1, 0);
        }
        let is_new = self.received[word] & bit == 0;
        self.received[word] |= bit;
        while self.has(self.first_missing) {
            self.first_missing += 1;
        }
        is_new
    }

    fn has(&self, number: u64) -> bool {
        let word = self.received.get((number / 64) as usize);
        word.is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    fn count(&self) -> u64 {
        self.received
            .iter()
            .map(|word| u64::from(word.count_ones()))
            .sum()
    }
}

/// Of one run.
#[derive(Default)]
pub struct Ledger {
    senders: Vec<Sender>,
    last: HashMap<(usize, usize), u64>,
    /// Messages that were acknowledged, whoever sent them.
    pub sent: u64,
    /// Payloads that came a second time.
    pub twice: u64,
    /// Payloads that came to a receiver after a later one of the same sender.
    pub out_of_order: u64,
    /// Payloads that nobody sent, or not in this length.
    pub strange: u64,
    /// How far a number was ahead of the first one of its sender that was still missing, at most.
    pub ahead_max: u64,
}

impl Ledger {
    /// Of `sent` messages that were acknowledged.
    pub fn of(sent: u64) -> Ledger {
        Ledger {
            sent,
            ..Ledger::default()
        }
    }

    /// `receiver` was given `payload`, which should have `length` characters.
    pub fn received(&mut self, receiver: usize, payload: &str, length: usize) {
        let Some((sender, number)) = stamped(payload).filter(|_| payload.len() == length) else {
            self.strange += 1;
            return;
        };
        let of = self.sender(sender);
        let ahead = number.saturating_sub(of.first_missing);
        let is_new = of.receive(number);
        self.ahead_max = self.ahead_max.max(ahead);
        self.twice += u64::from(!is_new);
        let last = self.last.insert((receiver, sender), number);
        self.out_of_order += u64::from(last.is_some_and(|last| last >= number));
    }

    /// Acknowledged, and never received.
    pub fn lost(&self) -> u64 {
        let received = self.senders.iter().map(Sender::count).sum();
        self.sent.saturating_sub(received)
    }

    fn sender(&mut self, sender: usize) -> &mut Sender {
        if self.senders.len() <= sender {
            self.senders.resize_with(sender + 1, Sender::default);
        }
        &mut self.senders[sender]
    }
}

#[cfg(test)]
mod tests {
    use super::{Ledger, stamp};

    fn receiving(numbers: &[u64]) -> Ledger {
        let mut ledger = Ledger::of(4);
        for number in numbers {
            let payload = stamp(0, *number);
            ledger.received(7, &payload, payload.len());
        }
        ledger
    }

    #[test]
    fn what_came_once_each_in_order_is_good() {
        let ledger = receiving(&[0, 1, 2, 3]);
        assert_eq!(
            (ledger.lost(), ledger.twice, ledger.out_of_order),
            (0, 0, 0)
        );
        assert_eq!((ledger.strange, ledger.ahead_max), (0, 0));
    }

    #[test]
    fn what_is_missing_or_comes_twice_or_too_early_is_counted() {
        let ledger = receiving(&[0, 3, 1, 1]);
        assert_eq!(
            (ledger.lost(), ledger.twice, ledger.out_of_order),
            (1, 1, 2)
        );
        assert_eq!(ledger.ahead_max, 2);
    }

    #[test]
    fn what_nobody_sent_is_strange() {
        let mut ledger = Ledger::default();
        ledger.received(0, "x", 1);
        ledger.received(0, "0:1:", 5);
        assert_eq!(ledger.strange, 2);
    }
}
