//! The closed loops: each worker owns one connection and sends its next request when the last one was answered.

use std::io::Result;
use std::time::Instant;

use crate::arguments::Arguments;
use crate::body::{self, Request};
use crate::fields;
use crate::http::{Connection, request};
use crate::report::Tally;

/// What every worker needs to know.
pub struct Plan {
    address: String,
    key: String,
    queue: String,
    payload: String,
    batch: usize,
    features: bool,
    connections: usize,
    until: Instant,
}

impl Plan {
    /// From the command line; the clock runs from here.
    pub fn new(arguments: &Arguments) -> Plan {
        let payload_bytes = arguments.number("payload-bytes", 1024);
        Plan {
            address: arguments.text("address", "127.0.0.1:8080"),
            key: arguments.text("key", "bench"),
            queue: arguments.text("queue", "bench"),
            payload: format!("\"{}\"", "x".repeat(payload_bytes.saturating_sub(2))),
            batch: arguments.number("batch", 100),
            features: arguments.text("features", "off") == "on",
            connections: arguments.number("connections", 8),
            until: Instant::now() + arguments.duration(),
        }
    }

    fn request(&self, method: &str, target: &str, body: &[u8]) -> Vec<u8> {
        request(method, target, &self.address, &self.key, body)
    }

    fn messages_target(&self, suffix: &str) -> String {
        format!("/v1/queues/{}/{suffix}", self.queue)
    }
}

/// Runs worker `number` of `mode`.
pub async fn work(mode: &str, plan: &Plan, number: usize) -> Tally {
    let mut tally = Tally::default();
    let (method, target, body, status, messages) = match mode {
        "noop-get" => ("GET", "/noop".to_owned(), String::new(), 200, 1),
        "noop-post" => ("POST", "/noop".to_owned(), single(plan), 200, 1),
        "enqueue" => (
            "POST",
            plan.messages_target("messages"),
            single(plan),
            201,
            1,
        ),
        "enqueue-batch" => {
            let target = plan.messages_target("messages/batch");
            ("POST", target, batch(plan), 200, plan.batch)
        }
        "drain" => ("", String::new(), String::new(), 0, 0),
        _ => panic!("unknown mode {mode}"),
    };
    let outcome = if mode == "drain" {
        drain(plan, &mut tally).await
    } else {
        let bytes = plan.request(method, &target, body.as_bytes());
        let request = Request::new(bytes, number, plan.connections);
        repeat(plan, request, status, messages, &mut tally).await
    };
    if let Err(error) = outcome {
        tally.fail(error.to_string());
    }
    tally
}

fn single(plan: &Plan) -> String {
    body::message(&plan.payload, plan.features, 0)
}

fn batch(plan: &Plan) -> String {
    let messages: Vec<String> = (0..plan.batch)
        .map(|number| body::message(&plan.payload, plan.features, number))
        .collect();
    format!("{{\"messages\":[{}]}}", messages.join(","))
}

async fn repeat(
    plan: &Plan,
    mut request: Request,
    status: u16,
    messages: usize,
    tally: &mut Tally,
) -> Result<()> {
    let mut connection = Connection::open(&plan.address).await?;
    while Instant::now() < plan.until {
        let sent = Instant::now();
        let got = connection.send(request.next()).await?;
        let ids = fields::strings(connection.body(), "id");
        if got == status
            && (ids.len() == messages || ids.is_empty() && connection.body().is_empty())
        {
            tally.count(sent.elapsed(), messages as u64);
            tally.ids.extend(ids.iter().map(ToString::to_string));
        } else {
            tally.fail(format!(
                "{got} {}",
                String::from_utf8_lossy(connection.body())
            ));
        }
    }
    Ok(())
}

/// Receives and acknowledges, `batch` at a time, until the queue is empty. Its clock is the work, not `--seconds`.
async fn drain(plan: &Plan, tally: &mut Tally) -> Result<()> {
    let mut connection = Connection::open(&plan.address).await?;
    let receive = plan.request(
        "GET",
        &plan.messages_target(&format!("messages?maxMessages={}", plan.batch)),
        b"",
    );
    let settle = plan.messages_target("settle");
    loop {
        let sent = Instant::now();
        let status = connection.send(&receive).await?;
        if status != 200 {
            tally.fail(format!(
                "receive: {status} {}",
                String::from_utf8_lossy(connection.body())
            ));
            return Ok(());
        }
        let ids = fields::strings(connection.body(), "id");
        if ids.is_empty() {
            return Ok(());
        }
        let receipts = fields::strings(connection.body(), "receipt");
        let acks: Vec<String> = ids
            .iter()
            .zip(receipts)
            .map(|(id, receipt)| format!("{{\"id\":\"{id}\",\"receipt\":\"{receipt}\"}}"))
            .collect();
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let body = format!("{{\"acks\":[{}]}}", acks.join(","));
        let status = connection
            .send(&plan.request("POST", &settle, body.as_bytes()))
            .await?;
        if status == 200 && fields::integer(connection.body(), "failed") == Some(0) {
            tally.count(sent.elapsed(), ids.len() as u64);
            tally.ids.extend(ids);
        } else {
            tally.fail(format!(
                "settle: {status} {}",
                String::from_utf8_lossy(connection.body())
            ));
        }
    }
}
