//! The order in which ready messages would go to somebody, if nothing came and nothing was settled meanwhile. What a
//! receive changes while it hands out (tokens, debts, parked keys) stands still here.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::dispatch::held_until_ms;
use crate::lanes::Line;
use crate::lists::ListId;
use crate::queue::Queue;
use crate::ready::Rank;
use crate::state::State;

/// Lanes whose turn comes and that are held back: so many are passed over.
const HELD_MAX: u32 = 4096;

/// Messages in order. It ends early when too many lanes are held back.
pub(super) struct Order<'a> {
    held_left: u32,
    pub is_cut_short: bool,
    state: &'a State,
    queue: &'a Queue,
    now_ms: u64,
    levels: Vec<(u8, Line<'a>)>,
    /// Of each level that has a message left. The first of them goes.
    turns: BinaryHeap<Reverse<Turn>>,
}

/// How a level ranks, the number of its first message (of levels that rank alike the older one goes), and where it is.
type Turn = (Rank, u64, usize);

impl<'a> Order<'a> {
    /// Of what lies in these lists.
    pub fn of(
        state: &'a State,
        queue: &'a Queue,
        lists: impl Iterator<Item = ListId>,
        now_ms: u64,
    ) -> Self {
        let lists = lists.filter_map(|list| queue.lists.get(list));
        let levels: Vec<_> = lists.flat_map(|ready| ready.lines()).collect();
        let mut order = Order {
            held_left: HELD_MAX,
            is_cut_short: false,
            state,
            queue,
            now_ms,
            turns: BinaryHeap::with_capacity(levels.len()),
            levels,
        };
        (0..order.levels.len()).for_each(|at| order.take_turn(at));
        order
    }

    fn take_turn(&mut self, at: usize) {
        let (priority, line) = &mut self.levels[at];
        if let Some((since_ms, slot)) = line.oldest_ms().zip(line.front()) {
            let rank = Rank::of(self.queue.config.scheduling, since_ms, *priority);
            let number = self.state.messages[slot].number();
            self.turns.push(Reverse((rank, number, at)));
        }
    }
}

impl Iterator for Order<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let (slab, flows) = (&self.state.messages, &self.state.flows);
        let Queue {
            config, dispatch, ..
        } = self.queue;
        let now_ms = self.now_ms;
        let is_held = |flow| {
            let held = held_until_ms(config, dispatch, flow, now_ms, |flow| flows[flow]);
            held.is_some()
        };
        loop {
            let Reverse((.., at)) = self.turns.pop()?;
            let passed = self.levels[at].1.pass(slab, flows, is_held);
            self.take_turn(at);
            if passed.is_some() {
                return passed;
            }
            if self.held_left == 0 {
                self.is_cut_short = true;
                return None;
            }
            self.held_left -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Command, NewMessage};
    use crate::config::QueueConfig;
    use crate::lists::SHARED;
    use crate::twin::{Twin, config, message};

    #[test]
    fn held_lanes_are_passed_over_up_to_a_bound() {
        let mut twin = Twin::new();
        let mut one_each = QueueConfig::clone(&config());
        one_each.fairness.in_flight_max = 1;
        twin.create("q", one_each);
        let keys = u64::from(HELD_MAX) + 2;
        let keyed = |key| NewMessage {
            fairness_key: Some(key),
            ..message()
        };
        let messages: Vec<_> = (0..keys).map(keyed).collect();
        for _ in 0..2 {
            twin.step(vec![Command::Enqueue {
                queue: "q".into(),
                messages: messages.clone(),
                atomic: false,
            }]);
        }
        let held = twin.receive("q", keys as u32).len() as u64;
        assert_eq!(held, keys, "one of each key");
        let now_ms = twin.now_ms;
        let state = twin.live.state();
        let queue = state.queues.find("q").unwrap();
        let mut order = Order::of(state, queue, [SHARED].into_iter(), now_ms);
        assert_eq!((order.by_ref().count(), order.is_cut_short), (0, true));
    }

    /// Slots, in the order that is told.
    fn told(twin: &Twin) -> Vec<u32> {
        let (state, now_ms) = (twin.live.state(), twin.now_ms);
        let queue = state.queues.find("q").unwrap();
        Order::of(state, queue, [SHARED].into_iter(), now_ms).collect()
    }

    fn received(twin: &mut Twin) -> Vec<u32> {
        let delivered = twin.receive("q", 99).into_iter();
        delivered.map(|one| one.lease.message.slot).collect()
    }

    fn of_key(twin: &mut Twin, key: u64, count: usize) {
        for _ in 0..count {
            let fairness_key = Some(key);
            twin.enqueue(
                "q",
                NewMessage {
                    fairness_key,
                    ..message()
                },
            );
        }
    }

    #[test]
    fn the_order_that_is_told_is_the_one_that_a_receive_keeps() {
        let mut twin = Twin::new();
        twin.create("q", config());
        of_key(&mut twin, 1, 1);
        of_key(&mut twin, 2, 5);
        assert_eq!(twin.receive("q", 2).len(), 2);
        // Its turn is as far off as that of the other one, who was there before.
        of_key(&mut twin, 3, 4);
        let told = told(&twin);
        assert_eq!(told[..2], [2, 6]);
        assert_eq!(received(&mut twin), told);
    }

    #[test]
    fn a_key_that_is_held_back_is_passed_over() {
        let mut twin = Twin::new();
        let mut one_each = QueueConfig::clone(&config());
        one_each.fairness.in_flight_max = 1;
        twin.create("q", one_each);
        of_key(&mut twin, 1, 2);
        assert_eq!(twin.receive("q", 1).len(), 1);
        of_key(&mut twin, 2, 1);
        assert_eq!(told(&twin), [2]);
        assert_eq!(received(&mut twin), [2]);
    }
}
