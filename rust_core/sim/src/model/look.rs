//! get and peek: what a message looks like from outside.

use engine::command::{Command, PeekState};
use engine::ids::{Location, MessageId};
use engine::rejection::Rejection;
use engine::reply::{DeadLetter, MessageView, Reply, State};

use super::message::Text;
use super::{Claim, Message, Model};

/// A state's name in coverage.
pub(crate) fn name(state: State) -> &'static str {
    match state {
        State::Ready => "ready",
        State::Blocked => "blocked",
        State::Delayed => "delayed",
        State::Leased => "leased",
        State::Dead => "dead",
    }
}

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
    pub(super) fn get(&mut self, id: MessageId, reply: &Reply) {
        let Some(at) = self.find(id) else {
            self.saw(None, "get", "not found");
            return assert_eq!(
                *reply,
                Reply::Rejected(Rejection::MessageNotFound),
                "{id:?} is gone"
            );
        };
        self.saw(Some(self.messages[at].state), "get", "shown");
        let Reply::Message(view) = reply else {
            panic!("message {id:?} is there, and answered with {reply:?}")
        };
        self.check_view(view);
    }

    pub(super) fn peek(&mut self, command: &Command, reply: &Reply) {
        let Command::Peek {
            queue,
            state,
            after,
            limit,
            answer_bytes_max,
            ..
        } = command
        else {
            unreachable!("only a peek comes here")
        };
        let expected = self
            .named(queue)
            .and_then(|at| self.page(at, looked_at(*state), *after));
        let (expected, found) = match (expected, reply) {
            (
                Ok(expected),
                Reply::Peeked {
                    messages,
                    more,
                    last,
                },
            ) => {
                let shown = messages.last().map(|view| view.message);
                assert_eq!(*last, shown, "nothing is filtered");
                (expected, (messages, *more))
            }
            (expected, _) => {
                return assert_eq!(expected.err().map(Reply::Rejected), Some(reply.clone()));
            }
        };
        let (mut shown, mut bytes) = (Vec::new(), 0);
        for at in expected.iter().take(*limit as usize) {
            bytes += self.messages[*at].answer_bytes();
            if !shown.is_empty() && bytes > *answer_bytes_max {
                break;
            }
            shown.push(self.messages[*at].number);
        }
        let numbers: Vec<u64> = found.0.iter().map(|view| view.message.number).collect();
        assert_eq!(
            (&numbers, found.1),
            (&shown, expected.len() > shown.len()),
            "a page of {state:?}"
        );
        found.0.iter().for_each(|view| self.check_view(view));
        let seen = if shown.is_empty() { "nothing" } else { "shown" };
        self.saw(Some(looked_at(*state)), "peek", seen);
    }

    /// The messages of a state in its order, those after `after`.
    fn page(
        &self,
        queue: usize,
        state: State,
        after: Option<MessageId>,
    ) -> Result<Vec<usize>, Rejection> {
        let number = self.queues[queue].number;
        let mut page: Vec<usize> = (0..self.messages.len())
            .filter(|&at| self.messages[at].queue == number && self.messages[at].state == state)
            .collect();
        page.sort_by_key(|&at| {
            let message = &self.messages[at];
            let level = if state == State::Ready {
                u8::MAX - message.priority
            } else {
                0
            };
            (level, message.line)
        });
        let Some(after) = after else { return Ok(page) };
        let position = page
            .iter()
            .position(|&at| self.messages[at].number == after.number);
        let position = position.ok_or(Rejection::MessageNotFound)?;
        Ok(page.split_off(position + 1))
    }

    fn check_view(&mut self, view: &MessageView) {
        self.learn(view.message);
        let at = self.position(view.message.number).expect("it was learned");
        let message = &self.messages[at];
        let expected = (
            &self.queue_of(message).name,
            (message.state, message.priority),
            (message.deliveries, message.attempts),
            (message.at_ms, message.expires_at_ms),
        );
        let found = (
            &view.queue,
            (view.state, view.priority),
            (view.deliveries, view.attempts),
            (view.at_ms, view.expires_at_ms),
        );
        assert_eq!(
            found, expected,
            "queue, state, priority, counters, instants of {:?}",
            view.message
        );
        self.check_texts(at, view.envelope, view.dead_letter.as_deref());
    }

    /// The envelope and how it died.
    pub(super) fn check_texts(
        &mut self,
        at: usize,
        envelope: Location,
        letter: Option<&DeadLetter>,
    ) {
        let message: Message = self.messages[at].clone();
        self.claim(
            envelope,
            Text {
                token: message.token,
                bytes: message.bytes,
            },
        );
        let Some(death) = &message.death else {
            return assert_eq!(letter, None, "message {} never died", message.number);
        };
        let letter = letter.expect("a dead letter tells its story");
        let expected = (
            (death.reason, &death.source_queue, death.source_number),
            (death.deliveries, death.attempts),
            (death.first_failure_ms, death.last_failure_ms),
        );
        let found = (
            (
                letter.reason,
                &letter.source_queue,
                letter.source_message.number,
            ),
            (letter.deliveries, letter.attempts),
            (letter.first_failure_ms, letter.last_failure_ms),
        );
        assert_eq!(found, expected, "how message {} died", message.number);
        match death.error {
            Some(text) => self.claim(letter.error, text),
            None => assert_eq!(letter.error, Location::default(), "no error had a text"),
        }
    }

    fn claim(&mut self, location: Location, text: Text) {
        assert_eq!(location.length, text.bytes, "the length of a text");
        self.claims.push(Claim {
            location,
            token: text.token,
        });
    }
}
