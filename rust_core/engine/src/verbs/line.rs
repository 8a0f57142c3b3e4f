//! The order in which ready messages would go to somebody, if nothing came and nothing was settled meanwhile. What a
//! receive changes while it hands out (tokens, debts, parked keys) stands still here.

use crate::config::Scheduling;
use crate::dispatch::held_until_ms;
use crate::lanes::Line;
use crate::lists::ListId;
use crate::queue::Queue;
use crate::ready::Rank;
use crate::slab::Slab;
use crate::state::State;

/// Messages in order.
pub(super) struct Order<'a> {
    state: &'a State,
    queue: &'a Queue,
    now_ms: u64,
    levels: Vec<(u8, Line<'a>)>,
}

impl<'a> Order<'a> {
    /// Of what lies in these lists.
    pub fn of(
        state: &'a State,
        queue: &'a Queue,
        lists: impl Iterator<Item = ListId>,
        now_ms: u64,
    ) -> Self {
        let lists = lists.filter_map(|list| queue.lists.get(list));
        let levels = lists.flat_map(|ready| ready.lines()).collect();
        Order {
            state,
            queue,
            now_ms,
            levels,
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
        let is_held = |flow| {
            let held = held_until_ms(config, dispatch, flow, self.now_ms, |flow| flows[flow]);
            held.is_some()
        };
        loop {
            let level = first(&mut self.levels, slab, config.scheduling)?;
            if let Some(slot) = level.pass(slab, flows, is_held) {
                return Some(slot);
            }
        }
    }
}

/// The level whose turn it is; of those that rank alike, that of the older message.
fn first<'a, 'b>(
    levels: &'b mut [(u8, Line<'a>)],
    slab: &Slab,
    scheduling: Scheduling,
) -> Option<&'b mut Line<'a>> {
    let rank = |(at, (priority, line)): (usize, &mut (u8, Line<'_>))| {
        let rank = Rank::of(scheduling, line.oldest_ms()?, *priority);
        Some((rank, slab[line.front()?].number, at))
    };
    let ranks = levels.iter_mut().enumerate().filter_map(rank);
    let (_, _, at) = ranks.min()?;
    Some(&mut levels[at].1)
}
