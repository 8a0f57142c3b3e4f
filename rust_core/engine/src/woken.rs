//! Who may receive what could not be received before: told by steps, for polls that wait.

use std::sync::Arc;

use crate::ids::QueueNumber;
use crate::members::NOBODY;
use crate::queue::Queue;
use crate::state::State;

/// What became ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Woken {
    /// For anybody.
    pub queues: Vec<WokenQueue>,
    /// For single members.
    pub members: Vec<WokenMember>,
}

/// A queue in which messages became ready (or which changed), and how many may be received now. A further group's name
/// follows its queue's, after a slash, which neither holds.
pub type WokenQueue = (Arc<str>, u64);

/// A member of a group whose ordering keys have messages that became ready: the group as in [`WokenQueue`], who, how many.
pub type WokenMember = (Arc<str>, Arc<str>, u64);

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
        queue.members.wake_all();
        self.list_woken(number);
    }

    pub fn list_woken(&mut self, number: QueueNumber) {
        let queue = self.queues.get_mut(number);
        if !queue.woken && !queue.deleted {
            queue.woken = true;
            self.woken.push(number);
        }
    }

    /// What became ready since this was asked last, to the end of `marks`.
    pub(crate) fn take_marks(&mut self, marks: &mut Vec<Mark>) {
        for number in self.woken.drain(..) {
            let Some(queue) = self.queues.try_get_mut(number) else {
                continue;
            };
            queue.woken = false;
            marks.push(Mark {
                queue: number,
                anybody: std::mem::take(&mut queue.woken_all),
                members: queue.members.take_woken(),
            });
        }
    }

    /// As if it became ready just now.
    pub(crate) fn mark_again(&mut self, marks: &[Mark]) {
        for mark in marks {
            let Some(queue) = self.queues.try_get_mut(mark.queue) else {
                continue;
            };
            queue.woken_all |= mark.anybody;
            for name in &mark.members {
                queue.members.wake(queue.members.holder(name));
            }
            self.list_woken(mark.queue);
        }
    }

    /// What of that can be received now, to the end of both.
    pub(crate) fn tell_woken(
        &self,
        marks: &[Mark],
        (queues, members): (&mut Vec<WokenQueue>, &mut Vec<WokenMember>),
    ) {
        for mark in marks {
            let Some(queue) = self.queues.try_get(mark.queue) else {
                continue;
            };
            let receivable = if mark.anybody {
                queue.receivable(NOBODY)
            } else {
                0
            };
            if receivable > 0 {
                queues.push((line(queue), receivable));
            }
            for name in &mark.members {
                let holder = queue.members.holder(name);
                let Some(member) = queue.members.get(holder) else {
                    continue;
                };
                let ready = queue.lists.count(member.list);
                if ready > 0 && queue.receivable(holder) > 0 {
                    members.push((line(queue), name.clone(), ready));
                }
            }
        }
    }
}

/// Where the polls of a queue's group wait.
fn line(queue: &Queue) -> Arc<str> {
    if queue.group.is_default() {
        return queue.name.clone();
    }
    [&*queue.name, "/", &*queue.group.name].concat().into()
}
