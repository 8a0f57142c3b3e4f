//! What has no time left, and whose turn has not come.

use super::*;
use crate::budget::{FIRED_BYTES_MAX, TIMER_BYTES_MAX};
use crate::twin::turns::many;

#[test]
fn what_is_over_and_waits_for_its_turn_says_whether_it_dies_or_goes() {
    let mut twin = Twin::new();
    let letters = QueueConfig {
        dead_retention_ms: 20 * SECOND,
        ..config()
    };
    twin.create("letters", letters);
    let config = QueueConfig {
        dead_letter_queue: Some("letters".into()),
        ttl_ms: SECOND,
        ..config()
    };
    twin.create("q", config);
    let more_than_a_step = (TIMER_BYTES_MAX / FIRED_BYTES_MAX) as usize + 1;
    let messages = vec![message(); more_than_a_step];
    twin.step(vec![many("q", messages)]);
    let last = |twin: &Twin| {
        let slab = &twin.live.state().messages;
        let ids = (0..slab.slots()).map(|slot| slab.id(slot));
        ids.max().expect("messages are there")
    };
    let id = last(&twin);
    for is_letter in [false, true] {
        let id = if is_letter { last(&twin) } else { id };
        let over = explain(twin.wait(20 * SECOND), id, None);
        assert_eq!(over.reasons[0], Reason::Expired { is_letter });
        assert!(!over.is_deliverable());
        twin.step(vec![]);
    }
}
