//! Who may receive what could not be received before: told by steps, for polls that wait.

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

impl State {
    /// What became ready since this was asked last.
    pub(crate) fn take_woken(&mut self) -> Woken {
        let mut woken = Woken::default();
        for number in std::mem::take(&mut self.woken) {
            let Some(queue) = self.queues.try_get_mut(number) else {
                continue;
            };
            queue.woken = false;
            let anybody = std::mem::take(&mut queue.woken_all);
            if anybody && queue.receivable("") > 0 {
                woken.queues.push((line(queue), queue.receivable("")));
            }
            let mut members = Vec::new();
            for (name, member) in queue.members.iter_mut() {
                if std::mem::take(&mut member.woken) {
                    members.push((name.clone(), queue.lists.count(member.list)));
                }
            }
            for (name, ready) in members.into_iter().filter(|(_, ready)| *ready > 0) {
                if queue.receivable(&name) > 0 {
                    woken.members.push((line(queue), (*name).into(), ready));
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
