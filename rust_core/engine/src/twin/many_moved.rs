//! Members come and go, and what moves with them is more than one step moves: so anything may happen to it in between.

use super::members::{enqueue, heartbeat, poll};
use super::{SECOND, Twin, ack, config, message};
use crate::command::{Command, NewMessage};
use crate::config::QueueConfig;
use crate::ids::MessageId;
use crate::partition::Step;
use crate::record::Record;
use crate::reply::{Reply, State};
use crate::segmented::mix;

/// As `membership` has it.
const AT_ONCE_MAX: u32 = 512;

/// More than moves with one change of members at once.
const COUNT: u64 = 700;

const WORKERS: [&str; 3] = ["a", "b", "c"];

/// Draws that are the same each time.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = mix(self.0);
        self.0 % bound
    }

    fn worker(&mut self) -> &'static str {
        WORKERS[self.below(3) as usize]
    }
}

fn leave(consumer: &str) -> Command {
    Command::Leave {
        queue: "q".into(),
        group: "default".into(),
        consumer: consumer.into(),
    }
}

fn fill(twin: &mut Twin, draws: &mut Draws) -> Vec<MessageId> {
    let expiring = |key| NewMessage {
        ttl_ms: Some(9 * SECOND),
        priority: (key % 3) as u8,
        ..keyed(key)
    };
    let first = draws.below(1 << 40);
    let step = enqueue(twin, (first..first + COUNT).map(expiring).collect());
    let Reply::Enqueued(accepted) = &step.replies[0] else {
        panic!("not accepted")
    };
    let ids = accepted.iter().map(|one| one.clone().unwrap().message);
    ids.collect()
}

/// Whether something is due still: then the step did some of it.
fn is_behind(twin: &Twin, step: &Step) -> bool {
    let is_due = |ms: u64| ms <= twin.now_ms;
    let is_behind = step.next_deadline_ms.is_some_and(is_due);
    assert!(!is_behind || !step.records.is_empty(), "it did nothing");
    is_behind
}

/// One of those that come and go; what else happens, happens behind it in the same step.
fn step(twin: &mut Twin, draws: &mut Draws, ids: &mut Vec<MessageId>) {
    let mut commands = vec![match draws.below(3) {
        0 => leave(draws.worker()),
        1 => heartbeat(draws.worker()),
        _ => poll(draws.worker(), 300),
    }];
    let touched = [0, draws.below(COUNT), COUNT][draws.below(3) as usize];
    for _ in 0..touched.min(ids.len() as u64) {
        let message = ids.swap_remove(draws.below(ids.len() as u64) as usize);
        commands.push(match draws.below(4) {
            0 => Command::ChangeMessage {
                message,
                delay_ms: None,
                priority: Some(7),
            },
            _ => Command::DeleteMessage { message },
        });
    }
    if draws.below(20) == 0 {
        commands.push(Command::PurgeQueue { name: "q".into() });
    }
    twin.wait(draws.below(2) * draws.below(5) * SECOND);
    let step = twin.step(commands);
    is_behind(twin, &step);
    if let Reply::Received { messages, .. } = &step.replies[0] {
        let done = messages.len() * draws.below(2) as usize;
        twin.step(messages[..done].iter().map(|one| ack(one.lease)).collect());
    }
}

#[test]
fn whatever_happens_to_what_is_to_be_moved_a_due_timer_does_something() {
    for seed in 0..6 {
        let (mut twin, mut draws) = (Twin::new(), Draws(seed));
        let config = QueueConfig {
            session_timeout_ms: 8 * SECOND,
            ..config()
        };
        twin.create("q", config);
        let mut ids = fill(&mut twin, &mut draws);
        for _ in 0..14 {
            step(&mut twin, &mut draws, &mut ids);
            if ids.len() < COUNT as usize / 2 {
                ids = fill(&mut twin, &mut draws);
            }
        }
        loop {
            let step = twin.step(vec![]);
            if !is_behind(&twin, &step) {
                break;
            }
        }
        let state = twin.live.state();
        assert!(state.reassigning.is_empty() && state.returning.is_empty());
    }
}

fn keyed(key: u64) -> NewMessage {
    NewMessage {
        ordering_key: Some(key),
        ..message()
    }
}

#[test]
fn when_what_was_to_be_assigned_anew_is_gone_nothing_is_left_to_do() {
    let mut twin = Twin::new();
    twin.create("q", config());
    let count = u64::from(AT_ONCE_MAX) + 1;
    let step = enqueue(&mut twin, (0..count).map(keyed).collect());
    let Reply::Enqueued(accepted) = &step.replies[0] else {
        panic!("not accepted")
    };
    let message = accepted.last().unwrap().clone().unwrap().message;
    let step = twin.step(vec![heartbeat("a"), Command::DeleteMessage { message }]);
    assert_ne!(step.next_deadline_ms, Some(twin.now_ms));
    let late = NewMessage {
        delay_ms: Some(SECOND),
        ..keyed(count)
    };
    let late = twin.enqueue("q", late).message;
    twin.wait(SECOND).step(vec![]);
    assert_eq!(twin.message(late).state, State::Ready, "timers go on");
}

#[test]
fn many_who_come_or_go_in_one_step_move_no_more_than_a_few_do() {
    let mut twin = Twin::new();
    twin.create("q", config());
    enqueue(&mut twin, (0..4000).map(keyed).collect());
    let moved = |records: &[Record]| -> u32 {
        let moved = |record: &Record| match record {
            Record::Reassigned { count, .. } | Record::Returned { count, .. } => *count,
            _ => 0,
        };
        records.iter().map(moved).sum()
    };
    let step = twin.step(["a", "b", "c"].map(heartbeat).into());
    assert_eq!(moved(&step.records), 2 * AT_ONCE_MAX);
    while twin.step(vec![]).next_deadline_ms == Some(twin.now_ms) {}
    let step = twin.step(["a", "b", "c"].map(leave).into());
    assert_eq!(moved(&step.records), 2 * AT_ONCE_MAX);
    assert_eq!(step.next_deadline_ms, Some(twin.now_ms));
    while twin.step(vec![]).next_deadline_ms == Some(twin.now_ms) {}
    assert_eq!(twin.receive("q", 5000).len(), 4000);
}
