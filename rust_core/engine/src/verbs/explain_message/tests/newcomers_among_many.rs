//! What somebody is told who is no member yet, and becomes one by asking.

use super::*;

const MEMBERS: u32 = 80;

fn receive_as_one_of_many(twin: &mut Twin, consumer: &str) -> Vec<MessageId> {
    let mut command = receive("q", 1000);
    if let Command::Receive {
        consumer: of,
        members_max,
        ..
    } = &mut command
    {
        *of = consumer.into();
        *members_max = u64::from(MEMBERS) + 1;
    }
    let Reply::Received { messages, .. } = twin.ask(command) else {
        panic!("no answer")
    };
    messages.iter().map(|one| one.lease.message).collect()
}

/// How many go before it to a newcomer; None: it is not for that one.
fn ahead_of(twin: &mut Twin, message: MessageId) -> Option<u32> {
    let (group, consumer) = (None, Some("newcomer".into()));
    let explained = twin.ask(Command::ExplainMessage {
        message,
        group,
        consumer,
    });
    let Reply::Explained(explanation) = explained else {
        panic!("{explained:?}")
    };
    match explanation.reasons.as_slice() {
        [] => Some(0),
        [Reason::Behind { ahead, more: false }] => Some(*ahead),
        [Reason::KeyAssigned { .. }, ..] => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_come_from_every_member_and_in_the_order_that_was_foretold() {
    let mut twin = Twin::new();
    twin.create("q", config());
    for number in 0..MEMBERS {
        receive_as_one_of_many(&mut twin, &format!("member {number:02}"));
    }
    let keyed = |key| NewMessage {
        ordering_key: Some(key),
        ..message()
    };
    let ids: Vec<_> = (0..300)
        .map(|key| twin.wait(1).enqueue("q", keyed(key)).message)
        .collect();
    let told = ids.iter().map(|&id| (ahead_of(&mut twin, id), id));
    let mut told: Vec<_> = told.filter_map(|(ahead, id)| Some((ahead?, id))).collect();
    told.sort_unstable_by_key(|&(ahead, _)| ahead);
    let ahead: Vec<_> = told.iter().map(|&(ahead, _)| ahead).collect();
    assert_eq!(ahead, (0..told.len() as u32).collect::<Vec<_>>());
    let told: Vec<_> = told.into_iter().map(|(_, id)| id).collect();
    assert!(told.len() > 3, "of 300 keys some come to one of 81");
    assert_eq!(receive_as_one_of_many(&mut twin, "newcomer"), told);
}
