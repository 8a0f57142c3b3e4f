//! The closed loops: each worker owns one connection and sends its next request when the last one was answered.

use std::cell::RefCell;
use std::io::Result;
use std::time::Instant;

use crate::arguments::Arguments;
use crate::backlog;
use crate::body::{self, Request};
use crate::fields;
use crate::http::{Connection, request};
use crate::ledger::Ledger;
use crate::report::Tally;

/// What every worker needs to know.
pub struct Plan {
    address: String,
    key: String,
    queue: String,
    payload: String,
    /// Messages in a request.
    pub batch: usize,
    /// Characters of a payload.
    pub payload_chars: usize,
    /// Messages of one worker at most, when the time does not end it before.
    most_each: u64,
    /// Messages of one worker, when it is not the time that ends it.
    pub messages_each: u64,
    /// Seconds by which messages are delayed.
    pub delay: usize,
    /// Every so many batches, one message goes to the other queue.
    pub kept_every: usize,
    /// Of stamped messages: when their number is known.
    pub ledger: Option<RefCell<Ledger>>,
    features: bool,
    connections: usize,
    until: Instant,
}

impl Plan {
    /// From the command line; the clock runs from here.
    pub fn new(arguments: &Arguments) -> Plan {
        let payload_chars = arguments.number("payload-bytes", 1024).saturating_sub(2);
        let messages = arguments.number("messages", 0) as u64;
        let connections = arguments.number("connections", 8);
        Plan {
            address: arguments.text("address", "127.0.0.1:8080"),
            key: arguments.text("key", "bench"),
            queue: arguments.text("queue", "bench"),
            payload: format!("\"{}\"", "x".repeat(payload_chars)),
            batch: arguments.number("batch", 100),
            payload_chars,
            most_each: arguments.number("most", usize::MAX) as u64 / connections as u64,
            messages_each: messages / connections as u64,
            delay: arguments.number("delay", 0),
            kept_every: arguments.number("kept-every", 0),
            ledger: (messages > 0).then(|| RefCell::new(Ledger::of(messages))),
            features: arguments.text("features", "off") == "on",
            connections,
            until: Instant::now() + arguments.duration(),
        }
    }

    /// A connection to the server.
    pub async fn connection(&self) -> Result<Connection> {
        Connection::open(&self.address).await
    }

    /// A request, ready to be sent.
    pub fn request(&self, method: &str, target: &str, body: &[u8]) -> Vec<u8> {
        request(method, target, &self.address, &self.key, body)
    }

    /// A path of the queue.
    pub fn target(&self, suffix: &str) -> String {
        format!("/v1/queues/{}/{suffix}", self.queue)
    }
}

/// Runs worker `number` of `mode`.
pub async fn work(mode: &str, plan: &Plan, number: usize) -> Tally {
    let mut tally = Tally::default();
    let (method, target, body, status, messages) = match mode {
        "noop-get" => ("GET", "/noop".to_owned(), String::new(), 200, 1),
        "noop-post" => ("POST", "/noop".to_owned(), single(plan), 200, 1),
        "enqueue" => ("POST", plan.target("messages"), single(plan), 201, 1),
        "enqueue-batch" => {
            let target = plan.target("messages/batch");
            ("POST", target, batch(plan), 200, plan.batch)
        }
        "fill" | "pass" | "drain" => ("", String::new(), String::new(), 0, 0),
        _ => panic!("unknown mode {mode}"),
    };
    let outcome = match mode {
        "fill" => backlog::fill(plan, number, &mut tally).await,
        "pass" => backlog::pass(plan, number, &mut tally).await,
        "drain" => drain(plan, number, &mut tally).await,
        _ => {
            let bytes = plan.request(method, &target, body.as_bytes());
            let request = Request::new(bytes, number, plan.connections);
            repeat(plan, request, status, messages, &mut tally).await
        }
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
    let mut connection = plan.connection().await?;
    while Instant::now() < plan.until && tally.messages < plan.most_each {
        let sent = Instant::now();
        let got = connection.send(request.next()).await?;
        let ids = fields::strings(connection.body(), "id");
        if got == status
            && (ids.len() == messages || ids.is_empty() && connection.body().is_empty())
        {
            tally.count(sent.elapsed(), messages as u64);
            tally.ids.extend(ids.iter().map(ToString::to_string));
        } else {
            tally.unexpected("", got, connection.body());
        }
    }
    Ok(())
}

/// Receives and acknowledges, `batch` at a time, until the queue is empty. Its clock is the work, not `--seconds`.
async fn drain(plan: &Plan, number: usize, tally: &mut Tally) -> Result<()> {
    let mut connection = plan.connection().await?;
    while receive_and_ack(plan, number, &mut connection, tally).await? > 0 {}
    Ok(())
}

/// One receive of up to `batch` messages, and the settle that acknowledges them. How many they were.
pub async fn receive_and_ack(
    plan: &Plan,
    worker: usize,
    connection: &mut Connection,
    tally: &mut Tally,
) -> Result<usize> {
    let target = plan.target(&format!("messages?maxMessages={}", plan.batch));
    let sent = Instant::now();
    let status = connection.send(&plan.request("GET", &target, b"")).await?;
    if status != 200 {
        tally.unexpected("receive", status, connection.body());
        return Ok(0);
    }
    let ids = fields::strings(connection.body(), "id");
    if ids.is_empty() {
        return Ok(0);
    }
    let receipts = fields::strings(connection.body(), "receipt");
    let acks: Vec<String> = ids
        .iter()
        .zip(receipts)
        .map(|(id, receipt)| format!("{{\"id\":\"{id}\",\"receipt\":\"{receipt}\"}}"))
        .collect();
    let count = ids.len();
    if let Some(ledger) = &plan.ledger {
        for payload in fields::strings(connection.body(), "payload") {
            ledger
                .borrow_mut()
                .received(worker, payload, plan.payload_chars);
        }
    } else {
        tally.ids.extend(ids.iter().map(ToString::to_string));
    }
    let body = format!("{{\"acks\":[{}]}}", acks.join(","));
    let settle = plan.request("POST", &plan.target("settle"), body.as_bytes());
    let status = connection.send(&settle).await?;
    if status == 200 && fields::integer(connection.body(), "failed") == Some(0) {
        tally.count(sent.elapsed(), count as u64);
    } else {
        tally.unexpected("settle", status, connection.body());
    }
    Ok(count)
}
