//! Applies that a blob was written again, at the journal's end: whoever refers to it refers to the new place.

use crate::ids::{Location, MessageId, Part};
use crate::message::{Flag, NONE};
use crate::state::State;

impl State {
    pub(super) fn moved(&mut self, id: MessageId, part: Part, from: Location, blob_bytes: u32) {
        let to = self.cursor.take(blob_bytes);
        let moved = match part {
            Part::Envelope => self.move_envelope(id, from, to),
            Part::Error => self.move_error(id, from, to),
            Part::Result => self.move_result(id, from, to),
        };
        assert!(moved, "a blob is moved that is not there");
    }

    /// All copies of a message share it.
    fn slots_of(&self, id: MessageId) -> Vec<u32> {
        let slot = self.slot(id);
        match self.copies.find(id.number) {
            Some(copied) => {
                let slots = copied.copies.iter().map(|copy| copy.slot);
                slots.filter(|&slot| slot != NONE).collect()
            }
            None => vec![slot],
        }
    }

    fn move_envelope(&mut self, id: MessageId, from: Location, to: Location) -> bool {
        let mut moved = false;
        for slot in self.slots_of(id) {
            assert_eq!(
                self.messages[slot].envelope(),
                from,
                "a copy lies elsewhere"
            );
            self.live.shift(from, to, !moved);
            self.messages[slot].set_envelope(to);
            self.messages[slot].set(Flag::Moved, true);
            moved = true;
        }
        moved
    }

    fn move_error(&mut self, id: MessageId, from: Location, to: Location) -> bool {
        let mut moved = false;
        for slot in self.slots_of(id) {
            if !self.errors(slot).contains(&from) {
                continue;
            }
            self.let_go_of_errors(slot);
            self.history.move_error(slot, from, to);
            self.hold_errors(slot);
            moved = true;
        }
        moved
    }

    fn move_result(&mut self, id: MessageId, from: Location, to: Location) -> bool {
        let Some(done) = self.results.done.get_mut(id.number) else {
            return false;
        };
        let moved = done.result == from;
        done.result = to;
        self.live.shift(from, to, true);
        moved
    }
}
