//! For tests: what is true of lanes after every change.

use super::Lanes;
use crate::message::NONE;
use crate::slab::Slab;

impl Lanes {
    /// Panics unless turns and ages are those of the lanes that take part, and the parked ones are `parked`.
    pub fn assert_valid(&self, slab: &Slab, mut parked: impl FnMut(u32, u64)) {
        let (mut taking_part, mut are_parked) = (0, 0);
        let open = self.keyed.len() + usize::from(self.unkeyed != NONE);
        assert_eq!(open, self.lanes.len() - self.free.len(), "open lanes");
        for (slot, lane) in (0..).zip(&self.lanes) {
            if lane.list.is_empty() {
                assert!(self.free.contains(&slot), "an empty lane is free");
                continue;
            }
            assert_eq!(
                self.find(lane.flow),
                Some(slot),
                "a lane is found by its key"
            );
            assert_eq!(
                lane.since_ms,
                slab[lane.list.head].at_ms(),
                "since when a lane waits"
            );
            let age = (lane.since_ms, slot);
            match lane.parked_until_ms {
                Some(until_ms) => {
                    parked(lane.flow, until_ms);
                    are_parked += usize::from(self.lanes.len() > 1);
                    assert!(self.lanes.len() == 1 || self.parked_ages.contains(&age));
                }
                None if self.lanes.len() > 1 => {
                    taking_part += 1;
                    assert!(
                        self.turns.contains(&(lane.pass, lane.joined, slot)),
                        "a turn"
                    );
                    assert!(self.ages.contains(&age), "an age");
                }
                None => {}
            }
        }
        assert_eq!(
            (self.turns.len(), self.ages.len(), self.parked_ages.len()),
            (taking_part, taking_part, are_parked)
        );
    }
}
