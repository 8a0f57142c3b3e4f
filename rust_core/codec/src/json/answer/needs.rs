//! What rendering an answer takes: batches and memory.

use engine::ids::Location;
use engine::reply::{Accepted, DeadLetter, Delivered, Failures, MessageView, Reply};
use engine::sweep::SweepProgress;

/// JSON around a message's payload and metadata: field names, id, receipt, instants.
const MESSAGE_BYTES: usize = 420;

fn locations(reply: &Reply) -> Vec<Location> {
    let of = |envelope: Location,
              failures: &Option<Box<Failures>>,
              dead_letter: &Option<Box<DeadLetter>>| {
        let failed = failures.as_ref().map(|failures| failures.error);
        let died = dead_letter.as_ref().map(|dead| dead.error);
        let errors = failed.into_iter().chain(died).filter(|at| at.lsn > 0);
        std::iter::once(envelope).chain(errors)
    };
    let view = |view: &MessageView| of(view.envelope, &view.failures, &view.dead_letter);
    let delivered = |one: &Delivered| of(one.envelope, &one.failures, &one.dead_letter);
    match reply {
        Reply::Received { messages, .. } => messages.iter().flat_map(delivered).collect(),
        Reply::Message(message) => view(message).collect(),
        Reply::Peeked { messages, .. } => messages.iter().flat_map(view).collect(),
        Reply::Done(done) => vec![done.result],
        Reply::Enqueued(results) => {
            let accepted = results.iter().flatten();
            let kept = |accepted: &Accepted| Some(accepted.result).filter(|at| at.lsn > 0);
            accepted.filter_map(kept).collect()
        }
        Reply::SweepStepped(SweepProgress::Look(page)) => super::sweep::locations(page).collect(),
        Reply::Trimming(trimming) => trimming.found.iter().map(|next| next.at).collect(),
        _ => Vec::new(),
    }
}

/// Where the bytes lie that rendering takes.
pub fn of_reply(reply: Option<&Reply>) -> impl Iterator<Item = Location> {
    reply.map(locations).unwrap_or_default().into_iter()
}

/// The batches a reply's bytes lie in: ascending, each once.
pub fn lsns(reply: &Reply) -> Vec<u64> {
    let mut lsns: Vec<u64> = locations(reply)
        .iter()
        .map(|location| location.lsn)
        .collect();
    lsns.dedup();
    lsns.sort_unstable();
    lsns.dedup();
    lsns
}

/// About how long a reply's JSON is beside the payloads, and how many of these it has at most.
pub fn size(reply: &Reply) -> (usize, usize) {
    let (messages, others) = match reply {
        Reply::Received { messages, .. } => (messages.len(), 0),
        Reply::Message(_) | Reply::Done(_) => (1, 0),
        Reply::Peeked { messages, .. } => (messages.len(), 0),
        Reply::Enqueued(results) => (0, results.len() * 80),
        Reply::Settled {
            acks,
            nacks,
            extends,
            releases,
        } => (
            0,
            (acks.len() + nacks.len() + extends.len() + releases.len()) * 64,
        ),
        Reply::Queues { queues, .. } => (0, queues.len() * 512),
        _ => (0, 0),
    };
    (512 + messages * MESSAGE_BYTES + others, messages)
}
