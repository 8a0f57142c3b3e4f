//! What goes wrong in a plan.

use crate::plan::{Damage, Fault};
use crate::random::Random;

pub(super) fn fault(random: &mut Random) -> Fault {
    match random.below(16) {
        0..=1 => Fault::AppendLost,
        2..=3 => Fault::AckLost,
        4 => Fault::AppendLate(random.time_ms(20_000)),
        5..=6 => Fault::AckLate(random.time_ms(20_000)),
        7 => Fault::Refused,
        8..=9 => Fault::Crash(random.time_ms(20_000)),
        10 => Fault::CrashMuted(random.time_ms(20_000)),
        11..=12 => Fault::Takeover,
        13 => {
            let jump_ms = random.time_ms(3_600_000) as i64;
            Fault::ClockJump(if random.chance(50) { jump_ms } else { -jump_ms })
        }
        14 => Fault::ClockStops(random.time_ms(60_000)),
        _ => Fault::Damage(damage(random)),
    }
}

fn damage(random: &mut Random) -> Damage {
    let back = random.time_ms(16) as usize - 1;
    match random.below(10) {
        8..=9 => Damage::Rewritten { back: back + 1 },
        0..=3 => Damage::Flip {
            back,
            bit: random.below(4096) as usize,
        },
        4 => Damage::Cut {
            back,
            bytes: random.within(1, 100) as usize,
        },
        5 => Damage::Missing { back: back + 1 },
        6 => Damage::Swapped { back },
        _ => Damage::Doubled { back },
    }
}
