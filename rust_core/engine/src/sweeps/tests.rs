//! Tests of how a sweep finds its messages.

use super::*;

fn id(number: u64) -> MessageId {
    MessageId {
        number,
        slot: number as u32,
    }
}

#[test]
fn a_scan_finds_the_lowest_numbers_and_looks_again_for_the_rest() {
    let count = FOUND_MAX as u64 + 10;
    let (mut scan, mut cursor, mut seen) = (Scan::default(), 0, 0);
    while !scan.pass(cursor) {
        while let Some(slots) = scan.slots(2, 1) {
            // Slot 0 holds the even numbers, slot 1 the odd ones, the highest first.
            let odd = u64::from(slots.start);
            let numbers = (cursor + 1..=count).rev().filter(|n| n % 2 == odd);
            for number in numbers {
                if scan.wants(number) {
                    scan.take(id(number));
                }
            }
            scan.looked_at(slots.end, 2);
        }
        for next in scan.iter().take(200) {
            assert_eq!(next.number, seen + 1);
            (seen, cursor) = (next.number, next.number);
        }
    }
    assert_eq!(seen, count);
}

#[test]
fn all_copies_of_a_message_are_found_at_once_though_they_are_more_than_fit() {
    // One of the first message, and two of each other: an odd one is left out in the middle of a pair.
    let count = FOUND_MAX as u64 / 2 + 10;
    let (mut scan, mut cursor, mut seen) = (Scan::default(), 0, BTreeMap::new());
    while !scan.pass(cursor) {
        while let Some(slots) = scan.slots(2, 1) {
            let first = 1 + u64::from(slots.start);
            for number in first.max(cursor + 1)..=count {
                if scan.wants(number) {
                    scan.take(id(number));
                }
            }
            scan.looked_at(slots.end, 2);
        }
        let page: Vec<u64> = scan.iter().map(|id| id.number).collect();
        let Some(&last) = page.iter().take(SWEEP_ACTED_MAX / 2).next_back() else {
            continue;
        };
        for number in page.into_iter().filter(|&number| number <= last) {
            *seen.entry(number).or_insert(0) += 1;
        }
        cursor = last;
    }
    let copies = |number| (number, if number == 1 { 1 } else { 2 });
    assert!(seen.into_iter().eq((1..=count).map(copies)));
}

#[test]
fn what_had_its_turn_while_others_were_looked_at_is_not_found() {
    let mut scan = Scan::default();
    (1..=4).for_each(|number| scan.take(id(number)));
    scan.looked_at(1, 2);
    (5..=6).for_each(|number| scan.take(id(number)));
    scan.looked_at(2, 2);
    assert!(!scan.pass(3));
    let found: Vec<u64> = scan.iter().map(|id| id.number).collect();
    assert_eq!(found, [4, 5, 6]);
}
