//! Records that no step makes, of messages that somebody holds: whoever applies one stops, loudly, before the lease is
//! gone without a word.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Twin, config, message};
use crate::ids::{MessageId, QueueNumber};
use crate::record::Record;

/// What is said of a record of a leased message.
fn refusal(record: impl Fn(MessageId) -> Record) -> String {
    let mut twin = Twin::new();
    twin.create("q", config());
    twin.enqueue("q", message());
    let record = record(twin.receive("q", 1)[0].message);
    let applied = catch_unwind(AssertUnwindSafe(|| twin.live.state_mut().apply(&record)));
    let says = applied.expect_err("a lease is gone");
    match says.downcast::<String>() {
        Ok(text) => *text,
        Err(says) => says.downcast::<&str>().unwrap().to_string(),
    }
}

#[test]
fn a_leased_message_is_neither_deleted_nor_changed_nor_redriven() {
    let deleted = refusal(|message| Record::Deleted { message });
    assert!(deleted.contains("deleted that somebody holds"), "{deleted}");
    let changed = refusal(|message| Record::Changed {
        message,
        priority: 9,
        due_ms: None,
    });
    assert!(changed.contains("changed that isn't waiting"), "{changed}");
    let redriven = refusal(|message| Record::Redriven {
        message,
        queue: QueueNumber(0),
        new: MessageId { number: 2, slot: 1 },
        expires_at_ms: 0,
    });
    assert!(
        redriven.contains("leased message is redriven"),
        "{redriven}"
    );
}
