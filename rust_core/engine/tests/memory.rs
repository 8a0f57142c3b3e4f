//! How much memory a message takes, counted by the allocator: what a backlog costs is what is promised.

#![allow(unsafe_code, reason = "counting allocations needs an allocator")]
#![allow(clippy::disallowed_macros, reason = "a measurement is printed")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::Partition;
use engine::command::{Command, DedupKey, NewMessage};
use engine::config::{QueueConfig, Settings};
use engine::ids::PartitionNumber;

/// Bytes held now.
static HELD: AtomicUsize = AtomicUsize::new(0);

struct Counting;

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MESSAGES: u64 = 1_000_000;
const NOW_MS: u64 = 1_700_000_000_000;

fn settings() -> Settings {
    Settings {
        queue_config: QueueConfig::new(30_000, 3),
        queues_max: 100_000,
        dedup_ids_max: u64::MAX,
        results_bytes_max: u64::MAX,
        segment_bytes: 64 << 20,
    }
}

fn message() -> NewMessage {
    NewMessage {
        fairness_key: Some(1),
        ..NewMessage::plain(1024)
    }
}

/// By how many bytes a message a partition grows that gets a million made by `make`, leased to `holder` if there is one.
fn bytes_a_message(make: impl Fn(u64) -> NewMessage, holder: Option<&str>) -> usize {
    let mut partition = Partition::new(PartitionNumber(0), settings());
    let create = Command::CreateQueue {
        name: "q".into(),
        config: QueueConfig::new(30_000, 3).into(),
    };
    partition.step(NOW_MS, vec![create]);
    let before = HELD.load(Ordering::Relaxed);
    for first in (0..MESSAGES).step_by(1000) {
        let messages = (first..first + 1000).map(&make).collect();
        partition.step(
            NOW_MS,
            vec![Command::Enqueue {
                queue: "q".into(),
                messages,
                atomic: false,
            }],
        );
        if let Some(consumer) = holder {
            partition.step(NOW_MS, vec![receive(consumer)]);
        }
    }
    assert_eq!(partition.message_count(), MESSAGES);
    (HELD.load(Ordering::Relaxed) - before) / MESSAGES as usize
}

fn receive(consumer: &str) -> Command {
    let (group, consumer) = ("default".into(), consumer.into());
    Command::Receive {
        queue: "q".into(),
        group,
        consumer,
        members_max: 1000,
        wait_ms: 0,
        messages_max: 1000,
        visibility_timeout_ms: None,
        answer_bytes_max: 8 << 20,
        attempt: None,
    }
}

/// One test, because the allocator counts for all threads.
#[test]
fn a_message_takes_a_cache_line_delayed_leased_or_not() {
    let ready = bytes_a_message(|_| message(), None);
    let delayed = bytes_a_message(
        |_| NewMessage {
            delay_ms: Some(1000),
            ..message()
        },
        None,
    );
    let scattered = bytes_a_message(
        |i| NewMessage {
            delay_ms: Some(1000 + i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 1_000_000),
            ..message()
        },
        None,
    );
    let leased = bytes_a_message(|_| message(), Some(""));
    let held = bytes_a_message(|_| message(), Some("worker"));
    let keyed = bytes_a_message(
        |i| NewMessage {
            ordering_key: Some(i / 100),
            ..message()
        },
        None,
    );
    let dedup = |i: u64| {
        Some(DedupKey {
            hash: u128::from(i) << 64 | u128::from(i.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            fingerprint: i,
            until_done: false,
        })
    };
    let window = bytes_a_message(
        |i| NewMessage {
            dedup: dedup(i),
            ..message()
        },
        None,
    ) - ready;
    println!(
        "bytes a message: ready {ready}, delayed {delayed}, until any time {scattered}, leased {leased}, by a member {held}, hundred a key {keyed}; a dedup id {window} more"
    );
    assert!(
        ready < 65 && delayed < 65 && leased < 65 && held < 66,
        "{ready}, {delayed}, {leased}, {held}"
    );
    assert!(keyed < 72 && scattered < 80, "{keyed}, {scattered}");
    assert!(window < 160, "{window}");
}
