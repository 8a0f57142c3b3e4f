//! peek: a page of a queue's messages of one state, leased to nobody. Ready ones come highest priority first, then
//! key by key, each first in first out; blocked ones key by key; the others in the order they came into their state. A page of those
//! that a filter lets through looks at a bounded number, so it may show few, or none, and still not be the last.

use crate::command::{PeekFilter, PeekState};
use crate::ids::MessageId;
use crate::message::{Message, NONE, Place};
use crate::queue::Queue;
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::state::State;
use crate::view;

pub(super) struct Page {
    pub filter: PeekFilter,
    pub after: Option<MessageId>,
    pub limit: u32,
    pub answer_bytes_max: u64,
}

/// A page can't go on after a message that has left the state: that is `PageLost`.
pub(super) fn run(
    state: &State,
    queue: &str,
    group: &str,
    peek: PeekState,
    page: Page,
) -> Result<Reply, Rejection> {
    let queue = state.queues.group(queue, group)?;
    let first = match page.after {
        None => first(state, queue, peek, page.filter),
        Some(after) => {
            let slot = position(state, queue, peek, after)?;
            next(state, queue, page.filter, slot)
        }
    };
    let mut rest = std::iter::successors(first, |&slot| next(state, queue, page.filter, slot));
    let mut fits = view::fits(state, page.answer_bytes_max);
    let (mut shown, mut last, mut more) = (Vec::new(), None, false);
    for (looked_at, slot) in rest.by_ref().enumerate() {
        more = shown.len() == page.limit as usize || looked_at == PeekFilter::LOOKED_AT_MAX;
        let is_shown = !more && lets_through(state, page.filter, slot);
        more |= is_shown && !fits(&slot);
        if more {
            break;
        }
        last = Some(state.messages.id(slot));
        shown.extend(is_shown.then_some(slot));
    }
    let messages = shown.into_iter().map(|slot| view::message(state, slot));
    Ok(Reply::Peeked {
        messages: messages.collect(),
        more,
        last,
    })
}

fn lets_through(state: &State, filter: PeekFilter, slot: u32) -> bool {
    let message = &state.messages[slot];
    let is_of_key = |hash| message.key != NONE && state.keys[message.key].hash == hash;
    let is_of_flow = |hash| message.flow != NONE && state.flows[message.flow].hash == hash;
    let died_of = |reason| {
        let death = state.history.death(slot, message);
        death.is_some_and(|death| death.reason == reason)
    };
    filter.ordering_key.is_none_or(is_of_key)
        && filter.fairness_key.is_none_or(is_of_flow)
        && filter.reason.is_none_or(died_of)
}

fn position(
    state: &State,
    queue: &Queue,
    peek: PeekState,
    after: MessageId,
) -> Result<u32, Rejection> {
    let here = |message: &&Message| message.queue == queue.number && message.place() == place(peek);
    state
        .messages
        .find(after)
        .filter(here)
        .map(|_| after.slot)
        .ok_or(Rejection::PageLost)
}

fn place(peek: PeekState) -> Place {
    match peek {
        PeekState::Ready => Place::Ready,
        PeekState::Blocked => Place::Blocked,
        PeekState::Delayed => Place::Delayed,
        PeekState::Leased => Place::Leased,
        PeekState::Dead => Place::Dead,
    }
}

fn first(state: &State, queue: &Queue, peek: PeekState, filter: PeekFilter) -> Option<u32> {
    if let Some(hash) = filter.ordering_key {
        let key = state.keys[state.keys.find(queue.number, hash)?];
        let is_here = |slot: &u32| state.messages[*slot].place() == place(peek);
        return match peek {
            PeekState::Blocked => some(key.waiting.head),
            _ => Some(key.head).filter(is_here),
        };
    }
    match peek {
        PeekState::Ready => queue.lists.first_at_or_below(&state.messages, u8::MAX),
        PeekState::Blocked => some(queue.blocked.first).map(|key| state.keys[key].waiting.head),
        PeekState::Delayed => some(queue.delayed.head),
        PeekState::Leased => some(queue.leased.head),
        PeekState::Dead => some(queue.dead.head),
    }
}

fn next(state: &State, queue: &Queue, filter: PeekFilter, slot: u32) -> Option<u32> {
    let message = &state.messages[slot];
    let is_blocked = message.place() == Place::Blocked;
    if filter.ordering_key.is_some() && !is_blocked {
        return None;
    }
    some(message.next).or_else(|| match message.place() {
        Place::Ready => {
            let list = state.list_of(slot);
            queue.lists.first_after(&state.messages, list, slot)
        }
        Place::Blocked if filter.ordering_key.is_none() => {
            let key = some(state.keys[message.key].next)?;
            Some(state.keys[key].waiting.head)
        }
        _ => None,
    })
}

fn some(slot: u32) -> Option<u32> {
    (slot != NONE).then_some(slot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Blob, Command, NewMessage};
    use crate::record::DeathReason;
    use crate::twin::{Twin, config, message, peek};

    #[test]
    fn pages_through_a_state_in_its_order() {
        let mut twin = Twin::new();
        twin.create("q", config());
        for priority in [1, 5, 1, 255, 5] {
            twin.enqueue(
                "q",
                NewMessage {
                    priority,
                    ..message()
                },
            );
        }
        let (mut after, mut numbers) = (None, Vec::new());
        loop {
            let peek = peek("q", PeekState::Ready, after, 2);
            let Reply::Peeked { messages, more, .. } = twin.ask(peek) else {
                panic!("no page")
            };
            numbers.extend(messages.iter().map(|view| view.message.number));
            after = messages.last().map(|view| view.message);
            if !more {
                break;
            }
        }
        assert_eq!(numbers, [4, 2, 5, 1, 3]);
        assert_eq!(twin.queue("q").counts.ready, 5, "looking leases nothing");
    }

    #[test]
    fn a_page_is_bounded_in_bytes_and_says_that_there_is_more() {
        let mut twin = Twin::new();
        twin.create("q", config());
        for length in [5000, 600, 400, 1] {
            let blob = Blob { index: 0, length };
            twin.enqueue("q", NewMessage { blob, ..message() });
        }
        let (mut after, mut pages) = (None, Vec::new());
        while pages.len() < 3 {
            let peek = Command::Peek {
                queue: "q".into(),
                group: "default".into(),
                state: PeekState::Ready,
                filter: PeekFilter::default(),
                after,
                limit: 9,
                answer_bytes_max: 1000,
            };
            let Reply::Peeked { messages, more, .. } = twin.ask(peek) else {
                panic!("no page")
            };
            after = messages.last().map(|view| view.message);
            pages.push((messages.len(), more));
        }
        assert_eq!(pages, [(1, true), (2, true), (1, false)]);
    }

    #[test]
    fn each_group_s_copies_are_looked_at_page_by_page() {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.create_group("q", "audit");
        let ids = [(); 3].map(|()| twin.enqueue("q", message()).message);
        twin.receive("q", 3);
        let mut after = None;
        for id in ids {
            let mut look = peek("q", PeekState::Ready, after, 1);
            if let Command::Peek { group, .. } = &mut look {
                *group = "audit".into();
            }
            let Reply::Peeked { messages, last, .. } = twin.ask(look) else {
                panic!("no page")
            };
            assert_eq!(messages[0].message, id);
            after = last;
        }
    }

    #[test]
    fn a_page_can_not_follow_a_message_that_left() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let after = Some(twin.enqueue("q", message()).message);
        twin.receive("q", 1);
        let peek = |state| peek("q", state, after, 2);
        assert_eq!(
            twin.ask(peek(PeekState::Ready)),
            Reply::Rejected(Rejection::PageLost)
        );
        assert_eq!(
            twin.ask(peek(PeekState::Leased)),
            Reply::Peeked {
                messages: vec![],
                more: false,
                last: None
            }
        );
    }

    /// Pages through what a filter lets through: messages' numbers, and how many pages it took.
    fn all(twin: &mut Twin, state: PeekState, filter: PeekFilter) -> (Vec<u64>, usize) {
        let (mut after, mut numbers, mut pages) = (None, Vec::new(), 0);
        loop {
            let reply = twin.ask(Command::Peek {
                queue: "q".into(),
                group: "default".into(),
                state,
                filter,
                after,
                limit: 2,
                answer_bytes_max: 1 << 20,
            });
            let Reply::Peeked {
                messages,
                more,
                last,
            } = reply
            else {
                panic!("no page")
            };
            numbers.extend(messages.iter().map(|view| view.message.number));
            (after, pages) = (last, pages + 1);
            if !more {
                return (numbers, pages);
            }
        }
    }

    #[test]
    fn blocked_messages_come_key_by_key() {
        let mut twin = Twin::new();
        twin.create("q", config());
        for key in [1, 2, 1, 3, 2, 1, 2] {
            let ordering_key = Some(key);
            twin.enqueue(
                "q",
                NewMessage {
                    ordering_key,
                    ..message()
                },
            );
        }
        let of = |ordering_key| PeekFilter {
            ordering_key,
            ..PeekFilter::default()
        };
        let mut peek = |state, key| all(&mut twin, state, of(key));
        assert_eq!(peek(PeekState::Blocked, None), (vec![3, 6, 5, 7], 2));
        assert_eq!(peek(PeekState::Blocked, Some(1)), (vec![3, 6], 1));
        assert_eq!(peek(PeekState::Blocked, Some(2)), (vec![5, 7], 1));
        assert_eq!(peek(PeekState::Blocked, Some(3)), (vec![], 1));
        assert_eq!(peek(PeekState::Ready, Some(1)), (vec![1], 1));
        assert_eq!(peek(PeekState::Delayed, Some(1)), (vec![], 1));
        assert_eq!(peek(PeekState::Ready, Some(9)), (vec![], 1));
    }

    #[test]
    fn a_filter_that_lets_few_through_takes_pages_of_bounded_work() {
        let mut twin = Twin::new();
        let config = crate::config::QueueConfig {
            ttl_ms: 1,
            max_retries: 0,
            ..config()
        };
        twin.create("q", config);
        let messages = vec![message(); PeekFilter::LOOKED_AT_MAX + 5];
        let (queue, atomic) = ("q".into(), false);
        let reject = |twin: &mut Twin| {
            let lease = twin.receive("q", 1)[0].lease;
            twin.nack(lease, None);
        };
        twin.enqueue("q", message());
        reject(&mut twin);
        twin.step(vec![Command::Enqueue {
            queue,
            messages,
            atomic,
        }]);
        twin.wait(1);
        while twin.step(vec![]).next_deadline_ms.is_some() {}
        twin.enqueue("q", message());
        reject(&mut twin);
        let filter = PeekFilter {
            reason: Some(DeathReason::RetriesExhausted),
            ..PeekFilter::default()
        };
        let (numbers, pages) = all(&mut twin, PeekState::Dead, filter);
        assert_eq!(numbers, [1, PeekFilter::LOOKED_AT_MAX as u64 + 7]);
        assert_eq!(pages, 2);
    }

    #[test]
    fn messages_of_a_fairness_key_are_found_in_every_state() {
        let mut twin = Twin::new();
        twin.create("q", config());
        for (key, delay_ms) in [(1, None), (2, None), (1, Some(9)), (2, Some(9))] {
            let fairness_key = Some(key);
            twin.enqueue(
                "q",
                NewMessage {
                    fairness_key,
                    delay_ms,
                    ..message()
                },
            );
        }
        let filter = PeekFilter {
            fairness_key: Some(1),
            ..PeekFilter::default()
        };
        let mut peek = |state| all(&mut twin, state, filter).0;
        assert_eq!(peek(PeekState::Ready), [1]);
        assert_eq!(peek(PeekState::Delayed), [3]);
        twin.receive("q", 1);
        assert_eq!(all(&mut twin, PeekState::Leased, filter).0, [1]);
    }

    #[test]
    fn a_page_of_a_key_shows_nothing_of_another_wherever_it_goes_on() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let keyed = |key| NewMessage {
            ordering_key: Some(key),
            ..message()
        };
        let ids = [1, 1, 1, 2, 2].map(|key| twin.enqueue("q", keyed(key)).message);
        let mut page = peek("q", PeekState::Blocked, Some(ids[1]), 9);
        if let Command::Peek { filter, .. } = &mut page {
            filter.ordering_key = Some(2);
        }
        let Reply::Peeked { messages, .. } = twin.ask(page) else {
            panic!("no page")
        };
        assert_eq!(messages, []);
    }

    #[test]
    fn ready_messages_come_level_by_level_and_key_by_key() {
        let mut twin = Twin::new();
        twin.create("q", config());
        for (priority, fairness_key) in [(1, 1), (9, 0), (1, 2), (9, 2), (1, 1), (1, 0), (9, 1)] {
            let fairness_key = Some(fairness_key).filter(|&key| key > 0);
            twin.enqueue(
                "q",
                NewMessage {
                    priority,
                    fairness_key,
                    ..message()
                },
            );
        }
        let (numbers, pages) = all(&mut twin, PeekState::Ready, PeekFilter::default());
        assert_eq!((numbers, pages), (vec![2, 7, 4, 6, 1, 5, 3], 4));
    }
}
