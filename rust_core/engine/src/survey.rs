//! Looking for what must be moved before the journal's beginning can go: blobs that lie before some LSN and that the
//! state refers to. One pass over all there is, a bounded part a step; the first ones are kept, in order of where they
//! lie, so that those who read them read each batch once. Volatile: whoever takes over looks again.

use std::collections::BTreeMap;

use crate::ids::{Location, MessageId, Part};
use crate::message::{Flag, NONE, Place};
use crate::reply::Survivor;
use crate::state::State;

/// Survivors that one pass finds.
const FOUND_MAX: usize = 1 << 17;

/// Slots, or results, looked at in one step: well below a millisecond.
const LOOKED_AT_MAX: u32 = 1 << 13;

/// Survivors of one page, the batches they lie in, which are read whole, and their bytes: with its records it must fit
/// into a batch, for which a nats-server has a megabyte at the least.
const PAGE_MAX: usize = 1024;
const PAGE_BATCHES_MAX: usize = 16;
const PAGE_BYTES_MAX: u64 = 1 << 19;

/// See the module.
pub(crate) struct Survey {
    /// What lies here or later is not looked for.
    before_lsn: u64,
    slot: u32,
    /// Results up to this number were looked at; None: slots come first.
    result: Option<u64>,
    looked: bool,
    found: BTreeMap<(u64, u32), Survivor>,
}

impl Survey {
    pub fn new(before_lsn: u64) -> Self {
        Survey {
            before_lsn,
            slot: 0,
            result: None,
            looked: false,
            found: BTreeMap::new(),
        }
    }

    /// Looks at the next part; true: there is more to look at.
    pub fn look(&mut self, state: &State) -> bool {
        if self.looked {
            return false;
        }
        match self.result {
            None => self.look_at_slots(state),
            Some(after) => self.look_at_results(state, after),
        }
        true
    }

    fn look_at_slots(&mut self, state: &State) {
        let end = self
            .slot
            .saturating_add(LOOKED_AT_MAX)
            .min(state.messages.slots());
        for slot in self.slot..end {
            state.slot_locations(slot, |part, at, _| {
                self.see(part, state.messages.id(slot), at);
            });
        }
        self.slot = end;
        if end == state.messages.slots() {
            self.result = Some(0);
        }
    }

    fn look_at_results(&mut self, state: &State, after: u64) {
        let mut results = state.results.done.after(after);
        for _ in 0..LOOKED_AT_MAX {
            let Some((number, done)) = results.next() else {
                self.looked = true;
                return;
            };
            let slot = done.slot;
            self.see(Part::Result, MessageId { number, slot }, done.result);
            self.result = Some(number);
        }
    }

    fn see(&mut self, part: Part, message: MessageId, at: Location) {
        if at.lsn >= self.before_lsn {
            return;
        }
        let survivor = Survivor { message, part, at };
        self.found.insert((at.lsn, at.offset), survivor);
        if self.found.len() > FOUND_MAX {
            let ((lsn, _), _) = self.found.pop_last().expect("it was just filled");
            self.before_lsn = lsn;
            self.found.split_off(&(lsn, 0));
        }
    }

    /// Nothing that lies before this LSN is needed any more: none of it is to be moved.
    pub fn forget_before(&mut self, lsn: u64) {
        self.found = self.found.split_off(&(lsn, 0));
        self.looked |= self.before_lsn <= lsn;
    }

    /// All it looked for was found, and handed out.
    pub fn is_over(&self) -> bool {
        self.looked && self.found.is_empty()
    }

    /// What lies before this batch is not all looked for: another one finds more.
    pub fn is_of_before(&self, lsn: u64) -> bool {
        self.before_lsn < lsn
    }

    /// The next ones, in order; none: that was all.
    pub fn page(&mut self) -> Vec<Survivor> {
        let (mut page, mut batches, mut bytes, mut last) = (Vec::new(), 0, 0, 0);
        while let Some(next) = self.found.first_entry() {
            let at = next.get().at;
            batches += usize::from(at.lsn != last);
            last = at.lsn;
            bytes += u64::from(at.length);
            let fits =
                page.len() < PAGE_MAX && batches <= PAGE_BATCHES_MAX && bytes <= PAGE_BYTES_MAX;
            if !fits && !page.is_empty() {
                break;
            }
            page.push(next.remove());
        }
        page
    }
}

impl State {
    /// Each place in the journal that the state refers to, and whether its bytes count: what copies of a message share
    /// counts once.
    pub fn locations(&self, mut each: impl FnMut(Location, bool)) {
        for slot in 0..self.messages.slots() {
            self.slot_locations(slot, |_, at, counts| each(at, counts));
        }
        for (_, done) in self.results.done.iter() {
            each(done.result, true);
        }
    }

    /// No blob before this batch is needed; the last one stays.
    pub fn oldest_live_lsn(&self) -> u64 {
        let oldest_lsn = self.live.oldest_lsn().unwrap_or(self.lsn);
        oldest_lsn.min(self.lsn)
    }

    /// The first batch that the state refers to; the one after the last if it refers to none. Looks at all of it.
    pub fn first_needed_lsn(&self) -> u64 {
        let mut first = self.lsn + 1;
        self.locations(|at, _| first = first.min(at.lsn));
        first
    }

    /// Those that the message in `slot` refers to.
    pub fn slot_locations(&self, slot: u32, mut each: impl FnMut(Part, Location, bool)) {
        let message = &self.messages[slot];
        if message.place() == Place::Free {
            return;
        }
        let before = || self.copy_slots(slot).take_while(move |&copy| copy != slot);
        each(
            Part::Envelope,
            message.envelope(),
            before().next().is_none(),
        );
        if message.has(Flag::Failed) || message.has(Flag::Died) {
            for at in self.errors(slot).into_iter().filter(|at| at.lsn > 0) {
                let is_first = !before().any(|copy| self.errors(copy).contains(&at));
                each(Part::Error, at, is_first);
            }
        }
    }

    /// Where the copies lie that groups hold of the message in `slot`, itself among them; none: it has no copies.
    fn copy_slots(&self, slot: u32) -> impl Iterator<Item = u32> + '_ {
        let copied = self.copies.find(self.messages[slot].number()).into_iter();
        let slots = copied.flat_map(|copied| copied.copies.iter().map(|copy| copy.slot));
        slots.filter(|&slot| slot != NONE)
    }

    /// Whether another copy has this text as well: then it counts there.
    fn is_shared(&self, slot: u32, at: Location) -> bool {
        let mut others = self.copy_slots(slot).filter(|&copy| copy != slot);
        others.any(|copy| self.errors(copy).contains(&at))
    }

    /// Where the texts of a message's last failure and of its death lie: each once.
    pub fn errors(&self, slot: u32) -> [Location; 2] {
        let message = &self.messages[slot];
        let failed = self.history.failures(slot, message);
        let died = self.history.death(slot, message);
        let died = died.and_then(|death| death.failures);
        let [failed, died] = [failed, died].map(|one| one.map(|one| one.error).unwrap_or_default());
        [
            failed,
            if died == failed {
                Location::default()
            } else {
                died
            },
        ]
    }

    /// Errors of this message are about to change.
    pub fn let_go_of_errors(&mut self, slot: u32) {
        for at in self.errors(slot) {
            let counts = !self.is_shared(slot, at);
            self.live.drop(at, counts);
        }
    }

    /// Errors of this message are as they will be.
    pub fn hold_errors(&mut self, slot: u32) {
        for at in self.errors(slot) {
            let counts = !self.is_shared(slot, at);
            self.live.take(at, counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Blob, Command, Move, Nack};
    use crate::config::QueueConfig;
    use crate::ids::LeaseId;
    use crate::twin::{SECOND, Twin, ack, config, message, nack};

    fn failed(lease: LeaseId, length: u32) -> Command {
        let error = Some(Blob { index: 0, length });
        Command::Nack(Nack {
            error,
            ..nack(lease)
        })
    }

    #[test]
    fn the_text_of_an_error_counts_once_for_all_copies_of_the_message_that_have_it() {
        let mut twin = Twin::new();
        let dying = QueueConfig {
            max_retries: 0,
            dead_letter_queue: Some("letters".into()),
            ..config()
        };
        twin.create("q", dying);
        twin.create("letters", config());
        twin.create_group("letters", "other");
        twin.enqueue("q", message());
        let envelope_bytes = twin.live.live_bytes();
        let error_bytes = |twin: &Twin| twin.live.live_bytes() - envelope_bytes;
        let lease = twin.receive("q", 1)[0].lease;
        twin.ask(failed(lease, 30));
        assert_eq!(error_bytes(&twin), 30);
        let lease = twin.receive_for("letters", "other", 1)[0].lease;
        twin.ask(failed(lease, 50));
        assert_eq!(error_bytes(&twin), 80, "the group's own one");
        let death = twin.live.state().errors(lease.message.slot)[1];
        let survivor = Survivor {
            message: lease.message,
            part: Part::Error,
            at: death,
        };
        let blob = Blob {
            index: 0,
            length: 30,
        };
        let moves = vec![Move { survivor, blob }];
        twin.ask(Command::Move { moves });
        assert_eq!(error_bytes(&twin), 80);
        let held = twin.receive("letters", 1)[0].lease;
        twin.ask(ack(held));
        assert_eq!(error_bytes(&twin), 80, "the other group has it still");
        let held = twin.wait(60 * SECOND).receive_for("letters", "other", 1)[0].lease;
        twin.ask(ack(held));
        assert_eq!(twin.live.live_bytes(), 0);
    }

    #[test]
    fn the_first_ones_are_kept_in_whichever_order_they_are_seen() {
        let count = 2 * FOUND_MAX as u64;
        let all = |lsns: &mut dyn Iterator<Item = u64>| {
            let mut survey = Survey::new(u64::MAX);
            for lsn in lsns {
                seen(&mut survey, lsn, 60, 9);
            }
            survey.found.keys().map(|&(lsn, _)| lsn).collect::<Vec<_>>()
        };
        let first: Vec<u64> = (1..=FOUND_MAX as u64).collect();
        assert_eq!(all(&mut (1..=count)), first);
        assert_eq!(all(&mut (1..=count).rev()), first);
    }

    fn seen(survey: &mut Survey, lsn: u64, offset: u32, length: u32) {
        let message = MessageId { number: 1, slot: 0 };
        let at = Location {
            lsn,
            offset,
            length,
        };
        survey.see(Part::Envelope, message, at);
    }

    #[test]
    fn of_too_many_survivors_the_last_batches_wait_for_another_pass_whole() {
        let mut survey = Survey::new(1 << 40);
        seen(&mut survey, 1 << 30, 0, 9);
        seen(&mut survey, 1 << 30, 9, 9);
        (1..FOUND_MAX as u64).for_each(|lsn| seen(&mut survey, lsn, 0, 9));
        assert_eq!(survey.found.len(), FOUND_MAX - 1);
        seen(&mut survey, 1 << 30, 18, 9);
        seen(&mut survey, 1 << 29, 0, 9);
        let lsns = survey.found.keys().map(|(lsn, _)| *lsn);
        assert!(lsns.eq((1..FOUND_MAX as u64).chain([1 << 29])));
    }

    #[test]
    fn a_page_is_bounded_in_survivors_batches_and_bytes_and_has_one_at_least() {
        let page = |places: &[(u64, u32, u32)]| {
            let mut survey = Survey::new(1 << 40);
            for &(lsn, offset, length) in places {
                seen(&mut survey, lsn, offset, length);
            }
            let pages = std::iter::from_fn(|| Some(survey.page()).filter(|page| !page.is_empty()));
            pages.map(|page| page.len()).collect::<Vec<_>>()
        };
        let one_batch: Vec<_> = (0..PAGE_MAX as u32 + 44)
            .map(|offset| (1, offset, 1))
            .collect();
        assert_eq!(page(&one_batch), [PAGE_MAX, 44]);
        let batches: Vec<_> = (1..=PAGE_BATCHES_MAX as u64 + 4)
            .map(|lsn| (lsn, 0, 1))
            .collect();
        assert_eq!(page(&batches), [PAGE_BATCHES_MAX, 4]);
        let half = PAGE_BYTES_MAX as u32 / 2;
        assert_eq!(page(&[(1, 0, half), (1, half, half), (2, 0, 1)]), [2, 1]);
        let large = PAGE_BYTES_MAX as u32 + 1;
        assert_eq!(page(&[(1, 0, large), (2, 0, large)]), [1, 1]);
    }
}
