//! Ranges that fill and go, and when what lies there is moved.

use super::*;

fn at(lsn: u64, length: u32) -> Location {
    Location {
        lsn,
        offset: 0,
        length,
    }
}

#[test]
fn a_range_is_closed_when_it_is_full_and_goes_when_nobody_refers_to_it() {
    let mut live = Live::new(100);
    for lsn in 1..=6 {
        live.begin(lsn);
        live.take(at(lsn, 40), true);
        live.journaled(60);
    }
    assert_eq!(live.counts(), [(2, 80), (2, 80), (2, 80)]);
    assert_eq!(live.oldest_lsn(), Some(0));
    live.drop(at(1, 40), true);
    live.drop(at(2, 40), true);
    assert_eq!(live.oldest_lsn(), Some(3));
    live.kept(3, 240);
    assert_eq!(live.counts(), [(2, 80), (2, 80)]);
}

/// Batches of 10,000 bytes, one a range, of which so much each is needed.
fn filled(needed: &[u32]) -> Live {
    let mut live = Live::new(10_000);
    for (lsn, &length) in (1..).zip(needed) {
        live.begin(lsn);
        live.journaled(10_000);
        if length > 0 {
            live.take(at(lsn, length), true);
        }
    }
    live.begin(needed.len() as u64 + 1);
    live
}

#[test]
fn moves_are_due_when_they_can_keep_pace_with_what_others_write_and_not_sooner() {
    let all = u64::MAX;
    let mostly = [9_900; 20];
    assert!(!filled(&mostly).is_due(all), "little is dead");
    let dead = |count| [&mostly[..], &[0; 9][..count]].concat();
    assert!(!filled(&dead(1)).is_due(all));
    // Bytes as many as those that are needed may come until the bound: moving those takes as long.
    assert!(filled(&dead(2)).is_due(all));
    assert!(
        !filled(&[1, 0]).is_due(all),
        "a little is moved quickly, so it can wait"
    );
    assert!(filled(&[1, 0, 0]).is_due(all));
    assert!(!filled(&[1, 0, 0]).is_due(1), "it can't go yet");
    assert!(!filled(&[0; 5]).is_due(all), "there is nothing to move");
}

#[test]
fn what_is_worked_off_in_any_order_is_moved_later_and_in_time() {
    let blobs = |live: &mut Live, each: &dyn Fn(&mut Live, Location)| {
        for lsn in 1..=12 {
            each(live, at(lsn, 990));
        }
    };
    let mut live = filled(&[0; 12]);
    (0..10).for_each(|_| blobs(&mut live, &|live, at| live.take(at, true)));
    let mut worked_off = |tenths: usize| {
        (0..tenths).for_each(|_| blobs(&mut live, &|live, at| live.drop(at, true)));
        live.is_due(u64::MAX)
    };
    assert!(
        !worked_off(6),
        "120,000 bytes are 15,000 short of the bound"
    );
    assert!(worked_off(1), "9,000 beyond it");
    // The same, where as much comes as goes.
    let mut live = filled(&[0; 12]);
    (0..4).for_each(|_| blobs(&mut live, &|live, at| live.take(at, true)));
    assert!(live.is_due(u64::MAX));
}

#[test]
fn less_may_come_ahead_where_more_goes_than_comes() {
    let mut live = Live::new(1000);
    live.take(at(1, 300), true);
    live.take(at(1, 299), true);
    assert_eq!(live.ahead(), 2000);
    live.drop(at(1, 300), true);
    assert_eq!(live.ahead(), 500, "half a range at least");
    live.journaled(100);
    assert_eq!(
        live.ahead(),
        1000,
        "twice what comes of all that does or goes"
    );
    live.journaled(300);
    assert_eq!(live.ahead(), 2000);
    live.drop(at(1, 299), true);
    live.journaled(1);
    assert_eq!((live.came, live.went), (401, 599), "a range together");
    live.journaled(1);
    assert_eq!((live.came, live.went), (201, 299));
    live.journaled(502);
    assert_eq!((live.came, live.went), (351, 149));
}

#[test]
fn what_is_moved_neither_came_nor_went() {
    let mut live = Live::new(1000);
    live.take(at(1, 40), true);
    live.shift(at(1, 40), at(2, 40), true);
    live.shift(Location::default(), at(2, 30), true);
    assert_eq!(live.counts(), [(2, 70)]);
    live.journaled(100);
    assert_eq!((live.came, live.went), (30, 0));
    live.journaled(100);
    assert_eq!((live.came, live.went), (130, 0), "that was another batch");
}

#[test]
fn small_blobs_are_not_moved_again_and_again_for_what_moving_them_costs() {
    let mut live = Live::new(10_000);
    for lsn in 1..=100 {
        live.begin(lsn);
        (0..250).for_each(|_| live.take(at(lsn, 10), true));
        live.journaled(250 * 42);
    }
    assert!(!live.is_due(u64::MAX));
}

#[test]
fn copies_do_not_put_off_what_is_due() {
    let mut live = filled(&[1000, 0, 0, 0]);
    assert!(live.is_due(u64::MAX));
    (0..1000).for_each(|_| live.take(at(1, 1000), false));
    assert!(live.is_due(u64::MAX), "one move moves them all");
}

#[test]
fn what_restored_ranges_take_is_shared_out_by_their_batches() {
    for lsn in [0, 1, 1023, 1024, 5000, u64::MAX] {
        let live = Live::restored(lsn, 100);
        assert_eq!(live.ranges[live.restored].first_lsn, lsn.saturating_add(1));
    }
    let mut live = Live::restored(4095, 100);
    live.journaled(50);
    live.kept(2048, 2048 * 3 + 50);
    assert_eq!(live.ranges[0].first_lsn, 2048);
    assert!(
        live.ranges
            .iter()
            .take(live.restored)
            .all(|range| range.bytes == 12)
    );
    let bytes: u64 = live.ranges.iter().map(|range| range.bytes).sum();
    assert_eq!(bytes, 2048 * 3 + 50);
}

#[test]
fn the_bound_is_twice_what_is_needed_and_a_segment_to_the_byte() {
    // What is here, what may come and what moving writes, as against the bound and what is freed before.
    assert!(filled(&[231, 9900, 0, 0]).is_due(2));
    assert!(!filled(&[232, 9900, 0, 0]).is_due(2));
    assert!(filled(&[1, 10_095, 0, 0]).is_due(3));
    assert!(!filled(&[1, 10_096, 0, 0]).is_due(3));
}
