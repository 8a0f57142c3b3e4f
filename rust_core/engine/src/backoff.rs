//! The delay before a message's next delivery: exponential, capped, spread. Integers only, and the spread is
//! a hash of message and attempt, so every machine and every run gets the same delay.

use crate::config::Backoff;
use crate::segmented::mix;

const WHOLE: u128 = 1000;

/// Milliseconds to wait after failed attempt number `attempts` (1, 2, …) of message `number`.
pub(crate) fn delay_ms(backoff: Backoff, number: u64, attempts: u32) -> u64 {
    assert!(attempts > 0, "attempts count from 1");
    let delay = grown_ms(backoff, attempts);
    let spread = u128::from(delay) * u128::from(backoff.jitter_permille.min(1000)) / WHOLE;
    let draw = u128::from(mix(number ^ mix(u64::from(attempts))));
    delay - (draw % (spread + 1)) as u64
}

/// Grows in thousandths of a millisecond, so that a small delay grows too.
fn grown_ms(backoff: Backoff, attempts: u32) -> u64 {
    let max = u128::from(backoff.max_ms) * WHOLE;
    let mut delay = (u128::from(backoff.initial_ms) * WHOLE).min(max);
    for _ in 1..attempts {
        let next = (delay * u128::from(backoff.multiplier_permille) / WHOLE).min(max);
        if next == delay {
            break;
        }
        delay = next;
    }
    (delay / WHOLE) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const BACKOFF: Backoff = Backoff {
        initial_ms: 1000,
        multiplier_permille: 2000,
        max_ms: 600_000,
        jitter_permille: 0,
    };

    #[test]
    fn doubles_up_to_the_cap() {
        let delays: Vec<u64> = (1..=12)
            .map(|attempts| delay_ms(BACKOFF, 1, attempts))
            .collect();
        assert_eq!(delays[..4], [1000, 2000, 4000, 8000]);
        assert_eq!(delays[9..], [512_000, 600_000, 600_000]);
    }

    #[test]
    fn a_delay_of_a_millisecond_grows() {
        let small = Backoff {
            initial_ms: 1,
            multiplier_permille: 1500,
            ..BACKOFF
        };
        let delays = [1, 2, 3, 4, 20].map(|attempts| delay_ms(small, 1, attempts));
        assert_eq!(delays, [1, 1, 2, 3, 2216]);
    }

    #[test]
    fn jitter_stays_in_its_range_and_spreads() {
        let backoff = Backoff {
            jitter_permille: 200,
            ..BACKOFF
        };
        let delays: Vec<u64> = (1..=1000)
            .map(|number| delay_ms(backoff, number, 1))
            .collect();
        assert!(delays.iter().all(|delay| (800..=1000).contains(delay)));
        assert!(delays.iter().min() < Some(&820) && delays.iter().max() > Some(&980));
        assert_eq!(delay_ms(backoff, 5, 1), delays[4]);
    }

    #[test]
    fn messages_that_failed_together_do_not_come_back_together() {
        let backoff = Backoff {
            initial_ms: 600_000,
            jitter_permille: 1000,
            ..BACKOFF
        };
        for attempts in 1..=3 {
            let delays = (1..=1000).map(|number| delay_ms(backoff, number, attempts));
            assert!(delays.collect::<BTreeSet<_>>().len() > 990);
        }
        assert_ne!(delay_ms(backoff, 1, 1), delay_ms(backoff, 1, 2));
    }

    #[test]
    fn no_growth_and_no_delay_end_at_once() {
        let constant = Backoff {
            multiplier_permille: 1000,
            ..BACKOFF
        };
        assert_eq!(delay_ms(constant, 1, u32::MAX), 1000);
        assert_eq!(
            delay_ms(
                Backoff {
                    initial_ms: 0,
                    ..BACKOFF
                },
                1,
                9
            ),
            0
        );
    }
}
