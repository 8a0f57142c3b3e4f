//! peek: pages of a queue's messages of one state.

use std::collections::BTreeSet;

use engine::command::{Command, PeekFilter, PeekState};
use engine::ids::MessageId;
use engine::rejection::Rejection;
use engine::reply::{Reply, State};

use super::{Message, Model};

fn looked_at(peek: PeekState) -> State {
    match peek {
        PeekState::Ready => State::Ready,
        PeekState::Blocked => State::Blocked,
        PeekState::Delayed => State::Delayed,
        PeekState::Leased => State::Leased,
        PeekState::Dead => State::Dead,
    }
}

impl Model {
    pub(super) fn peek(&mut self, command: &Command, reply: &Reply) {
        let Command::Peek {
            queue,
            state,
            filter,
            after,
            ..
        } = command
        else {
            unreachable!("only a peek comes here")
        };
        let page = self.named(queue);
        let page = page.and_then(|at| self.page(at, looked_at(*state), *filter, *after));
        let (page, found) = match (page, reply) {
            (Ok(page), Reply::Peeked { messages, .. }) => (page, messages),
            (page, _) => {
                let expected = page.err().map(Reply::Rejected);
                return assert_eq!(expected, Some(reply.clone()));
            }
        };
        let seen = if found.is_empty() { "nothing" } else { "shown" };
        self.saw(Some(looked_at(*state)), "peek", seen);
        self.check_page(command, reply, &page);
        for view in found {
            let is_it = |at: &usize| self.messages[*at].number == view.message.number;
            let at = page.iter().copied().find(is_it);
            self.check_view(at.expect("a message of that state"), view);
        }
    }

    /// Those that the filter lets through, as many as may be and fit, in order.
    fn check_page(&self, command: &Command, reply: &Reply, page: &[usize]) {
        let Command::Peek {
            state,
            filter,
            limit,
            answer_bytes_max,
            ..
        } = command
        else {
            unreachable!("only a peek comes here")
        };
        let (mut shown, mut seen, mut bytes, mut is_more) = (Vec::new(), None, 0, false);
        for message in page.iter().map(|&at| &self.messages[at]) {
            let died_of = message.death.as_ref().map(|death| death.reason);
            let passes = filter.reason.is_none_or(|reason| died_of == Some(reason));
            is_more = shown.len() == *limit as usize;
            if passes && !is_more {
                bytes += message.answer_bytes();
                is_more = !shown.is_empty() && bytes > *answer_bytes_max;
            }
            if is_more {
                break;
            }
            seen = Some(message.number);
            shown.extend(passes.then_some(message.number));
        }
        let Reply::Peeked {
            messages,
            more,
            last,
        } = reply
        else {
            unreachable!("only a page comes here")
        };
        let numbers: Vec<u64> = messages.iter().map(|view| view.message.number).collect();
        let lanes = page
            .iter()
            .map(|&at| (self.messages[at].lane().2, self.messages[at].lane().3));
        if *state == PeekState::Ready && lanes.collect::<BTreeSet<_>>().len() > 1 {
            return self.check_lanes(page, &numbers);
        }
        let found = (numbers, *more, last.map(|last| last.number));
        assert_eq!(found, (shown, is_more, seen), "{command:?}");
    }

    /// Highest level first, lane by lane, each first in first out. Which lane comes first is left open.
    fn check_lanes(&self, page: &[usize], numbers: &[u64]) {
        let ready = |number: &u64| {
            let at = page.iter().find(|&&at| self.messages[at].number == *number);
            &self.messages[*at.expect("a message of that state")]
        };
        let shown: Vec<&Message> = numbers.iter().map(ready).collect();
        for pair in shown.windows(2) {
            let (one, other) = (pair[0], pair[1]);
            let in_order = match one.lane() == other.lane() {
                true => one.line < other.line,
                false => one.priority >= other.priority,
            };
            assert!(in_order, "{one:?} is shown before {other:?}");
        }
    }

    /// The messages of a state in its order, those after `after`.
    fn page(
        &self,
        queue: usize,
        state: State,
        filter: PeekFilter,
        after: Option<MessageId>,
    ) -> Result<Vec<usize>, Rejection> {
        let home = self.queues[queue].groups[0].home;
        let is_here = |message: &Message| message.home == home && message.state == state;
        let all = 0..self.messages.len();
        let mut page: Vec<usize> = all.filter(|&at| is_here(&self.messages[at])).collect();
        page.sort_by_key(|&at| {
            let message = &self.messages[at];
            let is_keyed = message.ordering_key.is_some();
            match state {
                State::Ready => (-i64::from(message.priority), is_keyed, message.line),
                State::Blocked => (message.key_line, false, message.line),
                _ => (0, false, message.line),
            }
        });
        let position = after.map(|after| {
            let is_it = |&at: &usize| self.messages[at].number == after.number;
            let position = page.iter().position(is_it);
            position.ok_or(Rejection::PageLost)
        });
        let from = position.transpose()?.map_or(0, |position| position + 1);
        let lanes = page
            .iter()
            .map(|&at| (self.messages[at].lane().2, self.messages[at].lane().3));
        let is_open = state == State::Ready && lanes.collect::<BTreeSet<_>>().len() > 1;
        let mut rest = page.split_off(if is_open { 0 } else { from });
        rest.retain(|&at| {
            let is_alive = self.messages[at].state != State::Dead;
            let key = self.messages[at].ordering_key.filter(|_| is_alive);
            filter.ordering_key.is_none_or(|hash| key == Some(hash))
        });
        Ok(rest)
    }
}
