//! Loads of a given number of messages, each stamped with its sender and its place, so that order can be checked.

use std::io::Result;
use std::time::Instant;

use crate::http::Connection;
use crate::ledger;
use crate::modes::{Plan, receive_and_ack};
use crate::report::Tally;

/// Enqueues this worker's share of the messages.
pub async fn fill(plan: &Plan, worker: usize, tally: &mut Tally) -> Result<()> {
    let mut connection = plan.connection().await?;
    let mut first = 0;
    while first < plan.messages_each {
        let last = plan.messages_each.min(first + plan.batch as u64);
        enqueue(plan, worker, first..last, &mut connection, tally).await?;
        first = last;
    }
    Ok(())
}

/// Enqueues this worker's share, and receives and acks as much behind each batch, whoever sent it; at the end all that is
/// left. Every so many batches a message that nobody receives goes to the queue `kept`.
pub async fn pass(plan: &Plan, worker: usize, tally: &mut Tally) -> Result<()> {
    let mut connection = plan.connection().await?;
    let kept = format!("{{\"payload\":\"{}\"}}", "k".repeat(plan.payload_chars));
    let kept = plan.request("POST", "/v1/queues/kept/messages", kept.as_bytes());
    let (mut first, mut batches) = (0, worker);
    while first < plan.messages_each {
        let last = plan.messages_each.min(first + plan.batch as u64);
        enqueue(plan, worker, first..last, &mut connection, tally).await?;
        receive_and_ack(plan, worker, &mut connection, tally).await?;
        first = last;
        batches += 1;
        if plan.kept_every > 0 && batches % plan.kept_every == 0 {
            let status = connection.send(&kept).await?;
            if status != 201 {
                tally.unexpected("keep", status, connection.body());
            }
        }
    }
    while receive_and_ack(plan, worker, &mut connection, tally).await? > 0 {}
    Ok(())
}

async fn enqueue(
    plan: &Plan,
    sender: usize,
    numbers: std::ops::Range<u64>,
    connection: &mut Connection,
    tally: &mut Tally,
) -> Result<()> {
    let count = numbers.end - numbers.start;
    let entries: Vec<String> = numbers.map(|number| entry(plan, sender, number)).collect();
    let body = format!("{{\"messages\":[{}]}}", entries.join(","));
    let request = plan.request("POST", &plan.target("messages/batch"), body.as_bytes());
    let sent = Instant::now();
    let status = connection.send(&request).await?;
    if status == 200
        && !connection
            .body()
            .windows(8)
            .any(|part| part == b"\"error\":")
    {
        tally.count(sent.elapsed(), count);
    } else {
        tally.unexpected("enqueue", status, connection.body());
    }
    Ok(())
}

fn entry(plan: &Plan, sender: usize, number: u64) -> String {
    let stamp = ledger::stamp(sender, number);
    let rest = "x".repeat(plan.payload_chars.saturating_sub(stamp.len()));
    match plan.delay {
        0 => format!("{{\"payload\":\"{stamp}{rest}\"}}"),
        delay => format!("{{\"payload\":\"{stamp}{rest}\",\"delay\":{delay}}}"),
    }
}
