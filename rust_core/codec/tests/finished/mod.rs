//! Records about results.

use engine::ids::{GROUP_DEFAULT, MessageId};
use engine::record::Record;

/// An ack that leaves a result, and results that are forgotten.
pub fn results(result_bytes: u32) -> [Record; 2] {
    [
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
    ]
}
