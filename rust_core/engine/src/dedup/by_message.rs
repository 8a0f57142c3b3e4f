//! Which dedup id a message was accepted under. Asked for only when messages are taken away that the journal lost: so it
//! is made then, of ids with a window, and let go of behind. The others leave with their messages.

use super::{Dedup, Ids};

/// Message numbers and places of ids, in order.
pub(crate) struct ByMessage(Box<[(u64, u32)]>);

impl ByMessage {
    fn new(ids: &Ids) -> Self {
        let places = 0..ids.entries.len() as u32;
        let windowed = places.filter(|&place| ids[place].number > 0 && !ids[place].is_until_done());
        let mut all: Vec<(u64, u32)> = windowed.map(|place| (ids[place].number, place)).collect();
        all.sort_unstable();
        ByMessage(all.into())
    }

    fn place(&self, number: u64) -> Option<u32> {
        let at = self.0.binary_search_by_key(&number, |&(number, _)| number);
        at.ok().map(|at| self.0[at].1)
    }
}

impl Dedup {
    /// From here on `key_of` can be asked, about ids that are remembered now.
    pub fn sort_by_message(&mut self) {
        if self.by_message.is_none() {
            self.by_message = Some(ByMessage::new(&self.ids));
        }
    }

    /// `key_of` is not asked any more.
    pub fn let_go_of_messages(&mut self) {
        self.by_message = None;
    }

    /// The key under which whoever asks finds the message of that number, as long as its window lasts.
    pub fn key_of(&self, number: u64) -> Option<u128> {
        let place = self.by_message.as_ref()?.place(number)?;
        let id = &self.ids[place];
        let is_found = id.number == number && self.place(id.key()) == Some(place);
        is_found.then(|| id.key())
    }
}
