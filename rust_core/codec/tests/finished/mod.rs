//! Records about results, and of what is moved or lost.

use engine::ids::{GROUP_DEFAULT, Location, MessageId, Part};
use engine::record::{Followed, Record};

/// An ack that brings messages and leaves a result, and results that are forgotten.
pub fn results(result_bytes: u32) -> [Record; 7] {
    let followed = |number, duplicate| Followed {
        message: MessageId { number, slot: 7 },
        duplicate,
    };
    [
        Record::FollowedUp {
            message: MessageId {
                number: 8,
                slot: 2400,
            },
            group: GROUP_DEFAULT,
            messages: [followed(20, false), followed(3, true)].into(),
        },
        Record::Completed {
            message: MessageId {
                number: 8,
                slot: 2400,
            },
            group: GROUP_DEFAULT,
            expires_at_ms: 1_700_086_400_000,
            result_bytes,
        },
        Record::ResultsForgotten { count: 3 },
        Record::ResultsEvicted { count: 2 },
        Record::Moved {
            message: MessageId {
                number: 9,
                slot: 2700,
            },
            part: Part::Error,
            from: Location {
                lsn: 1 << 33,
                offset: 70_000,
                length: result_bytes,
            },
            blob_bytes: result_bytes,
        },
        lost(10, None),
        lost(11, Some(u128::MAX / 3)),
    ]
}

fn lost(number: u64, freed: Option<u128>) -> Record {
    let slot = 3000;
    let message = MessageId { number, slot };
    Record::Lost { message, freed }
}
