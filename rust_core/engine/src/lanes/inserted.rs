//! Messages that go to a place among others of their lane: those that are assigned anew, or change their level.

use super::Lanes;
use crate::flows::Flows;
use crate::message::Place;
use crate::slab::Slab;

/// Messages that one passes on its way to its place.
pub(crate) const PASSED_MAX: usize = 1000;

/// Where the last message was inserted: those of one round come in order, so the next one goes right behind it, mostly.
#[derive(Clone, Copy, Default)]
pub(super) struct Mark {
    round: u64,
    lane: u32,
    slot: u32,
    /// Since when it waits, before it was put behind others.
    at_ms: u64,
    /// How many of its lane stand behind it.
    behind: usize,
}

impl Lanes {
    /// Among those of its lane by since when it waits. Where too many came later it is put before the last of them,
    /// as if it had come with them. In one `round`, other than 0, nothing else happens to the lane.
    pub fn insert(&mut self, slab: &mut Slab, flows: &mut Flows, slot: u32, round: u64) {
        let at_ms = slab[slot].at_ms();
        let lane = self.find(slab[slot].flow);
        let Some(lane) = lane.filter(|&lane| self.lanes[lane as usize].since_ms <= at_ms) else {
            return self.push_front(slab, flows, slot);
        };
        let (before, behind) = self.place(slab, lane, at_ms, round);
        self.mark = Mark {
            round,
            lane,
            slot,
            at_ms,
            behind,
        };
        let at_ms = at_ms.max(slab[before].at_ms());
        slab[slot].set_place(Place::Ready, at_ms);
        let list = &mut self.lanes[lane as usize].list;
        list.insert_after(slab, before, slot);
    }

    /// After which message of its lane one goes that waits since then, and how many stand behind that.
    fn place(&self, slab: &Slab, lane: u32, at_ms: u64, round: u64) -> (u32, usize) {
        let mark = self.mark;
        let goes_on = round > 0 && (mark.round, mark.lane) == (round, lane);
        if goes_on && mark.at_ms <= at_ms {
            let (mut before, mut behind) = (mark.slot, mark.behind);
            while behind > 0 && slab[slab[before].next].at_ms() <= at_ms {
                before = slab[before].next;
                behind -= 1;
            }
            return (before, behind);
        }
        let (mut before, mut behind) = (self.lanes[lane as usize].list.tail, 0);
        while behind < PASSED_MAX && slab[before].at_ms() > at_ms {
            before = slab[before].previous;
            behind += 1;
        }
        (before, behind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Location, QueueNumber};
    use crate::message::Message;
    use crate::segmented::mix;

    /// The lane when those were there and these are inserted: slots, and since when they wait.
    fn lane(there: &[u64], inserted: &[u64], round: u64) -> Vec<(u32, u64)> {
        let (mut slab, mut flows, mut lanes) = (Slab::new(), Flows::new(), Lanes::new());
        for (slot, &since_ms) in (0_u32..).zip(there.iter().chain(inserted)) {
            let number = u64::from(slot) + 1;
            let mut message = Message::new(number, QueueNumber(0), 1, Location::default());
            message.set_place(Place::Ready, since_ms);
            slab.insert(slot, message);
            if (slot as usize) < there.len() {
                lanes.push_back(&mut slab, &mut flows, slot);
            } else {
                lanes.insert(&mut slab, &mut flows, slot, round);
            }
        }
        let slots = lanes.iter(&slab);
        slots.map(|slot| (slot, slab[slot].at_ms())).collect()
    }

    #[test]
    fn a_round_puts_each_where_it_would_go_by_itself() {
        let counts = [0, 1, 40, PASSED_MAX as u64, PASSED_MAX as u64 + 70];
        for case in 0..60_u64 {
            let draw = |at: u64, below: u64| mix(mix(case) ^ at) % below;
            let count = counts[case as usize % counts.len()];
            let mut there: Vec<u64> = (0..count).map(|at| 300 + draw(at, 700)).collect();
            there.sort_unstable();
            let mut inserted: Vec<u64> = (0..200).map(|at| draw(!at, 1000)).collect();
            // Of retired lists one may begin anew.
            let (one, other) = inserted.split_at_mut(draw(0, 200) as usize);
            one.sort_unstable();
            other.sort_unstable();
            let by_themselves = lane(&there, &inserted, 0);
            assert!(by_themselves.is_sorted_by_key(|&(_, since_ms)| since_ms));
            assert_eq!(lane(&there, &inserted, 1), by_themselves, "case {case}");
        }
    }
}
