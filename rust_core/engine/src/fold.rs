//! Feeds the state to a hasher, for tests: everything a later decision could depend on, in an order that follows
//! from the state alone. Links are fed as they are; they are what the lists' order is.
//!
//! Every field is named here, so a new one is not forgotten. Left out is what follows from the rest (timers, the tables
//! of keys and their free slots, counts of flows), what is no state (the batch at hand, who woke, whose turn it is), and
//! the owner's settings.

use crate::message::{Message, NONE};
use crate::queue::Queue;
use crate::state::State;

impl State {
    /// See [`Partition::fold_state`](crate::partition::Partition::fold_state).
    pub fn fold(&self, fold: &mut impl FnMut(&[u8])) {
        let State {
            settings: _,
            live: _,
            survey: _,
            lsn,
            epoch,
            secret,
            numbered,
            messages,
            copies,
            deadlines: _,
            keys: _,
            flows: _,
            queues,
            dedup: _,
            retention: _,
            sessions: _,
            reassigning: _,
            returning: _,
            settled,
            results,
            attempts,
            history,
            sweeps,
            cursor: _,
            woken: _,
        } = self;
        [lsn, epoch, numbered]
            .iter()
            .for_each(|n| fold(&n.to_le_bytes()));
        fold(&secret.unwrap_or_default());
        queues.fold_reaping(fold);
        queues.iter().for_each(|queue| self.fold_queue(queue, fold));
        fold(&messages.first_free().to_le_bytes());
        fold(&copies.extra().to_le_bytes());
        (0..messages.slots()).for_each(|slot| self.fold_message(slot, fold));
        settled.fold(fold);
        results.fold(fold);
        attempts.fold(fold);
        history.fold(fold);
        sweeps.fold(fold);
    }

    fn fold_queue(&self, queue: &Queue, fold: &mut impl FnMut(&[u8])) {
        let Queue {
            number,
            name,
            group,
            groups,
            orphans,
            config,
            created_at_ms,
            paused,
            counts,
            lists,
            members,
            delayed,
            leased,
            dead,
            blocked,
            retires_ms: _,
            limiter,
            dispatch: _,
            ingress,
            dedup,
            deleted,
            woken: _,
            letters: _,
            woken_all: _,
        } = queue;
        let facts = (
            number,
            name,
            group,
            groups,
            orphans,
            config,
            created_at_ms,
            paused,
            counts,
            deleted,
        );
        fold(format!("{facts:?} {delayed:?} {leased:?} {dead:?} {blocked:?}").as_bytes());
        fold(format!("{:?}", lists.facts()).as_bytes());
        members.fold(fold);
        lists
            .iter(&self.messages)
            .for_each(|slot| fold(&slot.to_le_bytes()));
        limiter.fold(fold);
        ingress.fold(fold);
        self.dedup.fold(dedup, fold);
    }

    fn fold_message(&self, slot: u32, fold: &mut impl FnMut(&[u8])) {
        let message = &self.messages[slot];
        // `..` is what methods tell: its number, place, status and instants. Who holds it decides nothing.
        let Message {
            queue,
            key,
            flow,
            next,
            previous,
            deliveries,
            attempts,
            priority,
            holder: _,
            ..
        } = *message;
        let (at_ms, expires_at_ms) = (message.at_ms(), message.expires_at_ms());
        let envelope = message.envelope();
        let (number, since_ms) = (message.number(), message.since_ms());
        let long = [number, envelope.lsn, at_ms, since_ms, expires_at_ms];
        let short = [
            envelope.offset,
            envelope.length,
            queue.0,
            next,
            previous,
            deliveries,
        ];
        long.iter().for_each(|n| fold(&n.to_le_bytes()));
        short.iter().for_each(|n| fold(&n.to_le_bytes()));
        fold(&attempts.to_le_bytes());
        fold(&[priority, message.status()]);
        self.copies.fold(self.messages.id(slot), fold);
        self.dedup.fold_held(self.messages.id(slot), fold);
        if flow != NONE {
            fold(&self.flows[flow].hash.to_le_bytes());
        }
        if key != NONE {
            fold(format!("{:?}", self.keys[key]).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::command::NewMessage;
    use crate::config::{Backoff, QueueConfig};
    use crate::copies::Copy;
    use crate::history::OwnRetries;
    use crate::ids::{GROUP_DEFAULT, Location, MessageId, QueueNumber};
    use crate::message::{Flag, NONE, Place};
    use crate::record::{DedupEntry, Lease};
    use crate::results::Done;
    use crate::settled::Ending;
    use crate::state::State;
    use crate::twin::{SECOND, Twin, config, folded, lease, limit, message, nack};

    const QUEUE: QueueNumber = QueueNumber(0);

    type Change = fn(&mut State);

    /// A limited queue with a leased, a failed, a dead and a keyed message.
    fn twin() -> Twin {
        let mut twin = Twin::new();
        let rate_limit = limit(100, SECOND, 9);
        twin.create(
            "q",
            QueueConfig {
                rate_limit,
                ..config()
            },
        );
        let keyed = NewMessage {
            ordering_key: Some(1),
            ..message()
        };
        (0..4).for_each(|_| {
            twin.enqueue("q", keyed.clone());
            twin.enqueue("q", message());
        });
        let leases = twin.receive("q", 4);
        twin.nack(leases[0].lease, Some(SECOND));
        twin.ask(crate::command::Command::Nack(crate::command::Nack {
            reject: true,
            ..nack(leases[1].lease)
        }));
        twin.start_sweep("q", crate::twin::sweeps::redrive());
        twin
    }

    /// In the table alone.
    fn own_retries(state: &mut State, max: Option<u32>, backoff: Option<Backoff>) {
        let message = &mut state.messages[2];
        let own = OwnRetries { max, backoff };
        state.history.set_own_retries(2, message, own);
        message.set(Flag::OwnRetries, false);
    }

    fn changes() -> [(&'static str, Change); 18] {
        [
            ("limiter", |state| {
                let queue = state.queues.get_mut(QUEUE);
                let limit = queue.config.rate_limit.unwrap();
                queue.limiter.take(limit, 1_700_000_100_000, 1);
            }),
            ("ingress limiter", |state| {
                let queue = state.queues.get_mut(QUEUE);
                let limit = queue.config.rate_limit.unwrap();
                queue.ingress.take(limit, 1_700_000_100_000, 1);
            }),
            ("failures", |state| {
                let message = &mut state.messages[0];
                state.history.fail(0, message, 5, None);
                message.attempts -= 1;
            }),
            ("own retries", |state| own_retries(state, Some(7), None)),
            ("own backoff", |state| {
                own_retries(state, None, Some(Backoff::DEFAULT));
            }),
            ("expiry", |state| state.messages[0].set_expiry(1)),
            ("lease's end", |state| {
                let slot = state.queues.get(QUEUE).leased.head;
                state.messages[slot].set_place(Place::Leased, 1);
            }),
            ("lease's beginning", |state| {
                let slot = state.queues.get(QUEUE).leased.head;
                let message = &mut state.messages[slot];
                message.lease(message.since_ms() - 1, message.at_ms());
            }),
            ("fairness key", |state| state.join_flow(0, 1)),
            ("deliveries", |state| state.messages[0].deliveries += 1),
            ("created at", |state| {
                state.queues.get_mut(QUEUE).created_at_ms += 1;
            }),
            ("pause", |state| {
                state.queues.get_mut(QUEUE).paused.receive = true;
            }),
            ("config", |state| {
                state.queues.get_mut(QUEUE).config.delay_ms += 1;
            }),
            ("key", |state| {
                let key = state.messages[0].key;
                state.keys[key].hash += 1;
            }),
            ("numbered", |state| state.numbered += 1),
            ("sweep's cursor", |state| {
                state.sweeps.get_mut(1).unwrap().cursor += 1;
            }),
            ("sweep's tally", |state| {
                state.sweeps.get_mut(1).unwrap().tally.skipped += 1;
            }),
            ("sweep's pace", |state| {
                state.sweeps.get_mut(1).unwrap().next_at_ms += 1;
            }),
        ]
    }

    /// Of what is remembered of messages beside them.
    fn further_changes() -> [(&'static str, Change); 9] {
        [
            ("dedup entry", |state| {
                let id = MessageId { number: 1, slot: 0 };
                let entry = DedupEntry {
                    hash: 1,
                    fingerprint: 1,
                    expires_at_ms: u64::MAX,
                };
                let queue = state.queues.get_mut(QUEUE);
                state.dedup.put(QUEUE, entry, id, &mut queue.dedup);
            }),
            ("dedup window", |state| {
                let id = MessageId { number: 1, slot: 0 };
                let entry = DedupEntry {
                    hash: 1,
                    fingerprint: 1,
                    expires_at_ms: 1_700_000_100_000,
                };
                let queue = state.queues.get_mut(QUEUE);
                state.dedup.put(QUEUE, entry, id, &mut queue.dedup);
            }),
            ("attempt", |state| {
                let message = MessageId { number: 1, slot: 0 };
                let lease = Lease {
                    message,
                    delivery: 1,
                };
                state.attempts.put(QUEUE, 1, 1_700_000_000_000, &[lease]);
                state.attempts.serial -= 1;
            }),
            ("copy", |state| {
                let copies = [0, NONE].map(|slot| Copy { queue: QUEUE, slot });
                let id = MessageId { number: 1, slot: 0 };
                state.copies.put(id, Box::new(copies));
            }),
            ("result", |state| {
                let done = Done {
                    slot: 0,
                    queue: QUEUE,
                    group: GROUP_DEFAULT,
                    done_at_ms: 1,
                    expires_at_ms: 2,
                    result: Location::default(),
                };
                state.results.put(1, done, &mut state.live);
            }),
            ("queue number", |state| state.queues.numbered.push(None)),
            ("member", |state| {
                state.queues.get_mut(QUEUE).members.join("ann", 0, 2);
            }),
            ("left lease", |state| {
                let members = &mut state.queues.get_mut(QUEUE).members;
                members.load_left([0].into_iter().collect());
            }),
            ("settled lease", |state| {
                state
                    .settled
                    .put(lease(MessageId { number: 1, slot: 0 }, 1), Ending::Acked)
            }),
        ]
    }

    #[test]
    fn a_change_of_anything_shows() {
        let before = folded(&twin().live);
        assert!(
            before == folded(&twin().live),
            "equal states feed equal bytes"
        );
        for (what, change) in changes().into_iter().chain(further_changes()) {
            let mut twin = twin();
            change(twin.live.state_mut());
            assert!(
                folded(&twin.live) != before,
                "a change of its {what} doesn't show"
            );
        }
    }
}
