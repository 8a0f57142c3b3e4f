//! Where each slot's deadline lies in its heap. A part of the slots none of which ever had one takes no memory, so a
//! backlog that waits pays nothing for timers.

/// Slots of a part.
const PART: usize = 1024;

/// The position of what has no deadline.
pub(crate) const ABSENT: u32 = 0;

/// See the module.
#[derive(Default)]
pub(crate) struct Positions {
    parts: Vec<Option<Box<[u32; PART]>>>,
}

impl Positions {
    pub fn of(&self, slot: u32) -> u32 {
        let part = self.parts.get(slot as usize / PART);
        let part = part.and_then(Option::as_deref);
        part.map_or(ABSENT, |part| part[slot as usize % PART])
    }

    /// Sets that of a slot, which may be its first.
    pub fn begin(&mut self, slot: u32, position: u32) {
        let place = slot as usize / PART;
        if self.parts.len() <= place {
            self.parts.resize_with(place + 1, || None);
        }
        let part = self.parts[place].get_or_insert_with(|| Box::new([ABSENT; PART]));
        part[slot as usize % PART] = position;
    }

    /// Sets that of a slot that has one, or takes it away.
    pub fn set(&mut self, slot: u32, position: u32) {
        let part = self.parts[slot as usize / PART].as_deref_mut();
        part.expect("a slot's part is there")[slot as usize % PART] = position;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_parts_with_a_slot_that_had_a_deadline_are_there() {
        let mut positions = Positions::default();
        assert_eq!(positions.of(u32::MAX), ABSENT);
        positions.begin(5000, 7);
        positions.begin(5001, 8);
        positions.set(5000, 9);
        positions.set(5001, ABSENT);
        let parts = positions.parts.iter().map(Option::is_some);
        assert_eq!(
            parts.collect::<Vec<_>>(),
            [false, false, false, false, true]
        );
        assert_eq!(
            [4999, 5000, 5001, 100].map(|slot| positions.of(slot)),
            [0, 9, 0, 0]
        );
    }
}
