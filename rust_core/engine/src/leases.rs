//! The leases there are: until when each lasts, and who holds it. Who does decides nothing.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::ops::Range;

use crate::message::INSTANT_MS_MAX;
use crate::sparse::Sparse;

/// Tells the members of a group apart, and who left and held messages.
pub(crate) type Holder = u16;

/// Of what nobody holds, or who is no member.
pub(crate) const NOBODY: Holder = 0;

/// Its end in the 48 high bits, its holder in the low ones.
#[derive(Clone, Copy)]
struct Lease(NonZeroU64);

impl Lease {
    fn new(until_ms: u64, holder: Holder) -> Self {
        let until_ms = until_ms.clamp(1, INSTANT_MS_MAX);
        let lease = NonZeroU64::new(until_ms << 16 | u64::from(holder));
        Lease(lease.expect("it ends after 1970"))
    }

    fn until_ms(self) -> u64 {
        self.0.get() >> 16
    }

    fn holder(self) -> Holder {
        self.0.get() as Holder
    }
}

/// See the module.
pub(crate) struct Leases {
    of: Sparse<Lease>,
    /// Slots that the checkpoint under way has yet to take, and the ends of their leases when it began, where another
    /// came or it ended.
    awaited: Range<u32>,
    kept: BTreeMap<u32, u64>,
}

impl Leases {
    pub fn new() -> Self {
        Leases {
            of: Sparse::new(),
            awaited: 0..0,
            kept: BTreeMap::new(),
        }
    }

    /// When the lease of the message in a slot ends, if that is leased.
    pub fn until_ms(&self, slot: u32) -> Option<u64> {
        self.of.get(slot).map(Lease::until_ms)
    }

    /// Who holds the message in a slot.
    pub fn holder(&self, slot: u32) -> Holder {
        self.of.get(slot).map_or(NOBODY, Lease::holder)
    }

    pub fn begin(&mut self, slot: u32, until_ms: u64, holder: Holder) {
        self.keep(slot);
        let earlier = self.of.insert(slot, Lease::new(until_ms, holder));
        assert!(earlier.is_none(), "a message is leased twice");
    }

    /// It lasts until then, whoever holds it.
    pub fn extend(&mut self, slot: u32, until_ms: u64) {
        self.keep(slot);
        let lease = self.of.get_mut(slot).expect("only a lease is extended");
        *lease = Lease::new(until_ms, lease.holder());
    }

    /// So the lease there is has a holder.
    pub fn hold(&mut self, slot: u32, holder: Holder) {
        let lease = self.of.get_mut(slot).expect("only what is leased is held");
        *lease = Lease::new(lease.until_ms(), holder);
    }

    /// Answers who held it.
    pub fn end(&mut self, slot: u32) -> Holder {
        self.keep(slot);
        let lease = self.of.remove(slot);
        lease.expect("what is leased has a lease").holder()
    }

    /// A checkpoint begins: it takes the leases of the first `slots` slots as they are now, in order.
    pub fn begin_checkpoint(&mut self, slots: u32) {
        self.awaited = 0..slots;
        self.kept.clear();
    }

    /// The checkpoint has those before `slot`.
    pub fn taken(&mut self, slot: u32) {
        self.awaited.start = slot;
        self.kept = self.kept.split_off(&slot);
    }

    /// It has all, or is given up: behind the last slots that changed there may be many more.
    pub fn end_checkpoint(&mut self) {
        self.begin_checkpoint(0);
    }

    /// When the lease of a slot ended when the checkpoint began.
    pub fn then(&self, slot: u32) -> Option<u64> {
        let kept = self.kept.get(&slot).copied();
        kept.or_else(|| self.until_ms(slot))
    }

    fn keep(&mut self, slot: u32) {
        if self.awaited.contains(&slot) && !self.kept.contains_key(&slot) {
            let until_ms = self.until_ms(slot);
            self.kept.extend(until_ms.map(|until_ms| (slot, until_ms)));
        }
    }
}

#[cfg(test)]
impl Leases {
    pub fn count(&self) -> u32 {
        self.of.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_takes_what_was_there_when_it_began_and_keeps_no_more_than_it_awaits() {
        let mut leases = Leases::new();
        (0..4).for_each(|slot| leases.begin(slot, 10, NOBODY));
        leases.begin_checkpoint(3);
        (0..4).for_each(|slot| leases.extend(slot, 20));
        (0..4).for_each(|slot| assert_eq!(leases.end(slot), NOBODY));
        let then = |leases: &Leases| [0, 1, 2, 3].map(|slot| leases.then(slot));
        assert_eq!(then(&leases), [Some(10), Some(10), Some(10), None]);
        leases.taken(2);
        leases.begin(1, 30, NOBODY);
        leases.extend(1, 40);
        assert_eq!(leases.kept, BTreeMap::from([(2, 10)]));
        leases.end_checkpoint();
        leases.end(1);
        assert_eq!(leases.kept, BTreeMap::new());
    }

    #[test]
    fn who_holds_a_message_is_known_while_its_lease_moves() {
        let mut leases = Leases::new();
        leases.begin(0, 500, NOBODY);
        leases.hold(0, Holder::MAX);
        leases.begin(50, 500, 7);
        leases.extend(50, 900);
        let known = [0, 1, 50, 9000].map(|slot| (leases.until_ms(slot), leases.holder(slot)));
        let expected = [
            (Some(500), Holder::MAX),
            (None, NOBODY),
            (Some(900), 7),
            (None, NOBODY),
        ];
        assert_eq!(known, expected);
        assert_eq!((leases.end(50), leases.end(0)), (7, Holder::MAX));
        assert_eq!(leases.until_ms(50), None);
    }

    #[test]
    fn an_end_beyond_the_latest_instant_is_that() {
        let mut leases = Leases::new();
        leases.begin(3, u64::MAX, 5);
        assert_eq!(
            (leases.until_ms(3), leases.holder(3)),
            (Some(INSTANT_MS_MAX), 5)
        );
    }
}
