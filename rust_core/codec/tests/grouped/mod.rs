//! Records about consumer groups and their members.

use engine::ids::{GroupNumber, QueueNumber};
use engine::record::Record;

/// Consumer groups and their members.
pub fn of_groups(queue: QueueNumber) -> [Record; 5] {
    let (name, consumer) = ("audit", "worker-1");
    [
        Record::GroupCreated {
            queue,
            group: GroupNumber(1),
            name: name.into(),
            shadow: QueueNumber(2),
        },
        Record::MemberJoined {
            queue,
            consumer: consumer.into(),
        },
        Record::Reassigned { queue, count: 300 },
        Record::MemberLeft {
            queue,
            consumer: consumer.into(),
        },
        Record::Returned { queue, count: 200 },
    ]
}
