//! Bodies: what is accepted, and what is said of what isn't.

use codec::json::request::{Ask, Request, Requests};
use codec::json::{Invalid, Limits};
use engine::command::Command;
use engine::config::QueueConfig;

fn requests() -> Requests {
    let limits = Limits::from_table(|name| match name {
        "payload_depth_max" | "batch_entries_max" => Some(100),
        _ => Some(1_000_000),
    });
    Requests {
        limits: limits.expect("every limit is there"),
        config_default: QueueConfig::new(30_000, 3),
        payload_limit_source: "HANZO_MAX_PAYLOAD".into(),
    }
}

fn created(config: &str) -> Result<Request, Invalid> {
    requests().create_queue(format!(r#"{{"name":"q","config":{config}}}"#).as_bytes())
}

fn faults(read: Result<Request, Invalid>) -> Vec<(String, String)> {
    let problems = read.expect_err("refused").problems;
    let parts = |problem: codec::json::Problem| (problem.pointer, problem.detail);
    problems.into_iter().map(parts).collect()
}

#[test]
fn null_in_a_required_field_is_one_fault_at_that_field() {
    let (requests, id) = (requests(), "00000000000020000000");
    let required = "is required, and must not be null";
    let refused = [
        (
            created(r#"{"rateLimit":{"requests":null,"per":"second"}}"#),
            "/config/rateLimit/requests",
        ),
        (
            created(r#"{"rateLimit":{"requests":10,"per":null}}"#),
            "/config/rateLimit/per",
        ),
        (requests.create_queue(br#"{"name":null}"#), "/name"),
        (requests.update_queue("q", br#"{"config":null}"#), "/config"),
        (requests.ack(id, br#"{"receipt":null}"#), "/receipt"),
    ];
    for (read, pointer) in refused {
        assert_eq!(faults(read), [(pointer.into(), required.into())]);
    }
    let entry = br#"{"acks":[{"id":null,"receipt":"x"}]}"#;
    assert_eq!(
        faults(requests.settle("q", entry)),
        [("/acks/0/id".into(), required.into())]
    );
    assert!(
        !requests
            .queue_of_body(br#"{"name":null}"#)
            .unwrap_err()
            .problems
            .is_empty()
    );
}

#[test]
fn null_is_a_payload_and_stands_for_an_optional_field_left_out() {
    assert!(
        requests()
            .enqueue("q", br#"{"payload":null,"delay":null}"#)
            .is_ok()
    );
    let batch = requests().enqueue_batch("q", br#"{"messages":[{"payload":null}],"atomic":null}"#);
    let Ask::Plain(Command::Enqueue { atomic, .. }) = batch.expect("accepted").ask else {
        panic!("an enqueue")
    };
    assert!(!atomic);
}

#[test]
fn a_body_of_faults_is_read_as_far_as_a_thousand() {
    let body = format!(r#"{{"payload":1{}}}"#, r#","a":0"#.repeat(1_000_000));
    let invalid = requests().enqueue("q", body.as_bytes()).unwrap_err();
    assert_eq!(invalid.code, "request_invalid");
    assert!(
        invalid
            .detail
            .starts_with("1000 faults or more; the first, at /a"),
        "{}",
        invalid.detail
    );
    assert_eq!(invalid.problems.len(), 20);
    let entry = format!("{{{}}},", r#""b":0,"#.repeat(30).trim_end_matches(','));
    let body = format!(r#"{{"messages":[{}0]}}"#, entry.repeat(99));
    let invalid = requests().enqueue_batch("q", body.as_bytes()).unwrap_err();
    assert!(
        invalid.detail.starts_with("1000 faults or more"),
        "{}",
        invalid.detail
    );
}

#[test]
fn a_pointer_holds_the_beginning_of_a_long_name() {
    let name = "\u{e9}".repeat(1_000_000);
    let found =
        faults(requests().enqueue("q", format!(r#"{{"payload":1,"{name}":0}}"#).as_bytes()));
    assert_eq!(found[0].0, format!("/{}", "\u{e9}".repeat(128)));
}

#[test]
fn what_a_backoff_leaves_out_fits_what_it_gives() {
    let of = |backoff: &str| {
        let ask = created(&format!(r#"{{"backoff":{backoff}}}"#))
            .expect("accepted")
            .ask;
        let Ask::Plain(Command::CreateQueue { config, .. }) = ask else {
            panic!("a queue")
        };
        (config.backoff.initial_ms, config.backoff.max_ms)
    };
    assert_eq!(of(r#"{"max":0.5}"#), (500, 500));
    assert_eq!(of(r#"{"max":2}"#), (1000, 2000));
    assert_eq!(of(r#"{"initial":900}"#), (900_000, 900_000));
    assert_eq!(of("{}"), (1000, 600_000));
    let found = faults(created(r#"{"backoff":{"initial":3,"max":2}}"#));
    assert_eq!(
        found,
        [(
            "/config/backoff/max".into(),
            "must not be less than initial".into()
        )]
    );
}

#[test]
fn a_redrive_names_ids_or_a_filter_and_a_sweep_what_it_does() {
    let requests = requests();
    let id = "00000000000020000000";
    let refused = [
        (r#"{"ids":["x"]}"#, "/ids/0"),
        (r#"{"ids":[]}"#, "/ids"),
        (r#"{"ids":"x"}"#, "/ids"),
        (r#"{"filter":{"state":"leased"}}"#, "/filter/state"),
        (r#"{"filter":{"reason":"bored"}}"#, "/filter/reason"),
        (r#"{"filter":{"error":""}}"#, "/filter/error"),
        (r#"{"filter":{"metadata":[]}}"#, "/filter/metadata"),
        (r#"{"filter":{"olderThan":-1}}"#, "/filter/olderThan"),
        (r#"{"rate":{"requests":0,"per":"day"}}"#, "/rate/requests"),
        (r#"{"rate":{"requests":1}}"#, "/rate/per"),
        (r#"{"max":0}"#, "/max"),
        (r#"{"destination":"no/name"}"#, "/destination"),
    ];
    for (body, pointer) in refused {
        let faults = faults(requests.redrive("q", body.as_bytes()));
        assert_eq!((faults.len(), &*faults[0].0), (1, pointer), "{body}");
    }
    let both = format!(r#"{{"ids":["{id}"],"filter":{{}}}}"#);
    assert_eq!(faults(requests.redrive("q", both.as_bytes()))[0].0, "");
    for (body, pointer) in [
        (r#"{"action":"delete","filter":{}}"#, "/action"),
        (r#"{"action":{},"filter":{}}"#, "/action"),
        (r#"{"action":"cancel"}"#, "/filter"),
        (r#"{"action":{"delay":0},"filter":{"state":"dead"}}"#, ""),
    ] {
        let faults = faults(requests.sweep("q", body.as_bytes()));
        assert_eq!((faults.len(), &*faults[0].0), (1, pointer), "{body}");
    }
}

#[test]
fn ids_are_put_in_order_and_named_once_and_ages_are_told() {
    let ids = ["000000000000a0000000", "00000000000020000000"];
    let ids = [ids[0], ids[1], ids[0]]
        .map(|id| format!("\"{id}\""))
        .join(",");
    let read = |redrive: bool, body: &str| {
        let requests = requests();
        let read = match redrive {
            true => requests.redrive("q", body.as_bytes()),
            false => requests.sweep("q", body.as_bytes()),
        };
        read.expect("accepted")
    };
    let request = read(true, &format!(r#"{{"ids":[{ids}]}}"#));
    let Ask::Plain(Command::StartSweep(start)) = request.ask else {
        panic!("no sweep")
    };
    let ids = start.plan.ids.expect("ids");
    assert!(ids.len() == 2 && ids[0].number < ids[1].number);
    let aged = r#"{"action":"cancel","filter":{"olderThan":2.5}}"#;
    let request = read(false, aged);
    assert_eq!(request.ages(), Some((Some(2500), None)));
    let Ask::Plain(Command::StartSweep(start)) = request.accepted(3, 9).ask else {
        panic!("no sweep")
    };
    assert_eq!(start.plan.filter.accepted, Some((3, 9)));
    assert_eq!(read(true, r#"{"filter":{"olderThan":2.5}}"#).ages(), None);
}
