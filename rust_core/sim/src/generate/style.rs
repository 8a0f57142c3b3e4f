//! How a plan leans.

use crate::random::Random;

/// How a plan leans, so that plans differ from each other more than moves do.
pub(super) struct Style {
    /// The longest wait between two moves.
    pub wait_ms_max: u64,
    /// Of a hundred moves, so many are faults.
    pub faults: u64,
    /// Of a hundred messages, so many have these.
    pub keyed: u64,
    pub deduplicated: u64,
    pub delayed: u64,
    pub expiring: u64,
    /// Of a hundred receives and makings of groups, so many are of further groups.
    pub grouped: u64,
    /// Of a hundred receives, so many come from somebody with a name.
    pub named: u64,
    /// Of a hundred messages, so many have a fairness key, and queues limit them half as often.
    pub fair: u64,
    /// Of a hundred queues, so many have a bound.
    pub bounded: u64,
    /// The greatest time a setting names.
    pub time_ms_max: u64,
    /// Times that settings and waits are drawn from again and again: edges are met, and missed by a millisecond.
    pub times_ms: [u64; 3],
}

impl Style {
    pub fn drawn(random: &mut Random) -> Self {
        let time_ms_max = random.pick(&[200, 5_000, 600_000]);
        Style {
            wait_ms_max: random.pick(&[20, 2_000, 60_000, 600_000]),
            faults: random.pick(&[0, 3, 10, 25]),
            keyed: random.pick(&[0, 30, 100]),
            deduplicated: random.pick(&[0, 30, 80]),
            delayed: random.pick(&[5, 30]),
            expiring: random.pick(&[0, 10, 40]),
            grouped: random.pick(&[0, 0, 50, 80]),
            named: random.pick(&[0, 60, 90]),
            fair: random.pick(&[0, 50, 90]),
            bounded: random.pick(&[0, 30]),
            time_ms_max,
            times_ms: [(); 3].map(|()| random.time_ms(time_ms_max)),
        }
    }

    /// A bit of everything, and nothing goes wrong.
    pub fn of_everything() -> Self {
        Style {
            wait_ms_max: 20,
            faults: 0,
            keyed: 40,
            deduplicated: 40,
            delayed: 30,
            expiring: 10,
            grouped: 40,
            named: 40,
            fair: 50,
            bounded: 0,
            time_ms_max: 2_000,
            times_ms: [5, 60, 700],
        }
    }

    pub fn time_ms(&self, random: &mut Random) -> u64 {
        match random.chance(50) {
            true => random.pick(&self.times_ms),
            false => random.time_ms(self.time_ms_max),
        }
    }

    pub fn wait_ms(&self, random: &mut Random) -> u64 {
        match random.below(6) {
            0..=1 => 0,
            2..=3 => random.time_ms(self.wait_ms_max),
            _ => self.edge_ms(random),
        }
    }

    /// When one of its times is over, or a millisecond before or after.
    pub fn edge_ms(&self, random: &mut Random) -> u64 {
        random.pick(&self.times_ms) + random.below(3) - 1
    }
}
