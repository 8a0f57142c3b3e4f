//! Consumer groups. A further group is a queue in the shadow of another: its own lists, keys, limiter and counts,
//! the other's settings, and no name among the queues. The group `default` is the queue itself.

use std::sync::Arc;

use crate::ids::{GROUP_DEFAULT, GroupNumber, QueueNumber};

/// The name of the group every queue has.
pub(crate) const DEFAULT: &str = "default";

/// Which group of which queue a queue of the engine is.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub number: GroupNumber,
    pub name: Arc<str>,
    /// The queue it is a group of: itself for `default`.
    pub source: QueueNumber,
}

impl Group {
    /// The group `default` of a queue.
    pub fn default_of(queue: QueueNumber) -> Self {
        Group {
            number: GROUP_DEFAULT,
            name: DEFAULT.into(),
            source: queue,
        }
    }

    pub fn is_default(&self) -> bool {
        self.number == GROUP_DEFAULT
    }
}
