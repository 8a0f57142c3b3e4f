//! A sweep of more messages than are found at once: it looks again, and each has its turn once, in order.

use super::sweeps::{redrive, start};
use super::turns::many;
use super::{Twin, config, message};
use crate::command::Command;
use crate::ids::MessageId;
use crate::partition::Partition;
use crate::reply::Reply;
use crate::sweep::{SWEEP_CHUNK_MAX, SweepAction, SweepPlan, SweepProgress};

const MESSAGES: usize = 70_000;
const STEPS_MAX: usize = MESSAGES / SWEEP_CHUNK_MAX + 100;

fn enqueue(partition: &mut Partition, now_ms: u64, count: usize) -> Vec<MessageId> {
    let command = many("q", vec![message(); count]);
    let Reply::Enqueued(results) = partition.step(now_ms, vec![command]).replies.remove(0) else {
        panic!("not enqueued")
    };
    let accepted = results.into_iter().map(|one| one.expect("accepted"));
    accepted.map(|one| one.message).collect()
}

/// The replica is not fed: comparing after each step takes too long with so many messages.
#[test]
fn each_of_more_messages_than_are_found_at_once_has_its_turn_once() {
    let mut twin = Twin::new();
    twin.create("q", config());
    let (mut partition, now_ms) = (twin.live, twin.now_ms);
    let first = enqueue(&mut partition, now_ms, 5000);
    enqueue(&mut partition, now_ms, MESSAGES - 5000);
    // The last numbers lie in the first slots.
    let delete = first
        .into_iter()
        .map(|message| Command::DeleteMessage { message });
    partition.step(now_ms, delete.collect());
    enqueue(&mut partition, now_ms, 5000);
    let plan = SweepPlan {
        action: SweepAction::Cancel,
        dry_run: true,
        ..redrive()
    };
    partition.step(now_ms, vec![start("q", plan)]);
    let step = Command::StepSweep {
        sweep: 1,
        choice: None,
    };
    let is_over = Reply::SweepStepped(SweepProgress::Over);
    let mut steps = 0..STEPS_MAX;
    let ended = steps.any(|_| partition.step(now_ms, vec![step.clone()]).replies[0] == is_over);
    assert!(ended, "it goes on and on");
    let tally = partition
        .state()
        .sweeps
        .get(1)
        .expect("it ended just now")
        .tally;
    assert_eq!((tally.matched, tally.skipped), (MESSAGES as u64, 0));
}
