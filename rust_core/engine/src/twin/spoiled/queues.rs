//! Of queues, keys and dedup ids, and of what is free.

use super::*;

#[test]
fn behind_an_ordering_key_wait_its_blocked_messages() {
    fn of_orders(taken: &mut Taken) -> Vec<KeyImage> {
        let waits = |one: &&KeyImage| one.queue == ORDERS && one.waiting.0 != NONE;
        let keys: Vec<KeyImage> = taken.keys().iter().filter(waits).copied().collect();
        assert_eq!(keys.len(), 2);
        keys
    }
    fn first(taken: &mut Taken) -> &mut (u32, u32) {
        let waiting = of_orders(taken)[0].waiting;
        let mut keys = taken.keys().iter_mut();
        &mut keys.find(|one| one.waiting == waiting).unwrap().waiting
    }
    assert_refused(
        "nothing waits behind it",
        &[
            |taken| first(taken).0 = taken.messages().len() as u32,
            |taken| first(taken).1 = taken.messages().len() as u32,
            |taken| first(taken).0 = of_orders(taken)[1].waiting.0,
            |taken| first(taken).1 = of_orders(taken)[1].waiting.1,
            |taken| first(taken).0 = of_orders(taken)[0].head,
            |taken| first(taken).1 = of_orders(taken)[0].head,
        ],
    );
}

#[test]
fn a_key_is_of_a_queue_and_there_once() {
    assert_refused(
        "is of no queue, or twice",
        &[
            |taken| key(taken).queue = NOBODY,
            |taken| key(taken).head = taken.messages().len() as u32,
            |taken| {
                let of = *key(taken);
                let mut others = taken.keys().iter_mut();
                let other = others.find(|one| is_other(one.queue, one.hash, of.hash));
                other.unwrap().hash = of.hash;
            },
            |taken| flow(taken).queue = NOBODY,
            |taken| flow(taken).messages = 0,
            |taken| {
                let of = *flow(taken);
                let mut others = taken.flows().iter_mut();
                let other = others.find(|one| is_other(one.queue, one.hash, of.hash));
                other.unwrap().hash = of.hash;
            },
        ],
    );
}

/// Of the two keys of orders that are in use, the other one.
fn is_other(queue: QueueNumber, hash: u64, than: u64) -> bool {
    queue == ORDERS && [5, 6].contains(&hash) && hash != than
}

/// Of an ordering key of orders that is in use.
fn key(taken: &mut Taken) -> &mut KeyImage {
    let key = taken.first(ORDERS, Place::Blocked).key;
    &mut taken.keys()[key as usize]
}

fn flow(taken: &mut Taken) -> &mut FlowImage {
    let flow = taken.first(ORDERS, Place::Blocked).flow;
    &mut taken.flows()[flow as usize]
}

#[test]
fn a_chain_of_free_entries_has_free_entries_and_an_end() {
    for array in 0..4 {
        let (mut taken, _) = taken();
        let (len, first) = taken.head.arrays[array];
        assert_ne!(first, NONE, "array {array} has a free entry");
        taken.head.arrays[array].1 = len;
        let refusal = taken.restored().unwrap_err();
        assert!(
            refusal.ends_with(&format!("{len} is among the free ones")),
            "{refusal}"
        );
    }
    assert_refused(
        "is among the free ones",
        &[
            |taken| {
                let first = taken.head.arrays[0].1;
                taken.at(first).next = first;
            },
            |taken| {
                let first = taken.head.arrays[1].1;
                taken.keys()[first as usize].head = first;
            },
            |taken| {
                let first = taken.head.arrays[2].1;
                taken.flows()[first as usize].messages = first;
            },
            |taken| {
                let first = taken.head.arrays[3].1;
                taken.ids()[first as usize].next = first;
            },
            |taken| taken.head.arrays[0].1 = taken.list(ORDERS, Place::Ready)[0],
            |taken| {
                let used = taken.ids().iter().position(|id| id.message.number > 0);
                taken.head.arrays[3].1 = used.unwrap() as u32;
            },
        ],
    );
    assert_refused(
        "can't be",
        &[|taken| {
            let first = taken.head.arrays[0].1;
            taken.head.arrays[0].1 = taken.at(first).next;
        }],
    );
}

#[test]
fn runs_of_dedup_ids_end_and_share_none() {
    fn runs(taken: &mut Taken, queue: QueueNumber) -> &mut Vec<(u32, u32)> {
        &mut taken.queues()[queue.0 as usize].1.dedup_runs
    }
    assert_refused(
        "its dedup ids don't end",
        &[
            |taken| {
                let (head, _) = runs(taken, ORDERS)[0];
                runs(taken, LONE).push((head, head));
            },
            |taken| {
                let ids = taken.ids().len() as u32;
                runs(taken, LONE).push((ids, ids));
            },
            |taken| {
                let free = taken.head.arrays[3].1;
                runs(taken, ORDERS)[0].0 = free;
            },
            |taken| {
                let (head, tail) = runs(taken, ORDERS)[0];
                assert_ne!(head, tail);
                taken.ids()[head as usize].next = head;
            },
        ],
    );
}

#[test]
fn queues_are_those_that_were_given_and_lists_those_that_were_numbered() {
    assert_refused("queues are there of", &[|taken| taken.head.queues -= 1]);
    assert_refused(
        "isn't deleted",
        &[
            |taken| taken.head.reaping.push(LONE),
            |taken| {
                taken.head.reaping.push(NOBODY);
            },
        ],
    );
    assert_refused(
        "queue 0 can't be",
        &[
            |taken| taken.queues()[0].1.source = NOBODY,
            |taken| taken.queues()[0].1.source = GONE,
            |taken| taken.queues()[0].1.groups.push(NOBODY),
            |taken| taken.queues()[0].1.groups.push(GONE),
            |taken| taken.queues()[0].1.deleted = true,
        ],
    );
    assert_refused(
        "can't be",
        &[
            |taken| taken.queues()[LONE.0 as usize].1.name = "orders".into(),
            |taken| taken.queues()[GONE.0 as usize].1.source = QueueNumber(taken.head.queues),
        ],
    );
    assert_refused(
        "a list without a number",
        &[
            |taken| taken.queues()[0].1.lists.0 += 100,
            |taken| taken.queues()[MAILS.0 as usize].1.members[0].list += 100,
        ],
    );
    assert_refused("out of order", &[|taken| taken.queues().swap(0, 1)]);
    // As far as there may be memory for those between.
    assert_refused(
        "comes after",
        &[|taken| taken.queues()[2].0 = (1 << 24) + 2],
    );
}
