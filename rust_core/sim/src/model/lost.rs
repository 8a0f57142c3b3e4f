//! drop lost: what the journal lost is taken away, whoever holds it, and all else goes on as it was.

use std::collections::BTreeSet;

use engine::command::DropLost;
use engine::reply::{Dropped, LostMessage, Reply};

use super::message::Text;
use super::{Message, Model};

impl Model {
    pub(super) fn drop_lost(&mut self, drop: &DropLost, reply: &Reply) {
        let Reply::Dropped(Dropped {
            messages,
            next_slot: None,
            ..
        }) = reply
        else {
            panic!("what is lost is answered with {reply:?}")
        };
        let is_lost = |message: &&Message| self.is_lost(message.token, drop);
        let lost = self.messages.iter().filter(is_lost);
        let lost: BTreeSet<u64> = lost.map(|message| message.number).collect();
        let told: BTreeSet<u64> = messages.iter().map(|one| one.message.number).collect();
        assert_eq!(told, lost, "messages that are lost");
        assert_eq!(messages.len(), told.len(), "each is told once");
        messages.iter().for_each(|one| self.lose(one));
        self.replace_errors(drop);
        let written = self.written.clone();
        let before_lsn = drop.before_lsn;
        self.lose_results(|token| written.get(&token).is_some_and(|&lsn| lsn < before_lsn));
    }

    /// Whether the batch that brought a text is lost.
    fn is_lost(&self, token: u32, drop: &DropLost) -> bool {
        let lsn = self.written.get(&token);
        lsn.is_some_and(|&lsn| lsn < drop.before_lsn)
    }

    /// From every group.
    fn lose(&mut self, lost: &LostMessage) {
        let number = lost.message.number;
        let is_it = |message: &Message| message.number == number;
        let first = self.messages.iter().position(is_it).expect("it is there");
        self.learn(first, lost.message);
        let message = &self.messages[first];
        let expected = LostMessage {
            message: lost.message,
            queue: self.queue_of(message).name.clone(),
            state: message.state,
            groups: self.groups_of(message),
        };
        assert_eq!(*lost, expected, "what is told of a lost message");
        self.free_its_id(first);
        while let Some(at) = self.messages.iter().position(is_it) {
            let Message {
                state, home, token, ..
            } = self.messages[at];
            self.saw(Some(state), "lose", "gone");
            self.gone.push(token);
            self.wake_if(home, state == engine::reply::State::Ready);
            self.remove(at);
        }
    }

    /// The dedup id that it was accepted under, or what died for `default` and became it; unless `default` is done with it.
    fn free_its_id(&mut self, at: usize) {
        let message = &self.messages[at];
        let default = self.queue_of(message).groups[0].home;
        let Some(copy) = self.position(message.number, default) else {
            return;
        };
        let mut number = message.number;
        let has_id = |number| self.remembered.iter().any(|one| one.number == number);
        if let Some(death) = &self.messages[copy].death {
            let of_default = match &death.source_group {
                Some(group) => **group == *"default",
                // One of several that died unseen: the engine alone knows.
                None => self.freed.contains(&number),
            };
            if !has_id(number) && of_default {
                number = death.source_number;
            }
        }
        self.remembered.retain(|one| one.number != number);
    }

    fn replace_errors(&mut self, drop: &DropLost) {
        let text = Text {
            token: drop.text.index,
            bytes: drop.text.length,
        };
        for at in 0..self.messages.len() {
            let message = &self.messages[at];
            let died = message.death.as_ref().and_then(|death| death.error);
            let is_lost = |error: Option<Text>| error.is_some_and(|e| self.is_lost(e.token, drop));
            let (failed, died) = (is_lost(message.error), is_lost(died));
            let message = &mut self.messages[at];
            if failed {
                message.error = Some(text);
            }
            if let Some(death) = message.death.as_mut().filter(|_| died) {
                death.error = Some(text);
            }
        }
    }
}
