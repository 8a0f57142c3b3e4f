//! peek: a page of a queue's messages of one state, leased to nobody. Ready ones come highest priority first,
//! then first in first out; the others in the order they came into their state.

use crate::command::PeekState;
use crate::ids::MessageId;
use crate::message::{Message, NONE, Place};
use crate::queue::Queue;
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::state::State;
use crate::view;

pub(super) struct Page {
    pub after: Option<MessageId>,
    pub limit: u32,
    pub answer_bytes_max: u64,
}

/// A page can't go on after a message that has left the state: that is `MessageNotFound`.
pub(super) fn run(
    state: &State,
    queue: &str,
    peek: PeekState,
    page: Page,
) -> Result<Reply, Rejection> {
    let queue = state.queues.named(queue)?;
    let first = match page.after {
        None => first(queue, peek),
        Some(after) => next(state, queue, position(state, queue, peek, after)?),
    };
    let rest = std::iter::successors(first, |&slot| next(state, queue, slot));
    let fitting = rest.take_while(view::fits(state, page.answer_bytes_max));
    let shown: Vec<u32> = fitting.take(page.limit as usize).collect();
    let after = shown.last().map_or(first, |&last| next(state, queue, last));
    Ok(Reply::Peeked {
        messages: shown
            .into_iter()
            .map(|slot| view::message(state, slot))
            .collect(),
        more: after.is_some(),
    })
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
        .ok_or(Rejection::MessageNotFound)
}

fn place(peek: PeekState) -> Place {
    match peek {
        PeekState::Ready => Place::Ready,
        PeekState::Delayed => Place::Delayed,
        PeekState::Leased => Place::Leased,
        PeekState::Dead => Place::Dead,
    }
}

fn first(queue: &Queue, peek: PeekState) -> Option<u32> {
    let slot = match peek {
        PeekState::Ready => return queue.ready.first_at_or_below(u8::MAX),
        PeekState::Delayed => queue.delayed.head,
        PeekState::Leased => queue.leased.head,
        PeekState::Dead => queue.dead.head,
    };
    (slot != NONE).then_some(slot)
}

fn next(state: &State, queue: &Queue, slot: u32) -> Option<u32> {
    let message = &state.messages[slot];
    if message.next != NONE || message.place() != Place::Ready {
        return (message.next != NONE).then_some(message.next);
    }
    queue
        .ready
        .first_at_or_below(message.priority.checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Blob, Command, NewMessage};
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
            let Reply::Peeked { messages, more } = twin.ask(peek) else {
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
                state: PeekState::Ready,
                after,
                limit: 9,
                answer_bytes_max: 1000,
            };
            let Reply::Peeked { messages, more } = twin.ask(peek) else {
                panic!("no page")
            };
            after = messages.last().map(|view| view.message);
            pages.push((messages.len(), more));
        }
        assert_eq!(pages, [(1, true), (2, true), (1, false)]);
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
            Reply::Rejected(Rejection::MessageNotFound)
        );
        assert_eq!(
            twin.ask(peek(PeekState::Leased)),
            Reply::Peeked {
                messages: vec![],
                more: false
            }
        );
    }
}
