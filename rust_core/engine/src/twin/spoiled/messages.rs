//! Of messages: what they belong to, where they lie, and who holds them.

use super::*;

#[test]
fn a_message_is_of_a_queue_and_of_that_queue_s_keys() {
    assert_refused(
        "can't be",
        &[
            |taken| taken.first(LONE, Place::Delayed).number = taken.head.numbered + 1,
            |taken| taken.first(LONE, Place::Delayed).queue = NOBODY,
            |taken| {
                let keys = taken.keys().len() as u32;
                taken.first(LONE, Place::Delayed).key = keys;
            },
            |taken| {
                let key = taken.first(ORDERS, Place::Blocked).key;
                taken.first(LONE, Place::Delayed).key = key;
            },
            |taken| {
                let flows = taken.flows().len() as u32;
                taken.first(LONE, Place::Delayed).flow = flows;
            },
            |taken| {
                let flow = taken.first(ORDERS, Place::Blocked).flow;
                taken.first(LONE, Place::Delayed).flow = flow;
            },
            |taken| taken.first(ORDERS, Place::Blocked).key = NONE,
        ],
    );
}

fn free_slot(taken: &mut Taken) -> &mut MessageImage {
    let mut slots = taken.messages().iter_mut();
    slots.find(|one| one.number == 0).expect("a free slot")
}

#[test]
fn what_is_leased_has_an_end_and_nothing_else_has_one() {
    assert_refused(
        "can't be",
        &[
            |taken| taken.first(MAILS, Place::Leased).leased_until_ms = 0,
            |taken| taken.first(ORDERS, Place::Ready).leased_until_ms = 1,
            |taken| free_slot(taken).leased_until_ms = 1,
        ],
    );
}

/// Says, or says no more, that there is more of a message.
fn flip(taken: &mut Taken, flag: Flag, has: bool) {
    let of = |one: &&mut MessageImage| one.number > 0 && (one.status & flag as u8 != 0) == has;
    let one = taken.messages().iter_mut().find(of);
    one.expect("such a message").status ^= flag as u8;
}

#[test]
fn what_is_kept_beside_messages_is_of_those_that_say_so() {
    assert_refused(
        "can't be",
        &[
            |taken| flip(taken, Flag::OwnRetries, true),
            |taken| flip(taken, Flag::OwnRetries, false),
            |taken| flip(taken, Flag::Failed, true),
            |taken| flip(taken, Flag::Failed, false),
            |taken| flip(taken, Flag::Died, true),
            |taken| flip(taken, Flag::Died, false),
        ],
    );
}

/// Links two messages, both ways.
fn link(taken: &mut Taken, previous: u32, next: u32) {
    taken.at(previous).next = next;
    taken.at(next).previous = previous;
}

#[test]
fn neighbours_know_each_other() {
    assert_refused(
        "can't be",
        &[
            |taken| {
                let slots = taken.messages().len() as u32;
                taken.first(LONE, Place::Delayed).next = slots;
            },
            |taken| {
                let slots = taken.messages().len() as u32;
                taken.first(LONE, Place::Delayed).previous = slots;
            },
            |taken| {
                let (one, other) = (
                    taken.list(ORDERS, Place::Delayed),
                    taken.list(LONE, Place::Delayed),
                );
                link(taken, one[3], other[0]);
            },
            |taken| {
                let (one, other) = (
                    taken.list(ORDERS, Place::Ready),
                    taken.list(ORDERS, Place::Delayed),
                );
                link(taken, other[3], one[0]);
            },
            |taken| {
                let list = taken.list(ORDERS, Place::Ready);
                taken.at(list[1]).next = NONE;
            },
            |taken| {
                let list = taken.list(ORDERS, Place::Ready);
                taken.at(list[2]).previous = NONE;
            },
            |taken| {
                let list = taken.list(ORDERS, Place::Ready);
                taken.at(list[0]).next = list[2];
                taken.at(list[1]).previous = NONE;
            },
            |taken| {
                let list = taken.list(ORDERS, Place::Ready);
                taken.at(list[2]).previous = list[0];
                taken.at(list[1]).next = NONE;
            },
        ],
    );
}

#[test]
fn a_list_has_two_ends() {
    let cut: Change = |taken| {
        let list = taken.list(ORDERS, Place::Delayed);
        (taken.at(list[1]).next, taken.at(list[2]).previous) = (NONE, NONE);
    };
    assert_refused(
        "a second end",
        &[cut, |taken| {
            let list = taken.list(MAILS, Place::Leased);
            (taken.at(list[0]).next, taken.at(list[1]).previous) = (NONE, NONE);
        }],
    );
    assert_refused(
        "has one end",
        &[|taken| {
            let list = taken.list(ORDERS, Place::Ready);
            taken.at(list[3]).priority += 1;
        }],
    );
}

#[test]
fn a_member_holds_what_is_leased_from_its_group() {
    fn hold(taken: &mut Taken, slot: u32) {
        let mails = &mut taken.queues()[MAILS.0 as usize].1;
        mails.members[0].leases.push(slot);
    }
    assert_refused(
        "is held and not leased",
        &[
            |taken| {
                let slots = taken.messages().len() as u32;
                hold(taken, slots);
            },
            |taken| {
                let slot = taken.list(MAILS, Place::Delayed)[0];
                hold(taken, slot);
            },
            |taken| {
                let slot = taken.list(MAILS, Place::Leased)[0];
                let orders = &mut taken.queues()[ORDERS.0 as usize].1;
                orders.left.push(vec![slot]);
            },
            |taken| {
                let slot = taken.list(MAILS, Place::Leased)[0];
                let mails = &mut taken.queues()[MAILS.0 as usize].1;
                mails.left.extend([vec![slot], vec![slot]]);
            },
        ],
    );
}

#[test]
fn each_member_has_a_name_of_its_own_and_they_are_few() {
    assert_refused(
        "its members can't be",
        &[
            |taken| taken.queues()[MAILS.0 as usize].1.members[0].name = "".into(),
            |taken| {
                let members = &mut taken.queues()[MAILS.0 as usize].1.members;
                members.push(members[0].clone());
            },
            |taken| {
                let left = &mut taken.queues()[MAILS.0 as usize].1.left;
                left.resize(usize::from(u16::MAX), vec![0]);
            },
        ],
    );
}

#[test]
fn blocks_are_whole_and_a_message_has_a_place_if_it_is_one() {
    for array in 0..4 {
        let (mut taken, _) = taken();
        taken.blocks.remove(array);
        let refusal = taken.restored().unwrap_err();
        assert!(refusal.starts_with("0 entries are there of"), "{refusal}");
    }
    assert_refused(
        "block 0 holds",
        &[
            |taken| _ = taken.messages().pop(),
            |taken| _ = taken.keys().pop(),
            |taken| _ = taken.flows().pop(),
            |taken| _ = taken.ids().pop(),
        ],
    );
    assert_refused("block 1 holds", &[|taken| taken.blocks[0].index = 1]);
    assert_refused(
        "has the status",
        &[
            |taken| taken.first(LONE, Place::Delayed).number = 1 << 48,
            |taken| taken.first(LONE, Place::Delayed).number = 0,
            |taken| taken.first(LONE, Place::Delayed).status = 0,
            |taken| taken.first(LONE, Place::Delayed).status |= 0b110,
        ],
    );
    assert_refused(
        "nothing can follow",
        &[
            |taken| taken.head.lsn = (1 << 48) - 1,
            |taken| taken.head.numbered = (1 << 48) - 1,
        ],
    );
    assert_refused(
        "lies at",
        &[
            |taken| taken.first(LONE, Place::Delayed).envelope.lsn = 1 << 48,
            |taken| taken.first(LONE, Place::Delayed).envelope.offset = 1 << 26,
            |taken| taken.first(LONE, Place::Delayed).envelope.length = 1 << 26,
        ],
    );
}
