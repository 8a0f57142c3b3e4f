//! A recorded journal is replayed for ever, and then answers as it answered: what a replay makes of old records hangs
//! on no constant of today. `HANZO_RECORD=1 cargo test -p codec --test golden_journal` writes it when it is not there.
#![allow(clippy::disallowed_methods)] // a test of files reads files

mod journal;
mod said;

use codec::batch::{Batch, FORMAT_VERSION, FORMAT_VERSION_OLDEST};
use codec::hash::BATCH_HASH_NONE;
use engine::command::{
    Ack, Blob, Command, ConfigPatch, Extend, GiveBack, Nack, NewMessage, PeekFilter, PeekState,
    StartSweep,
};
use engine::config::{Backoff, QueueConfig, RateLimit};
use engine::record::Paused;
use engine::reply::{Delivered, Reply};
use engine::sweep::{SweepAction, SweepFilter, SweepPlan};
use journal::{BLOB, Writer, create, enqueue, message, partition, receive, with_dedup};
use said::says;
use std::fmt::Write;
use std::path::PathBuf;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden")
        .join(name)
}

/// A bit of everything.
fn written() -> Writer {
    let mut writer = Writer::new();
    let config = QueueConfig {
        dead_letter_queue: Some("mails-dlq".into()),
        dedup_window_ms: 10_000,
        ..QueueConfig::new(30_000, 3)
    };
    let limited = QueueConfig {
        rate_limit: Some(RateLimit {
            requests: 5,
            per_ms: 60_000,
            burst: 2,
        }),
        ..QueueConfig::new(30_000, 0)
    };
    writer.step(0, vec![create("mails", config), create("limited", limited)]);
    writer.lost("mails");
    writer.step(0, vec![create("gone", QueueConfig::new(30_000, 3))]);
    let keyed = |delay_ms| NewMessage {
        ordering_key: Some(5),
        delay_ms,
        max_retries: Some(0),
        backoff: Some(Backoff::DEFAULT),
        ..message()
    };
    let expiring = NewMessage {
        ttl_ms: Some(5000),
        priority: 9,
        ..message()
    };
    let mails = vec![
        keyed(Some(1000)),
        keyed(None),
        expiring,
        with_dedup(1),
        with_dedup(2),
        message(),
        message(),
    ];
    writer.step(
        5,
        vec![
            enqueue("mails", mails),
            enqueue("limited", vec![message(); 4]),
        ],
    );
    writer.step(
        5,
        vec![enqueue("gone", (0..1100).map(with_dedup).collect())],
    );
    leases(&mut writer);
    let delete = Command::DeleteQueue {
        name: "gone".into(),
    };
    writer.step(1, vec![delete]);
    (0..3).for_each(|_| {
        writer.step(0, vec![]);
    });
    let patch = ConfigPatch {
        dedup_window_ms: Some(60_000),
        ..ConfigPatch::default()
    };
    let name = "mails".into();
    writer.step(
        11_000,
        vec![Command::UpdateQueue {
            name,
            patch: patch.into(),
        }],
    );
    writer.step(0, vec![enqueue("mails", vec![with_dedup(3)])]);
    writer.step(30_000, vec![]);
    managed(&mut writer);
    groups(&mut writer);
    swept(&mut writer);
    writer.moved("mails");
    writer.fence();
    writer
}

/// What people do to queues and messages.
fn managed(writer: &mut Writer) {
    let config = QueueConfig {
        messages_max: 3,
        in_flight_max: 1,
        dead_retention_ms: 1000,
        ..QueueConfig::new(30_000, 3)
    };
    let expiring = NewMessage {
        ttl_ms: Some(1),
        ..message()
    };
    let mut held = with_dedup(9);
    held.dedup.as_mut().expect("it has one").until_done = true;
    let enqueued = enqueue("managed", vec![message(), held, expiring]);
    let commands = vec![create("managed", config), enqueued];
    let Reply::Enqueued(accepted) = writer.step(1, commands).remove(1) else {
        panic!("nothing was accepted")
    };
    let accepted = accepted
        .into_iter()
        .map(|one| one.expect("accepted").message);
    let messages: Vec<_> = accepted.collect();
    let change = Command::ChangeMessage {
        message: messages[0],
        delay_ms: Some(60_000),
        priority: Some(7),
    };
    let delete = Command::DeleteMessage {
        message: messages[1],
    };
    writer.step(1, vec![change, delete]);
    writer.step(1000, vec![]);
    let name: Box<str> = "managed".into();
    let what = Paused {
        enqueue: false,
        receive: true,
    };
    let purge = Command::PurgeQueue { name: name.clone() };
    let more = enqueue("managed", vec![with_dedup(9), message()]);
    writer.step(1, vec![purge, Command::PauseQueue { name, what }, more]);
}

fn receive_for(queue: &str, group: &str) -> Command {
    let mut command = receive(queue, 1);
    if let Command::Receive { group: of, .. } = &mut command {
        *of = group.into();
    }
    command
}

fn groups(writer: &mut Writer) {
    let create_group = Command::CreateGroup {
        queue: "shared".into(),
        group: "audit".into(),
        groups_max: 1,
    };
    let create = create("shared", QueueConfig::new(30_000, 3));
    let enqueue = enqueue("shared", vec![message(); 3]);
    let mut first = receive("shared", 2);
    if let Command::Receive { attempt, .. } = &mut first {
        *attempt = Some(1 << 100);
    }
    let received = writer.step(1, vec![create, create_group, enqueue, first]);
    let Some(Reply::Received { messages, .. }) = received.last() else {
        panic!("two are ready")
    };
    let lease = messages[0].lease;
    let receive = receive_for("shared", "audit");
    writer.step(1, vec![Command::Ack(Ack { lease }), receive]);
    let keyed = NewMessage {
        ordering_key: Some(7),
        ..message()
    };
    let leave = Command::Leave {
        queue: "shared".into(),
        group: "audit".into(),
        consumer: "worker-1".into(),
    };
    writer.step(1, vec![self::enqueue("shared", vec![keyed]), leave]);
}

/// A redrive that ends, one that does not, and one that is forgotten.
fn swept(writer: &mut Writer) {
    let fragile = QueueConfig {
        dead_letter_queue: Some("swept-dlq".into()),
        ..QueueConfig::new(30_000, 0)
    };
    let keyed = |key| NewMessage {
        ordering_key: Some(key),
        ..message()
    };
    let messages = enqueue("swept", vec![keyed(1), keyed(2), message()]);
    writer.step(1, vec![create("swept", fragile), messages]);
    for delivered in writer.received("swept", 3) {
        let nack = Nack {
            lease: delivered.lease,
            delay_ms: None,
            priority: None,
            error: None,
            reject: false,
        };
        writer.step(1, vec![Command::Nack(nack)]);
    }
    let start = |messages_max| {
        let plan = SweepPlan {
            action: SweepAction::Redrive { destination: None },
            filter: SweepFilter::default(),
            ids: None,
            messages_max,
            rate: None,
            dry_run: false,
        };
        Command::StartSweep(Box::new(StartSweep {
            queue: "swept-dlq".into(),
            plan,
            running_max: 2,
            kept_max: 0,
            kept_ms: 1000,
        }))
    };
    let step = |sweep| Command::StepSweep {
        sweep,
        choice: None,
    };
    writer.step(1, vec![start(2), step(1), step(1), step(1)]);
    let cancelled = Command::CancelSweep {
        sweep: 2,
        kept_ms: 1000,
    };
    writer.step(1, vec![start(1), cancelled, start(1)]);
}

fn leases(writer: &mut Writer) {
    let held = writer.received("mails", 5);
    let [expiring, one, two, three, four] = &held[..] else {
        panic!("five are ready")
    };
    let error = Some(Blob {
        index: 0,
        length: BLOB.len() as u32,
    });
    let nack = |delivered: &Delivered, reject| {
        Command::Nack(Nack {
            lease: delivered.lease,
            delay_ms: Some(500),
            priority: Some(3),
            error,
            reject,
        })
    };
    let leases = vec![GiveBack {
        lease: four.lease,
        ready_since_ms: four.ready_since_ms,
        told: four.told,
    }];
    let commands = vec![
        Command::Ack(Ack { lease: one.lease }),
        nack(two, false),
        nack(three, true),
        Command::Extend(Extend {
            lease: expiring.lease,
            visibility_timeout_ms: Some(60_000),
        }),
        Command::GiveBack { leases },
    ];
    writer.step(2, commands);
    for delivered in writer.received("limited", 2) {
        writer.step(1, vec![nack(&delivered, false)]);
    }
}

/// What the replayed partition answers.
fn account(journal: &[u8]) -> String {
    let (mut partition, mut previous, mut rest) = (partition(), BATCH_HASH_NONE, journal);
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let (bytes, tail) = tail.split_at(u32::from_le_bytes(*length) as usize);
        let batch =
            Batch::decode(bytes, partition.lsn() + 1, &previous).expect("a recording decodes");
        partition.replay(batch.header.lsn, batch.header.now_ms, &batch.records);
        (previous, rest) = (batch.hash, tail);
    }
    let now_ms = partition.now_ms();
    let mut text = format!(
        "lsn {} epoch {} now {now_ms}\n",
        partition.lsn(),
        partition.epoch()
    );
    let mut commands = vec![Command::ListQueues {
        prefix: "".into(),
        after: None,
        limit: 9,
    }];
    for queue in [
        "mails",
        "mails-dlq",
        "limited",
        "managed",
        "swept",
        "swept-dlq",
    ] {
        for state in [
            PeekState::Ready,
            PeekState::Blocked,
            PeekState::Delayed,
            PeekState::Leased,
            PeekState::Dead,
        ] {
            commands.push(Command::Peek {
                queue: queue.into(),
                group: "default".into(),
                state,
                filter: PeekFilter::default(),
                after: None,
                limit: 9,
                answer_bytes_max: 1 << 20,
            });
        }
    }
    commands.extend((1..=3).map(|sweep| Command::GetSweep {
        sweep,
        kept_ms: 1000,
    }));
    commands.push(enqueue("mails", (1..4).map(with_dedup).collect()));
    commands.extend(["mails", "mails-dlq", "limited"].map(|queue| receive(queue, 9)));
    commands.push(Command::ListGroups {
        queue: "shared".into(),
    });
    commands.extend(["default", "audit"].map(|group| receive_for("shared", group)));
    for command in commands {
        let reply = partition.step(now_ms, vec![command]).replies.remove(0);
        writeln!(text, "{reply:?}").expect("text grows");
    }
    text
}

/// The same account with each page of messages sorted: in which order they are shown is up to today's rules.
fn sorted_pages(account: &str) -> String {
    let lines = account.lines().map(|line| {
        let page = line.strip_prefix("Peeked { messages: [");
        let Some((messages, end)) = page.and_then(|page| page.rsplit_once("], more")) else {
            return line.to_owned();
        };
        let mut messages: Vec<&str> = messages
            .split("MessageView ")
            .map(|message| message.trim_end_matches(", "))
            .collect();
        messages.sort_unstable();
        format!("Peeked {{ messages: [{}], more{end}", messages.join(", "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn check(version: u16) {
    let (journal, answers) = (
        path(&format!("journal-v{version}.bin")),
        path(&format!("journal-v{version}.txt")),
    );
    if std::env::var_os("HANZO_RECORD").is_some() && !journal.exists() {
        assert_eq!(version, FORMAT_VERSION, "only the newest format is written");
        let written = written().journal;
        std::fs::write(&journal, &written).expect("the recording can be written");
        std::fs::write(&answers, account(&written)).expect("its account can be written");
    }
    let journal = std::fs::read(journal).expect("the recording is there");
    let then = std::fs::read_to_string(answers).expect("its account is there");
    let today = account(&journal);
    let (today, then) = (sorted_pages(&today), sorted_pages(&then));
    assert!(says(&today, &then), "then:\n{then}\ntoday:\n{today}");
}

#[test]
fn a_journal_of_every_format_answers_as_it_answered() {
    (FORMAT_VERSION_OLDEST..=FORMAT_VERSION).for_each(check);
}

#[test]
fn the_recording_has_every_kind_of_record() {
    let mut kinds = written().kinds;
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), 33, "{kinds:?}");
}
