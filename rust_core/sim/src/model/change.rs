//! change and delete: what is done to a message that nobody holds, in every group.

use engine::ids::MessageId;
use engine::rejection::Rejection;
use engine::reply::{Reply, State};

use super::{Model, look};

impl Model {
    pub(super) fn delete_message(&mut self, id: MessageId) -> Result<Reply, Rejection> {
        let copies = self.free(id, "delete")?;
        let homes: Vec<u32> = copies.iter().map(|&at| self.messages[at].home).collect();
        for home in homes {
            let at = self.position(id.number, home).expect("it is there");
            let message = &self.messages[at];
            self.saw(Some(message.state), "delete", "gone");
            self.gone.push(message.token);
            self.remove(at);
        }
        Ok(Reply::MessageDeleted)
    }

    pub(super) fn change(
        &mut self,
        id: MessageId,
        delay_ms: Option<u64>,
        priority: Option<u8>,
        reply: &Reply,
    ) {
        self.learn_from(id, reply);
        let is_alive = |at: &usize| self.messages[*at].state != State::Dead;
        let alive = self.free(id, "change").and_then(|mut copies| {
            copies.retain(is_alive);
            if copies.is_empty() {
                self.saw(Some(State::Dead), "change", "refused");
                return Err(Rejection::MessageDead);
            }
            Ok(copies)
        });
        let alive = match alive {
            Ok(alive) => alive,
            Err(rejection) => return assert_eq!(*reply, Reply::Rejected(rejection), "{id:?}"),
        };
        for &at in &alive {
            self.change_one(at, delay_ms, priority);
        }
        let Reply::Message(view) = reply else {
            panic!("a change is answered with {reply:?}")
        };
        self.check_view(alive[0], view);
    }

    fn change_one(&mut self, at: usize, delay_ms: Option<u64>, priority: Option<u8>) {
        let message = &self.messages[at];
        let (state, at_ms, before) = (message.state, message.at_ms, message.priority);
        let priority = priority.unwrap_or(before);
        let due_ms = delay_ms.map(|delay_ms| self.now_ms + delay_ms);
        // What may go already is not made to wait anew.
        let due_ms = due_ms.filter(|&due_ms| due_ms > self.now_ms || at_ms > self.now_ms);
        if due_ms.is_none_or(|due_ms| due_ms == at_ms) && priority == before {
            return self.saw(Some(state), "change", "is so");
        }
        self.messages[at].priority = priority;
        match (state, due_ms) {
            (State::Blocked, _) => self.messages[at].at_ms = due_ms.unwrap_or(at_ms),
            (_, Some(due_ms)) => self.place_when_due(at, due_ms),
            (State::Ready, None) => self.stand_in_order(at),
            _ => {}
        }
        self.saw(Some(state), "change", look::name(self.messages[at].state));
    }

    /// Into the line of its priority: behind those that wait as long or longer.
    pub(super) fn stand_in_order(&mut self, at: usize) {
        self.assign(at);
        let at_ms = self.messages[at].at_ms;
        self.place(at, State::Ready, at_ms);
        let lane = self.messages[at].lane();
        let is_behind = |&other: &usize| {
            let other = &self.messages[other];
            other.lane() == lane && other.state == State::Ready && other.at_ms > at_ms
        };
        let mut behind: Vec<usize> = (0..self.messages.len()).filter(is_behind).collect();
        behind.sort_by_key(|&other| self.messages[other].line);
        for other in behind {
            self.last_line += 1;
            self.messages[other].line = self.last_line;
        }
    }

    /// Where all of it is, when nobody holds any of it.
    fn free(&self, id: MessageId, verb: &'static str) -> Result<Vec<usize>, Rejection> {
        let copies = self.known(id);
        if copies.is_empty() {
            self.saw(None, verb, "not found");
            return Err(Rejection::MessageNotFound);
        }
        let is_held = |&at: &usize| self.messages[at].state == State::Leased;
        if copies.iter().any(is_held) {
            self.saw(Some(State::Leased), verb, "refused");
            return Err(Rejection::MessageLeased);
        }
        Ok(copies)
    }
}
