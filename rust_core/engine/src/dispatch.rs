//! Who goes next: what a queue's limits and its fairness keys say, at a receive and when a lease ends.
//!
//! How many messages of a key are in flight follows from the records. The rest is volatile (whose turn it is, what
//! a key owes, how full the limiters of keys and consumers are): only choices depend on it, no record and no replay,
//! and after a takeover it begins anew.

use std::collections::BTreeMap;

use crate::config::{Fairness, QueueConfig, Weight};
use crate::fills::Fills;
use crate::flows::{Debt, Flow};
use crate::ids::QueueNumber;
use crate::lanes::{COST, UNTIL_DONE};
use crate::lists::ListId;
use crate::message::{LEASED_MS_MAX, NONE};
use crate::queue::Queue;
use crate::ready::{Front, Ready};
use crate::state::State;

/// A lease that took much longer than others costs at most so many times as much.
const COST_MAX: u64 = 16 * COST;

const _: () = assert!(
    COST <= u64::MAX / (256 * LEASED_MS_MAX + 256),
    "a cost fits"
);

/// What a queue remembers about what it handed out. Volatile.
pub(crate) struct Dispatch {
    /// By the key's hash.
    pub keys: Fills<u64>,
    /// By the consumer's id.
    pub consumers: Fills<Box<str>>,
    /// What the messages without a key owe.
    unkeyed: Debt,
    /// How long leases last, in 256ths of a millisecond: a running mean.
    mean: Option<u64>,
}

impl Dispatch {
    pub fn new() -> Self {
        Dispatch {
            keys: Fills::new(),
            consumers: Fills::new(),
            unkeyed: Debt::default(),
            mean: None,
        }
    }

    /// Whatever was handed out before is unknown.
    pub fn restart(&mut self, config: &QueueConfig, now_ms: u64) {
        self.keys.restart(config.key_rate_limit, now_ms);
        self.consumers.restart(config.consumer_rate_limit, now_ms);
    }

    /// Limiters that are full again need not be remembered.
    fn forget(&mut self, now_ms: u64) {
        self.keys.forget(now_ms);
        self.consumers.forget(now_ms);
    }

    /// What a lease of that length costs beside the others, in terms of [`COST`].
    fn cost(&mut self, measured_ms: u64) -> u64 {
        let measured = measured_ms.min(LEASED_MS_MAX) * 256;
        let mean = self.mean.unwrap_or(measured);
        self.mean = Some((mean * 15 + measured) / 16);
        // A millisecond more on both sides: shorter ones can't be told apart.
        let cost = COST * (measured + 256) / (mean + 256);
        cost.min(COST_MAX)
    }
}

impl State {
    /// The message of a list that goes next; see [`Ready::front`](crate::ready::Ready::front).
    pub fn front(&mut self, number: QueueNumber, list: ListId, visits: &mut u32) -> Front {
        let (now_ms, flows) = (self.cursor.now_ms, &mut self.flows);
        let Queue {
            lists,
            config,
            dispatch,
            ..
        } = self.queues.get_mut(number);
        let Some(ready) = lists.get_mut(list) else {
            return Front::Nothing;
        };
        dispatch.forget(now_ms);
        ready.front(config.scheduling, now_ms, visits, |flow| {
            let until_ms = held_until_ms(config, dispatch, flow, now_ms, |flow| flows[flow])?;
            flows[flow].waits |= until_ms == UNTIL_DONE;
            Some(until_ms)
        })
    }

    /// A message is about to go to a consumer: its key pays.
    pub fn charge(&mut self, slot: u32, consumer: &str) {
        let (message, now_ms) = (&self.messages[slot], self.cursor.now_ms);
        let list = self.list_of(slot);
        let queue = self.queues.get_mut(message.queue);
        let (flows, unkeyed) = (&mut self.flows, &mut queue.dispatch.unkeyed);
        if let Some(ready) = queue.lists.get_mut(list) {
            ready.charge(message.priority, message.flow, || match message.flow {
                NONE => unkeyed.charge(),
                flow => flows.charge(flow),
            });
        }
        let limit = queue.config.key_rate_limit;
        if let Some(limit) = limit.filter(|_| message.flow != NONE) {
            let hash = self.flows[message.flow].hash;
            queue.dispatch.keys.take(&hash, limit, now_ms);
        }
        if let Some(limit) = queue.config.consumer_rate_limit {
            queue.dispatch.consumers.take(consumer, limit, now_ms);
        }
    }

    /// Counts a lease of a key that begins.
    pub fn lease_begins(&mut self, slot: u32) {
        if self.messages[slot].flow != NONE {
            self.flows[self.messages[slot].flow].in_flight += 1;
        }
    }

    /// A lease ends, whatever ended it: its key is owed or owes what it took beside the others.
    pub fn lease_ends(&mut self, slot: u32) {
        let message = &self.messages[slot];
        let queue = self.queues.get_mut(message.queue);
        let measured_ms = self.cursor.now_ms.saturating_sub(message.since_ms());
        let cost = queue.dispatch.cost(measured_ms);
        if message.flow == NONE {
            return queue.dispatch.unkeyed.correct(cost);
        }
        let flow = &mut self.flows[message.flow];
        flow.in_flight -= 1;
        flow.debt.correct(cost);
        if std::mem::take(&mut flow.waits) {
            let (number, flow) = (message.queue, message.flow);
            let lists = queue.lists.all_mut();
            lists.for_each(|ready| ready.unpark(flow));
            self.wake(number);
        }
    }

    /// A message that is in no list gets its fairness key.
    pub fn join_flow(&mut self, slot: u32, hash: u64) {
        let number = self.messages[slot].queue;
        let fairness = &self.queues.get(number).config.fairness;
        let flow = self.flows.join(number, hash, || weight(fairness, hash));
        self.messages[slot].flow = flow;
    }

    /// Gives a fairness key of a checkpoint its share.
    pub fn weigh_flow(&mut self, flow: u32) {
        let Flow { queue, hash, .. } = self.flows[flow];
        self.flows[flow].weight = weight(&self.queues.get(queue).config.fairness, hash);
    }

    /// The fairness keys of a queue have other shares or limits from now on.
    pub fn reshare(&mut self, number: QueueNumber, before: &QueueConfig) {
        let Queue {
            config,
            dispatch,
            lists,
            ..
        } = self.queues.get_mut(number);
        let now_ms = self.cursor.now_ms;
        if config.key_rate_limit != before.key_rate_limit {
            dispatch.keys.restart(config.key_rate_limit, now_ms);
        }
        if config.consumer_rate_limit != before.consumer_rate_limit {
            let limit = config.consumer_rate_limit;
            dispatch.consumers.restart(limit, now_ms);
        }
        if config.fairness.weights != before.fairness.weights {
            let usual = before.fairness.weights.iter().map(|of| (of.hash, 1));
            let weights = config.fairness.weights.iter();
            let weights = usual.chain(weights.map(|of| (of.hash, of.weight)));
            for (hash, weight) in weights.collect::<BTreeMap<u64, u32>>() {
                let Some(flow) = self.flows.find(number, hash) else {
                    continue;
                };
                let before = std::mem::replace(&mut self.flows[flow].weight, weight);
                if before != weight {
                    let lists = lists.all_mut();
                    lists.for_each(|ready| ready.reweigh(flow, before, weight));
                }
            }
        }
        lists.all_mut().for_each(Ready::unpark_all);
    }
}

/// Until when the messages of a key may not go, if they may not.
pub(crate) fn held_until_ms(
    config: &QueueConfig,
    dispatch: &Dispatch,
    flow: u32,
    now_ms: u64,
    of: impl Fn(u32) -> Flow,
) -> Option<u64> {
    let in_flight_max = config.fairness.in_flight_max;
    if flow == NONE || (in_flight_max == 0 && config.key_rate_limit.is_none()) {
        return None;
    }
    let flow = of(flow);
    if in_flight_max > 0 && flow.in_flight >= in_flight_max {
        return Some(UNTIL_DONE);
    }
    let limit = config.key_rate_limit?;
    let retry_after_ms = dispatch.keys.of(&flow.hash).retry_after_ms(limit, now_ms);
    (retry_after_ms > 0).then(|| now_ms.saturating_add(retry_after_ms))
}

fn weight(fairness: &Fairness, hash: u64) -> u32 {
    let own = |of: &&Weight| of.hash == hash;
    fairness
        .weights
        .iter()
        .find(own)
        .map_or(1, |of| of.weight.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RateLimit;

    #[test]
    fn a_lease_costs_as_many_times_as_much_as_it_lasts_longer_than_others_and_the_mean_follows_slowly()
     {
        let mut dispatch = Dispatch::new();
        assert_eq!(
            dispatch.cost(999),
            COST,
            "the first one is what others are held against"
        );
        assert_eq!(dispatch.cost(999), COST);
        assert_eq!(dispatch.cost(1999), 2 * COST);
        // A sixteenth nearer to that: 1061.5.
        assert_eq!(dispatch.cost(2124), 2 * COST);
        let mut dispatch = Dispatch::new();
        dispatch.cost(15);
        assert_eq!(dispatch.cost(0), COST / 16);
        assert_eq!(dispatch.cost(1 << 20), COST_MAX);
        assert_eq!(dispatch.cost(u64::MAX), COST_MAX);
        let mut of_weeks = Dispatch::new();
        of_weeks.cost(u64::MAX);
        assert_eq!(of_weeks.cost(LEASED_MS_MAX), COST, "three days, or more");
    }

    #[test]
    fn limiters_that_are_full_again_are_forgotten() {
        let ten = RateLimit {
            requests: 10,
            per_ms: 1000,
            burst: 1,
        };
        let mut dispatch = Dispatch::new();
        dispatch.keys.take(&7, ten, 1000);
        dispatch.consumers.take("ann", ten, 1000);
        let len = |dispatch: &Dispatch| (dispatch.keys.len(), dispatch.consumers.len());
        dispatch.forget(1099);
        assert_eq!(len(&dispatch), (1, 1));
        dispatch.forget(1100);
        assert_eq!(len(&dispatch), (0, 0));
    }
}
