//! The messages of a level in the order in which their turns come, if nothing comes in between and nothing is settled.
//! It moves nothing, and touches only the lanes whose turn comes.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;

use super::{COST, Lanes};
use crate::flows::Flows;
use crate::message::NONE;
use crate::slab::Slab;

/// Of a lane: pass, when it joined, and where it is.
type Turn = (u64, u64, u32);

/// See the module.
pub(crate) struct Line<'a> {
    lanes: &'a Lanes,
    /// First turns, and since when the lanes wait that have not had theirs.
    turns: Peekable<Box<dyn Iterator<Item = Turn> + 'a>>,
    ages: Peekable<Box<dyn Iterator<Item = (u64, u32)> + 'a>>,
    had: BTreeSet<u32>,
    /// Further turns, each with its message, and since when those wait.
    again: BTreeMap<Turn, u32>,
    ages_again: BTreeSet<(u64, u32)>,
    /// As `Lanes::joins`.
    joins: u64,
}

impl<'a> Line<'a> {
    pub(super) fn new(lanes: &'a Lanes) -> Self {
        let sole = lanes.sole().map(|lane| lane as u32);
        let turns = lanes.turns.iter().copied();
        let ages = lanes.ages.iter().copied();
        let turns = turns.chain(sole.map(|lane| (0, 0, lane)));
        let ages = ages.chain(sole.map(|lane| (lanes.lanes[lane as usize].since_ms, lane)));
        Line {
            lanes,
            turns: (Box::new(turns) as Box<dyn Iterator<Item = Turn>>).peekable(),
            ages: (Box::new(ages) as Box<dyn Iterator<Item = (u64, u32)>>).peekable(),
            had: BTreeSet::new(),
            again: BTreeMap::new(),
            ages_again: BTreeSet::new(),
            joins: lanes.joins,
        }
    }

    /// Since when the oldest message waits of those that are left.
    pub fn oldest_ms(&mut self) -> Option<u64> {
        let had = &self.had;
        while self.ages.next_if(|(_, lane)| had.contains(lane)).is_some() {}
        let first = self.ages.peek().map(|&(since_ms, _)| since_ms);
        let again = self.ages_again.first().map(|&(since_ms, _)| since_ms);
        first.into_iter().chain(again).min()
    }

    /// The message whose turn comes next.
    pub fn front(&mut self) -> Option<u32> {
        match self.first()? {
            (turn, None) => Some(self.lanes.lanes[turn.2 as usize].list.head),
            (_, Some(slot)) => Some(slot),
        }
    }

    /// That message goes. `is_held` says which flows' messages may not: their lanes leave the line.
    pub fn pass(
        &mut self,
        slab: &Slab,
        flows: &Flows,
        is_held: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        let slot = self.front()?;
        let (turn, again) = self.first()?;
        let lane = turn.2;
        match again {
            None => {
                self.turns.next();
                self.had.insert(lane);
            }
            Some(_) => {
                self.again.remove(&turn);
                self.ages_again.remove(&(slab[slot].at_ms(), lane));
            }
        }
        let flow = self.lanes.lanes[lane as usize].flow;
        if is_held(flow) {
            return None;
        }
        let next = slab[slot].next;
        if next != NONE {
            self.joins += 1;
            let turn = (turn.0 + COST / flows.weight(flow), self.joins, lane);
            self.again.insert(turn, next);
            self.ages_again.insert((slab[next].at_ms(), lane));
        }
        Some(slot)
    }

    /// The next turn, and its message when it is not its lane's first one.
    fn first(&mut self) -> Option<(Turn, Option<u32>)> {
        let first = self.turns.peek().copied();
        let again = self.again.first_key_value();
        match (first, again) {
            (Some(first), Some((&again, _))) if first < again => Some((first, None)),
            (_, Some((&again, &slot))) => Some((again, Some(slot))),
            (first, None) => first.map(|turn| (turn, None)),
        }
    }
}
