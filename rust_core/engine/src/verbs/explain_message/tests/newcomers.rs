//! Whoever is no member yet becomes one by asking, and is told what it would get then.

use super::*;

fn keyed(key: u64) -> NewMessage {
    NewMessage {
        ordering_key: Some(key),
        ..message()
    }
}

/// Two members, one of which holds a message of a key; twenty other keys at rest, and messages without any among them.
fn queue() -> (Twin, Vec<MessageId>) {
    let mut twin = Twin::new();
    twin.create("q", config());
    for name in ["ann", "bob"] {
        assert_eq!(receive_as(&mut twin, name, 1), []);
    }
    let held = twin.enqueue("q", keyed(99)).message;
    let names = ["ann", "bob"];
    assert!(names.map(|name| receive_as(&mut twin, name, 1)).concat() == [held]);
    let mut ids = vec![twin.enqueue("q", keyed(99)).message];
    for key in 0..20 {
        ids.push(twin.enqueue("q", keyed(key)).message);
        ids.push(twin.enqueue("q", message()).message);
    }
    (twin, ids)
}

fn told(twin: &mut Twin, message: MessageId, consumer: Option<&str>) -> Vec<Reason> {
    let command = Command::ExplainMessage {
        message,
        group: None,
        consumer: consumer.map(Into::into),
    };
    match twin.ask(command) {
        Reply::Explained(explanation) => explanation.reasons,
        other => panic!("{other:?}"),
    }
}

fn is_elsewhere(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::KeyAssigned {
            elsewhere: true,
            ..
        }
    )
}

#[test]
fn it_gets_what_was_foretold_in_that_order_and_nothing_else() {
    let (mut twin, ids) = queue();
    let mut foretold: Vec<(u32, MessageId)> = Vec::new();
    for &id in &ids {
        let reasons = told(&mut twin, id, Some("new"));
        match reasons[..] {
            [] => foretold.push((0, id)),
            [Reason::Behind { ahead, more: false }] => foretold.push((ahead, id)),
            _ => assert!(reasons.iter().any(is_elsewhere), "{reasons:?}"),
        }
    }
    let blocked = told(&mut twin, ids[0], Some("new"));
    assert!(matches!(
        blocked[..],
        [Reason::OrderingKey { .. }, Reason::KeyAssigned { .. }]
    ));
    assert!(
        (21..40).contains(&foretold.len()),
        "some keys come, not all"
    );
    foretold.sort_unstable();
    assert!(
        foretold
            .iter()
            .map(|(ahead, _)| *ahead)
            .eq(0..foretold.len() as u32)
    );
    let got = receive_as(&mut twin, "new", 100);
    assert!(got.into_iter().eq(foretold.into_iter().map(|(_, id)| id)));
}

#[test]
fn nobody_is_no_newcomer() {
    let (mut twin, ids) = queue();
    for consumer in [None, Some("")] {
        let last = told(&mut twin, *ids.last().expect("many"), consumer);
        let (ahead, more) = (19, false);
        assert_eq!(
            last,
            [Reason::Behind { ahead, more }],
            "those without a key"
        );
        let assigned = |reason: &Reason| matches!(reason, Reason::KeyAssigned { .. });
        for (at, &id) in ids[1..].iter().enumerate() {
            let has_key = at % 2 == 0;
            assert_eq!(told(&mut twin, id, consumer).iter().any(assigned), has_key);
        }
    }
}
