//! The fuzzer's entries under arbitrary bytes, and under valid ones with a few bytes changed.

mod checkpointed;
mod entries;

use proptest::prelude::*;

fn changed(mut bytes: Vec<u8>, changes: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    for (at, byte) in changes {
        let at = at.index(bytes.len());
        bytes[at] = *byte;
    }
    bytes
}

fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    proptest::collection::vec(any::<(prop::sample::Index, u8)>(), 0..4)
}

const BODIES: [&str; 6] = [
    r#"{"name":"q","config":{"maxRetries":3,"rateLimit":{"requests":5,"per":"second"},"backoff":{"initial":0.5},
        "scheduling":{"mode":"fair","agingSeconds":5},"deadLetterQueue":"dlq","ttl":null}}"#,
    r#"{"config":{"delay":1,"dedupWindow":0.9,"scheduling":{"mode":"strict"}}}"#,
    r#"{"payload":{"a":[1,"\ud83d\ude00"]},"priority":9,"delay":0.5,"dedupId":"d","orderingKey":"\n","metadata":{}}"#,
    r#"{"messages":[{"payload":null},{"payload":[[]],"ttl":1,"maxRetries":0}],"atomic":true}"#,
    r#"{"receipt":"AAAAAAAAAAEAAAAAAAAAAAABAAAAAU2v0HkQ4mEJ_BQ","delay":1,"error":"no","reject":false}"#,
    r#"{"acks":[{"id":"00000000000020000000","receipt":"AAAAAAAAAAEAAAAAAAAAAAABAAAAAU2v0HkQ4mEJ_BQ"}],"nacks":[]}"#,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        entries::batch(&bytes);
        entries::one_record(&bytes);
        entries::one_envelope(&bytes);
        entries::names(&bytes);
        entries::bodies(&bytes);
        entries::checkpoint(&bytes);
    }

    #[test]
    fn json_like_text(text in r#"[\[\]{}",:\\0-9a-eu.\- ]{0,60}"#) {
        entries::bodies(text.as_bytes());
        entries::names(text.as_bytes());
    }

    #[test]
    fn a_changed_batch(changes in changes(), cut in 0..3usize) {
        let mut bytes = changed(include_bytes!("../../../tests/golden/batch-v2.bin").to_vec(), &changes);
        bytes.truncate(bytes.len() - cut);
        entries::batch(&bytes);
    }

    #[test]
    fn a_changed_checkpoint(which in 0..15usize, changes in changes(), cut in 0..3usize) {
        let blocks = checkpointed::blocks();
        let block = blocks.get(which).map(|block| codec::checkpoint::encode_block(block, checkpointed::LSN).0);
        let mut bytes = changed(block.unwrap_or_else(|| checkpointed::manifest().encode()), &changes);
        bytes.truncate(bytes.len() - cut);
        entries::checkpoint(&bytes);
    }

    #[test]
    fn a_changed_body(which in 0..BODIES.len(), changes in changes()) {
        entries::bodies(&changed(BODIES[which].as_bytes().to_vec(), &changes));
    }
}

#[test]
fn the_bodies_are_good_before_they_are_changed() {
    let requests = entries::requests();
    let body = |index: usize| BODIES[index].as_bytes();
    assert!(requests.create_queue(body(0)).is_ok());
    assert!(requests.update_queue("q", body(1)).is_ok());
    assert!(requests.enqueue("q", body(2)).is_ok());
    assert!(requests.enqueue_batch("q", body(3)).is_ok());
    assert!(requests.nack("00000000000020000000", body(4)).is_ok());
    assert!(requests.settle("q", body(5)).is_ok());
}

#[test]
fn a_hundred_thousand_levels_are_refused_on_a_small_stack() {
    let small = std::thread::Builder::new().stack_size(256 * 1024);
    #[allow(clippy::disallowed_types)] // a test's own thread
    let thread: std::thread::JoinHandle<()> = small.spawn(deep_bodies).expect("a thread starts");
    thread.join().expect("no overflow");
}

fn deep_bodies() {
    let requests = entries::requests();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        for body in [
            deep.clone(),
            format!("{{\"payload\":{deep}}}"),
            format!("{{\"messages\":[{{\"payload\":1,\"metadata\":{deep}}}]}}"),
            format!("{{\"config\":{deep}}}"),
            format!("{{\"unknown\":{deep}}}"),
        ] {
            entries::bodies(body.as_bytes());
            entries::bodies(&body.as_bytes()[..body.len() / 2]);
        }
    }
    let nested = |levels: usize| {
        format!(
            "{{\"payload\":{}1{}}}",
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    assert!(requests.enqueue("q", nested(100).as_bytes()).is_ok());
    assert!(requests.enqueue("q", nested(101).as_bytes()).is_err());
}
