//! Whose turn it is: what share of a queue each fairness key gets, and how long anybody waits.

use std::collections::BTreeMap;

use super::checkpoints::CheckpointMove;
use super::{SECOND, Twin, ack, config, message, receive};
use crate::command::{Command, ConfigPatch, NewMessage};
use crate::config::{Fairness, QueueConfig, Scheduling, Weight};
use crate::reply::{Delivered, Reply};

pub(crate) fn of_key(hash: u64) -> NewMessage {
    NewMessage {
        fairness_key: Some(hash),
        ..message()
    }
}

pub(crate) fn many(queue: &str, messages: Vec<NewMessage>) -> Command {
    Command::Enqueue {
        queue: queue.into(),
        messages,
        atomic: false,
    }
}

pub(super) fn fairness(weights: &[(u64, u32)], in_flight_max: u32) -> Fairness {
    let weight = |&(hash, weight): &(u64, u32)| Weight {
        key: hash.to_string().into(),
        hash,
        weight,
    };
    Fairness {
        weights: weights.iter().map(weight).collect(),
        in_flight_max,
    }
}

/// The fairness key of a message that is there, 0: none.
pub(super) fn key(twin: &Twin, delivered: &Delivered) -> u64 {
    let state = twin.live.state();
    match state.messages[delivered.lease.message.slot].flow {
        crate::message::NONE => 0,
        flow => state.flows[flow].hash,
    }
}

/// Keys of the next deliveries, each done at once.
fn turns(twin: &mut Twin, count: usize) -> Vec<u64> {
    let mut turns = Vec::new();
    while turns.len() < count {
        let delivered = twin.receive("q", (count - turns.len()).min(20) as u32);
        assert!(!delivered.is_empty(), "the backlog ends");
        turns.extend(delivered.iter().map(|one| key(twin, one)));
        twin.step(delivered.iter().map(|one| ack(one.lease)).collect());
    }
    turns
}

fn shares(turns: &[u64]) -> BTreeMap<u64, usize> {
    let mut shares = BTreeMap::new();
    for &key in turns {
        *shares.entry(key).or_default() += 1;
    }
    shares
}

fn backlog(fairness: Fairness, keys: &[(u64, usize)]) -> Twin {
    let mut twin = Twin::new();
    let config = QueueConfig {
        fairness,
        ..config()
    };
    twin.create("q", config);
    for &(hash, count) in keys {
        twin.step(vec![many("q", vec![of_key(hash); count])]);
    }
    twin
}

#[test]
fn each_key_gets_its_share_and_another_one_once_weights_change() {
    let mut twin = backlog(
        fairness(&[(2, 2), (5, 5)], 0),
        &[(1, 600), (2, 600), (5, 600)],
    );
    twin.step(vec![many("q", vec![message(); 200])]);
    let near = |share: usize, expected: usize| share.abs_diff(expected) <= 2;
    let first = shares(&turns(&mut twin, 450));
    for (hash, weight) in [(0, 1), (1, 1), (2, 2), (5, 5)] {
        assert!(near(first[&hash], 50 * weight), "{first:?}");
    }
    twin.checkpoint(CheckpointMove::Begin);
    twin.checkpoint(CheckpointMove::End);
    twin.fence();
    let restored = shares(&turns(&mut twin, 450));
    for (hash, weight) in [(0, 1), (1, 1), (2, 2), (5, 5)] {
        assert!(near(restored[&hash], 50 * weight), "{restored:?}");
    }
    let patch = ConfigPatch {
        fairness_weights: Some(fairness(&[(1, 6)], 0).weights),
        ..Default::default()
    };
    let name = "q".into();
    twin.ask(Command::UpdateQueue {
        name,
        patch: patch.into(),
    });
    let second = shares(&turns(&mut twin, 450));
    for (hash, weight) in [(0, 1), (1, 6), (2, 1), (5, 1)] {
        assert!(near(second[&hash], 50 * weight), "{second:?}");
    }
}

#[test]
fn another_weight_is_true_of_the_turn_that_is_paid_for_already() {
    let keys: Vec<(u64, usize)> = (1..=9).map(|key| (key, 60)).collect();
    let mut twin = backlog(Fairness::default(), &keys);
    assert_eq!(turns(&mut twin, 5), [1, 2, 3, 4, 5]);
    let weigh = |twin: &mut Twin, weights: &[(u64, u32)]| {
        let patch = ConfigPatch {
            fairness_weights: Some(fairness(weights, 0).weights),
            ..Default::default()
        };
        let name = "q".into();
        twin.ask(Command::UpdateQueue {
            name,
            patch: patch.into(),
        });
    };
    weigh(&mut twin, &[(3, 100)]);
    assert_eq!(turns(&mut twin, 4), [6, 7, 8, 9], "their turn was due");
    assert_eq!(turns(&mut twin, 20), [3; 20]);
    weigh(&mut twin, &[]);
    assert_eq!(turns(&mut twin, 4), [1, 2, 4, 5]);
}

const SLOW: u64 = 9;

/// Ten consumers, and two keys of the same weight: each key gets half of the consumers' time.
fn quick_and_slow(mut slow_ready: usize) -> (u64, u64) {
    let mut twin = backlog(Fairness::default(), &[(1, 1800), (SLOW, slow_ready)]);
    let (mut busy, mut counts) = (Vec::<(u64, Delivered)>::new(), BTreeMap::new());
    for _ in 0..300 {
        let now_ms = twin.wait(100).now_ms;
        let (over, rest) = busy
            .into_iter()
            .partition(|&(until_ms, _)| until_ms <= now_ms);
        busy = rest;
        let over: Vec<(u64, Delivered)> = over;
        let mut commands: Vec<_> = over.iter().map(|(_, one)| ack(one.lease)).collect();
        let sent = counts.get(&SLOW).map_or(0, |&sent| sent as usize);
        if sent == slow_ready {
            commands.push(many("q", vec![of_key(SLOW)]));
            slow_ready += 1;
        }
        commands.push(receive("q", 10 - busy.len() as u32));
        let replies = twin.step(commands).replies;
        let Some(Reply::Received { messages, .. }) = replies.last() else {
            panic!("{replies:?}")
        };
        for one in messages {
            let key = key(&twin, one);
            *counts.entry(key).or_insert(0_u64) += 1;
            let lasts_ms = if key == SLOW { 1000 } else { 100 };
            busy.push((now_ms + lasts_ms, one.clone()));
        }
    }
    (counts[&1], counts[&SLOW])
}

#[test]
fn a_key_whose_messages_take_ten_times_as_long_gets_a_tenth_of_the_deliveries() {
    let (quick, slow) = quick_and_slow(400);
    let ratio = quick as f64 / slow as f64;
    assert!((8.5..11.5).contains(&ratio), "{quick} to {slow}");
}

#[test]
fn a_key_whose_backlog_is_one_message_gets_no_more() {
    let (quick, slow) = quick_and_slow(1);
    let ratio = quick as f64 / slow as f64;
    assert!(ratio > 8.5, "{quick} to {slow}");
}

#[test]
fn between_two_turns_of_a_key_no_other_has_more_than_its_weight_says() {
    let weights = [(1, 1), (3, 3), (7, 7), (2, 2)];
    let mut twin = backlog(fairness(&weights, 0), &weights.map(|(hash, _)| (hash, 400)));
    let turns = turns(&mut twin, 500);
    for (hash, weight) in weights {
        for others in turns.split(|&turn| turn == hash) {
            let others = shares(others);
            for (other, count) in others {
                let most = (other as usize).div_ceil(weight as usize) + 1;
                assert!(count <= most, "{count} of {other} between two of {hash}");
            }
        }
    }
}

/// New keys come without end, faster than anybody is served.
#[test]
fn keys_that_come_later_never_go_before_one_that_waits_since_its_last_turn() {
    let mut twin = backlog(Fairness::default(), &[(1, 100)]);
    let (mut fresh, mut since, mut waiting, mut served) = (1000, 0, 0, 0);
    for _ in 0..100 {
        twin.step(vec![many("q", (fresh..fresh + 8).map(of_key).collect())]);
        fresh += 8;
        for turn in turns(&mut twin, 5) {
            since += 1;
            if turn == 1 {
                assert!(since <= waiting + 1, "{since} turns, {waiting} keys waited");
                let lanes: BTreeMap<u32, ()> = {
                    let state = twin.live.state();
                    let ready = state.queues.iter().flat_map(|queue| {
                        queue
                            .lists
                            .all()
                            .flat_map(|(_, ready)| ready.iter(&state.messages))
                    });
                    ready.map(|slot| (state.messages[slot].flow, ())).collect()
                };
                // Those of this step's five turns that came after it waited too.
                (since, waiting, served) = (0, lanes.len() + 5, served + 1);
            }
        }
    }
    assert!(served >= 4, "{served} turns");
}

#[test]
fn a_message_waits_no_longer_than_its_level_is_lower_whatever_comes() {
    let mut twin = Twin::new();
    let config = QueueConfig {
        scheduling: Scheduling::Fair { aging_ms: SECOND },
        ..config()
    };
    twin.create("q", config);
    let low = twin.enqueue(
        "q",
        NewMessage {
            priority: 2,
            ..of_key(1)
        },
    );
    let began_ms = twin.now_ms;
    for round in 0.. {
        let high = (0..4).map(|i| NewMessage {
            priority: 7,
            ..of_key(2 + (round + i) % 3)
        });
        twin.step(vec![many("q", high.collect())]);
        // The high ones go as they come, until the low one's five seconds are over.
        let delivered = twin.wait(100).receive("q", 4);
        let waited_ms = twin.now_ms - began_ms;
        let is_low = |one: &Delivered| one.message == low.message;
        if delivered.iter().any(is_low) {
            assert!((5000..5300).contains(&waited_ms), "{waited_ms}");
            break;
        }
        assert!(waited_ms < 5300, "it starves");
        twin.step(delivered.iter().map(|one| ack(one.lease)).collect());
    }
}

#[test]
fn a_key_that_comes_gains_nothing_by_having_been_away() {
    let mut twin = backlog(Fairness::default(), &[(1, 40)]);
    assert_eq!(turns(&mut twin, 10), [1; 10]);
    twin.step(vec![many("q", vec![of_key(2); 40])]);
    let next = shares(&turns(&mut twin, 20));
    assert_eq!(
        (next[&1], next[&2]),
        (10, 10),
        "no credit for having been away"
    );
}
