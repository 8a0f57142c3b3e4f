//! get: what a message looks like from outside.

use engine::ids::{Location, MessageId};
use engine::rejection::Rejection;
use engine::reply::{DeadLetter, Delivered, Failures, MessageView, Reply, State};

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

impl Model {
    pub(super) fn get(&mut self, id: MessageId, reply: &Reply) {
        let Some(at) = self.known(id).first().copied().or(self.unnamed(id)) else {
            return self.get_done(id, reply);
        };
        self.saw(Some(self.messages[at].state), "get", "shown");
        let Reply::Message(view) = reply else {
            panic!("message {id:?} is there, and answered with {reply:?}")
        };
        self.check_view(at, view);
    }

    /// Where the message of that number is, when no answer named its slot yet.
    fn unnamed(&self, id: MessageId) -> Option<usize> {
        let is_new =
            |message: &Message| message.number == id.number && message.known_slot.is_none();
        self.messages.iter().position(is_new)
    }

    /// A dead letter was named by an answer that left no record, and its owner is gone: the engine alone knows whether
    /// it lies there.
    pub(super) fn learn_from(&mut self, id: MessageId, reply: &Reply) {
        let unnamed = self.unnamed(id);
        let is_there = *reply != Reply::Rejected(Rejection::MessageNotFound);
        if let Some(at) = unnamed.filter(|_| is_there) {
            self.learn(at, id);
        }
    }

    pub(super) fn check_view(&mut self, at: usize, view: &MessageView) {
        self.learn(at, view.message);
        let message = &self.messages[at];
        let goes_ms = self.ends_ms(message);
        let expected = (
            &self.queue_of(message).name,
            (message.state, message.priority),
            (message.deliveries, message.attempts),
            (message.at_ms, goes_ms),
            (message.max_retries, message.backoff),
        );
        let found = (
            &view.queue,
            (view.state, view.priority),
            (view.deliveries, view.attempts),
            (view.at_ms, view.expires_at_ms),
            (view.max_retries, view.backoff),
        );
        let id = view.message;
        assert_eq!(
            found, expected,
            "queue, state, priority, counters, instants, own retries of {id:?}"
        );
        assert_eq!(view.groups, self.groups_of(message), "groups of {id:?}");
        let failures = view.failures.as_deref();
        self.check_texts(at, view.envelope, failures, view.dead_letter.as_deref());
    }

    /// The groups that got it and are there still, and its state in each.
    pub(super) fn groups_of(&self, message: &Message) -> Vec<(Box<str>, Option<State>)> {
        let groups = &self.queue_of(message).groups;
        let got = message.homes.iter();
        let got = got.filter_map(|home| groups.iter().find(|group| group.home == *home));
        let there = |home| self.position(message.number, home);
        let state = |home| there(home).map(|at| self.messages[at].state);
        got.map(|group| (group.name.clone(), state(group.home)))
            .collect()
    }

    /// The envelope, how it failed and how it died.
    pub(super) fn check_texts(
        &mut self,
        at: usize,
        envelope: Location,
        failures: Option<&Failures>,
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
        self.check_failures(&message, failures);
        let Some(death) = &message.death else {
            return assert_eq!(letter, None, "message {} never died", message.number);
        };
        let letter = letter.expect("a dead letter tells its story");
        let expected = (
            (death.reason, &death.source_queue, death.source_number),
            (death.deliveries, death.attempts, death.redrives),
            (death.first_failure_ms, death.last_failure_ms),
        );
        let found = (
            (
                letter.reason,
                &letter.source_queue,
                letter.source_message.number,
            ),
            (letter.deliveries, letter.attempts, letter.redrives),
            (letter.first_failure_ms, letter.last_failure_ms),
        );
        assert_eq!(found, expected, "how message {} died", message.number);
        let group = death.source_group.as_ref();
        let same = group.is_none_or(|group| *group == letter.source_group);
        assert!(same, "message {} died in {group:?}", message.number);
        let copies = self.messages.iter_mut();
        let copies = copies.filter(|copy| copy.number == message.number);
        for death in copies.filter_map(|copy| copy.death.as_mut()) {
            let group = &mut death.source_group;
            group.get_or_insert_with(|| letter.source_group.clone());
        }
        self.claim_error(letter.error, death.error);
    }

    /// The same of what is handed out.
    pub(super) fn check_delivered_texts(&mut self, at: usize, delivered: &Delivered) {
        let failures = delivered.failures.as_deref();
        self.check_texts(
            at,
            delivered.envelope,
            failures,
            delivered.dead_letter.as_deref(),
        );
    }

    /// What is told of the failures of a message that lives.
    fn check_failures(&mut self, message: &Message, failures: Option<&Failures>) {
        let failed = message.first_failure_ms > 0 && message.state != State::Dead;
        let expected = failed.then_some((message.first_failure_ms, message.last_failure_ms));
        let found = failures.map(|failures| (failures.first_ms, failures.last_ms));
        assert_eq!(found, expected, "how message {} failed", message.number);
        if let Some(failures) = failures {
            self.claim_error(failures.error, message.error);
        }
    }

    fn claim_error(&mut self, location: Location, error: Option<Text>) {
        match error {
            Some(text) => self.claim(location, text),
            None => assert_eq!(location, Location::default(), "no error had a text"),
        }
    }

    pub(super) fn claim(&mut self, location: Location, text: Text) {
        assert_eq!(location.length, text.bytes, "the length of a text");
        self.claims.push(Claim {
            location,
            token: text.token,
        });
    }
}
