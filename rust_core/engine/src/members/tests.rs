//! Of who its members are, what they hold, and who is woken.

use super::*;

fn members(names: &[&str]) -> Members {
    let mut members = Members::default();
    let names = (2..).zip(names);
    names.for_each(|(list, name)| members.join(name, 0, list));
    members
}

fn owners(members: &Members) -> Vec<Arc<str>> {
    let owner = |key| members.of_key(mix(key)).expect("somebody").name.clone();
    (0..10_000).map(owner).collect()
}

#[test]
fn keys_are_spread_evenly_and_only_those_of_who_comes_or_goes_change_hands() {
    let names: Vec<String> = (0..10).map(|i| format!("worker-{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (ten, nine) = (owners(&members(&names)), owners(&members(&names[1..])));
    for name in &names {
        let keys = ten.iter().filter(|owner| ***owner == **name).count();
        assert!((850..1150).contains(&keys), "{keys} of 10,000");
    }
    for (before, after) in ten.iter().zip(&nine) {
        assert!(before == after || **before == *names[0]);
    }
    assert_eq!(owners(&members(&names)), ten, "who comes back has his keys");
}

#[test]
fn who_would_have_a_key_has_it_once_a_member() {
    let (before, after) = (members(&["a", "c", "d"]), members(&["a", "b", "c", "d"]));
    for key in (0..1000).map(mix) {
        let owner = after.of_key(key).expect("somebody");
        assert_eq!(before.would_have(key, "b"), *owner.name == *"b");
    }
}

#[test]
fn what_a_member_holds_is_known_until_it_is_let_go_or_the_member_leaves() {
    let mut members = members(&["a", "b"]);
    let of = |members: &Members, name| members.holder(name);
    let first = of(&members, "a");
    members.hold(first, 7);
    members.hold(first, 8);
    members.let_go(first, 8);
    assert_eq!(members.held().collect::<Vec<_>>(), [(first, 7)]);
    assert_eq!(members.name(first).map(|name| &**name), Some("a"));
    members.leave("a");
    assert_eq!((members.name(first), members.to_return(9)), (None, 1));
    members.join("a", 0, 4);
    let again = of(&members, "a");
    assert_ne!(again, first, "what she held is not hers again");
    members.hold(again, 10);
    assert_eq!(
        members.held().collect::<Vec<_>>(),
        [(again, 10), (first, 7)]
    );
    assert_eq!(members.next_to_return(9), [7]);
    members.let_go(first, 7);
    assert_eq!((members.to_return(9), members.left.len()), (0, 0));
    members.join("c", 0, 5);
    assert_eq!(of(&members, "c"), first, "nobody is called so any more");
    assert_eq!(of(&members, "d"), NOBODY);
}

#[test]
fn who_comes_in_the_place_of_one_that_was_woken_is_not_woken_by_it() {
    let mut members = members(&["a", "b"]);
    members.wake_all();
    members.leave("a");
    members.join("c", 0, 4);
    members.wake_all();
    let woken = members.take_woken();
    assert_eq!(woken, ["b".into(), "c".into()]);
    members.wake(members.holder("c"));
    members.leave("c");
    members.join("d", 0, 5);
    assert!(members.take_woken().is_empty());
}
