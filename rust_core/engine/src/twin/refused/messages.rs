//! Messages and their lists.

use super::{MAILS, NOWHERE, ORDERS, Taken, assert_refused};
use crate::checkpoint::MessageImage;
use crate::ids::MESSAGE_NUMBER_MAX;
use crate::message::{Flag, NONE, Place};

#[test]
fn a_message_whose_number_and_place_can_not_be() {
    assert_refused(
        "has the status",
        &[
            ("a number too large", |taken| {
                taken.message(Place::Ready, MAILS).number = MESSAGE_NUMBER_MAX + 1;
            }),
            ("no number", |taken| {
                taken.message(Place::Ready, MAILS).number = 0;
            }),
            ("no place", |taken| {
                taken.message(Place::Ready, MAILS).status &= !0b111;
            }),
            ("no such place", |taken| {
                taken.message(Place::Ready, MAILS).status |= 0b111;
            }),
        ],
    );
}

#[test]
fn a_message_that_contradicts_what_else_there_is() {
    assert_refused(
        "can't be",
        &[
            ("a number nobody gave", |taken| {
                taken.message(Place::Ready, MAILS).number = taken.head.numbered + 1;
            }),
            ("no such queue", |taken| {
                taken.message(Place::Ready, MAILS).queue = NOWHERE;
            }),
            ("no such ordering key", |taken| {
                taken.message(Place::Ready, ORDERS).key = taken.keys.len() as u32;
            }),
            ("another queue's ordering key", |taken| {
                taken.message(Place::Ready, MAILS).key = 0;
            }),
            ("no such fairness key", |taken| {
                taken.message(Place::Ready, ORDERS).flow = taken.flows.len() as u32;
            }),
            ("another queue's fairness key", |taken| {
                taken.message(Place::Ready, MAILS).flow = 0;
            }),
            ("blocked behind no key", |taken| {
                taken.message(Place::Blocked, ORDERS).key = NONE;
            }),
            ("leased until never", |taken| {
                taken.message(Place::Leased, MAILS).leased_until_ms = 0;
            }),
            ("ready, with a lease's end", |taken| {
                taken.message(Place::Ready, MAILS).leased_until_ms = 1;
            }),
            ("retries of its own that are not there", |taken| {
                taken.message(Place::Ready, MAILS).status ^= Flag::OwnRetries as u8;
            }),
            ("failures that are not there", |taken| {
                taken.message(Place::Ready, MAILS).status ^= Flag::Failed as u8;
            }),
            ("a death that is not there", |taken| {
                taken.message(Place::Ready, MAILS).status ^= Flag::Died as u8;
            }),
            ("failures that it does not know of", |taken| {
                let is_failed = |one: &&mut MessageImage| one.status & Flag::Failed as u8 != 0;
                taken.messages.iter_mut().find(is_failed).unwrap().status ^= Flag::Failed as u8;
            }),
            ("a next one that is not there", |taken| {
                taken.last(MAILS).next = taken.messages.len() as u32;
            }),
            ("a next one of another queue", |taken| {
                taken.last(MAILS).next = taken.slot(Place::Ready, ORDERS) as u32;
            }),
            ("a next one elsewhere", |taken| {
                taken.last(MAILS).next = taken.slot(Place::Leased, MAILS) as u32;
            }),
            ("a next one that does not know it", |taken| {
                taken.last(MAILS).next = taken.slot(Place::Ready, MAILS) as u32;
            }),
            ("one before that is not there", |taken| {
                taken.message(Place::Ready, MAILS).previous = taken.messages.len() as u32;
            }),
            ("one before of another queue", |taken| {
                let other = taken.slot(Place::Ready, ORDERS);
                taken.message(Place::Ready, MAILS).previous = other as u32;
            }),
            ("one before elsewhere", |taken| {
                let other = taken.slot(Place::Leased, MAILS);
                taken.message(Place::Ready, MAILS).previous = other as u32;
            }),
            ("one before that does not know it", |taken| {
                let (_, next) = taken.neighbours(Place::Ready, MAILS);
                taken.message(Place::Ready, MAILS).previous = next as u32;
            }),
        ],
    );
}

#[test]
fn a_list_in_two_parts() {
    fn cut(taken: &mut Taken, place: Place, queue: u32) {
        let (slot, next) = taken.neighbours(place, queue);
        taken.messages[slot].next = NONE;
        taken.messages[next].previous = NONE;
    }
    assert_refused(
        "a second end of its list",
        &[
            ("ready", |taken| cut(taken, Place::Ready, MAILS)),
            ("leased", |taken| cut(taken, Place::Leased, MAILS)),
        ],
    );
    assert_refused(
        "has one end",
        &[("of two priorities", |taken| {
            let (slot, _) = taken.neighbours(Place::Ready, MAILS);
            taken.messages[slot].priority += 1;
        })],
    );
}

#[test]
fn entries_that_are_missing_or_too_many() {
    assert_refused(
        "entries are there of",
        &[
            ("no messages", |taken| taken.messages.clear()),
            ("no ordering keys", |taken| taken.keys.clear()),
            ("no fairness keys", |taken| taken.flows.clear()),
            ("no dedup ids", |taken| taken.ids.clear()),
        ],
    );
    assert_refused(
        "block 0 holds",
        &[
            ("a message less", |taken| {
                taken.messages.pop();
            }),
            ("a message more", |taken| {
                taken.messages.push(taken.messages[0]);
            }),
            ("a dedup id less", |taken| {
                taken.ids.pop();
            }),
        ],
    );
}

#[test]
fn free_entries_that_are_in_use_or_have_no_end() {
    assert_refused(
        "is among the free ones",
        &[
            ("a message", |taken| {
                taken.head.arrays[0].1 = taken.slot(Place::Ready, MAILS) as u32;
            }),
            ("none there is", |taken| {
                taken.head.arrays[0].1 = taken.head.arrays[0].0;
            }),
            ("an id", |taken| taken.head.arrays[3].1 = 0),
            ("itself", |taken| {
                let free = taken.messages.iter().position(|one| one.number == 0);
                let free = free.expect("a message is gone");
                taken.messages[free].next = free as u32;
            }),
        ],
    );
}
