//! Who may receive what could not be received before: told by steps, for polls that wait.

use std::sync::Arc;

use crate::ids::QueueNumber;
use crate::queue::Queue;
use crate::state::State;

/// What became ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Woken {
    /// Queues in which messages became ready (or which changed), and how many may be received now. A further group's
    /// name follows its queue's, after a slash, which neither holds.
    pub queues: Vec<(Box<str>, u64)>,
    /// Members of groups whose ordering keys have messages that became ready: the group as in `queues`, who, how many.
    pub members: Vec<(Box<str>, Box<str>, u64)>,
}

impl Woken {
    /// Nothing became ready.
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.members.is_empty()
    }
}

/// A queue in which something became ready: for anybody, or for single members.
pub(crate) struct Mark {
    queue: QueueNumber,
    anybody: bool,
    members: Vec<Arc<str>>,
}

impl State {
    /// Notes that a receive of this queue may succeed now, whoever asks.
    pub fn wake(&mut self, number: QueueNumber) {
        let queue = self.queues.get_mut(number);
        queue.woken_all = true;
        let members = queue.members.iter_mut();
        members.for_each(|(_, member)| member.woken = true);
        self.list_woken(number);
    }

    pub fn list_woken(&mut self, number: QueueNumber) {
        let queue = self.queues.get_mut(number);
        if !queue.woken && !queue.deleted {
            queue.woken = true;
            self.woken.push(number);
        }
    }

    /// What became ready since this was asked last.
    pub(crate) fn take_marks(&mut self) -> Vec<Mark> {
        let numbers = std::mem::take(&mut self.woken);
        let mut marks = Vec::with_capacity(numbers.len());
        for number in numbers {
            let Some(queue) = self.queues.try_get_mut(number) else {
                continue;
            };
            queue.woken = false;
            let mut mark = Mark {
                queue: number,
                anybody: std::mem::take(&mut queue.woken_all),
                members: Vec::new(),
            };
            for (name, member) in queue.members.iter_mut() {
                if std::mem::take(&mut member.woken) {
                    mark.members.push(name.clone());
                }
            }
            marks.push(mark);
        }
        marks
    }

    /// As if it became ready just now.
    pub(crate) fn mark_again(&mut self, marks: Vec<Mark>) {
        for mark in marks {
            let Some(queue) = self.queues.try_get_mut(mark.queue) else {
                continue;
            };
            queue.woken_all |= mark.anybody;
            for name in &mark.members {
                if let Some(member) = queue.members.find_mut(name) {
                    member.woken = true;
                }
            }
            self.list_woken(mark.queue);
        }
    }

    /// What of that can be received now.
    pub(crate) fn woken(&self, marks: &[Mark]) -> Woken {
        let mut woken = Woken::default();
        for mark in marks {
            let Some(queue) = self.queues.try_get(mark.queue) else {
                continue;
            };
            if mark.anybody && queue.receivable("") > 0 {
                woken.queues.push((line(queue), queue.receivable("")));
            }
            for name in &mark.members {
                let Some(member) = queue.members.find(name) else {
                    continue;
                };
                let ready = queue.lists.count(member.list);
                if ready > 0 && queue.receivable(name) > 0 {
                    woken.members.push((line(queue), (**name).into(), ready));
                }
            }
        }
        woken
    }
}

/// Where the polls of a queue's group wait.
fn line(queue: &Queue) -> Box<str> {
    if queue.group.is_default() {
        return (*queue.name).into();
    }
    [&*queue.name, "/", &*queue.group.name].concat().into()
}
