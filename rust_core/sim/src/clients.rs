//! The clients: what they know from the answers they got, and how a question becomes a command. Every text they send
//! is told from every other.

mod lease;

use codec::envelope::{self, Texts};
use engine::command::{Blob, Command, GiveBack, NewMessage, StartSweep};
use engine::ids::{LeaseId, MessageId};
use engine::reply::{Delivered, Reply};

use engine::sweep::SweepPlan;

use crate::plan::Ask;

/// Members that a group may have.
const MEMBERS_MAX: u64 = 3;

/// See the module.
#[derive(Default)]
pub(crate) struct Clients {
    pub leases: Vec<GiveBack>,
    pub messages: Vec<MessageId>,
    pub sweeps: Vec<u64>,
    /// The message of each lease, as everybody knows it.
    leased: Vec<MessageId>,
    /// Messages that somebody acked, or meant to, with a result.
    done: Vec<MessageId>,
    /// Envelopes and errors by token.
    pub texts: Vec<Vec<u8>>,
}

impl Clients {
    /// None: nobody knows what `which` asks for.
    pub fn command(&mut self, ask: &Ask) -> Option<Command> {
        let name = |queue: &&'static str| Box::from(*queue);
        Some(match ask {
            Ask::Create { queue, config } => {
                let config = config.clone();
                Command::CreateQueue {
                    name: name(queue),
                    config: config.into(),
                }
            }
            Ask::Update { queue, patch } => {
                let patch = patch.clone();
                Command::UpdateQueue {
                    name: name(queue),
                    patch: patch.into(),
                }
            }
            Ask::Delete { queue } => Command::DeleteQueue { name: name(queue) },
            Ask::Pause { .. } | Ask::Resume { .. } => pause(ask),
            Ask::Purge { queue } => Command::PurgeQueue { name: name(queue) },
            Ask::Enqueue {
                queue,
                messages,
                atomic,
            } => Command::Enqueue {
                queue: name(queue),
                messages: messages.iter().map(|one| self.message_of(one)).collect(),
                atomic: *atomic,
            },
            Ask::Peek {
                queue,
                state,
                filter,
                after,
                limit,
            } => Command::Peek {
                queue: name(queue),
                group: "default".into(),
                state: *state,
                filter: *filter,
                after: after
                    .filter(|_| filter.ordering_key.is_none())
                    .and_then(|which| self.message(which)),
                limit: *limit,
                answer_bytes_max: 150,
            },
            Ask::List {
                prefix,
                after,
                limit,
            } => Command::ListQueues {
                prefix: name(prefix),
                after: after.map(Box::from),
                limit: *limit,
            },
            Ask::CreateGroup { .. } | Ask::DeleteGroup { .. } | Ask::Groups { .. } => of_group(ask),
            Ask::Heartbeat { .. } | Ask::Seen { .. } | Ask::Leave { .. } => of_member(ask),
            _ => return self.of_lease(ask),
        })
    }

    fn of_sweep(&self, ask: &Ask) -> Option<Command> {
        let known = |which: &usize| self.sweeps.iter().rev().nth(*which).copied();
        Some(match ask {
            Ask::StartSweep { queue, ids, plan } => {
                let count = ids.map(|ids| {
                    let mut ids: Vec<_> = self.messages.iter().rev().take(ids).copied().collect();
                    ids.sort_unstable();
                    ids.dedup();
                    ids
                });
                Command::StartSweep(Box::new(StartSweep {
                    queue: (*queue).into(),
                    plan: SweepPlan {
                        ids: count,
                        ..(**plan).clone()
                    },
                    running_max: 3,
                    kept_max: 1000,
                    kept_ms: u64::MAX,
                }))
            }
            Ask::StepSweep { which } => step_sweep(known(which)?),
            Ask::GetSweep { which } => Command::GetSweep {
                sweep: known(which)?,
                kept_ms: u64::MAX,
            },
            Ask::CancelSweep { which } => Command::CancelSweep {
                sweep: known(which)?,
                kept_ms: u64::MAX,
            },
            _ => return None,
        })
    }

    /// With a text of its own.
    fn message_of(&mut self, plan: &NewMessage) -> NewMessage {
        NewMessage {
            blob: self.envelope(plan.blob.length as usize),
            ..plan.clone()
        }
    }

    /// A message's text: its payload says which it is.
    fn envelope(&mut self, padding: usize) -> Blob {
        let token = self.texts.len();
        let mut text = Vec::new();
        envelope::put_head(&mut text, &Texts::default(), 0);
        text.extend_from_slice(format!("\"{token}-{}\"", "x".repeat(padding)).as_bytes());
        self.text(text)
    }

    pub fn padded(&mut self, what: &str, padding: usize) -> Blob {
        let text = format!("{what} {} {}", self.texts.len(), "x".repeat(padding));
        self.text(text.into_bytes())
    }

    fn text(&mut self, text: Vec<u8>) -> Blob {
        let blob = Blob {
            index: self.texts.len() as u32,
            length: text.len() as u32,
        };
        self.texts.push(text);
        blob
    }

    fn lease(&self, which: usize) -> Option<LeaseId> {
        self.leases
            .iter()
            .rev()
            .nth(which)
            .map(|release| release.lease)
    }

    fn message(&self, which: usize) -> Option<MessageId> {
        self.messages.iter().rev().nth(which).copied()
    }

    /// What an answer that came tells.
    pub fn learn(&mut self, reply: &Reply) {
        match reply {
            Reply::Enqueued(results) => {
                let accepted = results.iter().flatten();
                self.messages
                    .extend(accepted.map(|accepted| accepted.message));
            }
            Reply::Completed { enqueued, .. } => self
                .messages
                .extend(enqueued.iter().map(|accepted| accepted.message)),
            Reply::Received { messages, .. } => {
                self.leases.extend(messages.iter().map(release));
                self.leased.extend(messages.iter().map(|one| one.message));
            }
            Reply::Peeked { messages, .. } => self
                .messages
                .extend(messages.iter().map(|view| view.message)),
            Reply::Sweep(sweep) => self.sweeps.push(sweep.number),
            _ => {}
        }
    }
}

/// One step of a sweep.
pub(crate) fn step_sweep(sweep: u64) -> Command {
    Command::StepSweep {
        sweep,
        choice: None,
    }
}

/// The token an envelope's payload says.
pub(crate) fn token(envelope: &[u8]) -> u32 {
    let envelope = envelope::decode(envelope).expect("an envelope");
    let payload = std::str::from_utf8(envelope.payload).expect("text");
    let token = payload.trim_matches('"').split('-').next();
    token.and_then(|token| token.parse().ok()).expect("a token")
}

fn pause(ask: &Ask) -> Command {
    match *ask {
        Ask::Pause { queue, what } => Command::PauseQueue {
            name: queue.into(),
            what,
        },
        Ask::Resume { queue, what } => Command::ResumeQueue {
            name: queue.into(),
            what,
        },
        ref other => unreachable!("{other:?} pauses nothing"),
    }
}

fn of_group(ask: &Ask) -> Command {
    match *ask {
        Ask::CreateGroup { queue, group } => Command::CreateGroup {
            queue: queue.into(),
            group: group.into(),
            groups_max: 2,
        },
        Ask::DeleteGroup { queue, group } => Command::DeleteGroup {
            queue: queue.into(),
            group: group.into(),
        },
        Ask::Groups {
            queue,
            group: Some(group),
        } => Command::GetGroup {
            queue: queue.into(),
            group: group.into(),
        },
        Ask::Groups { queue, .. } => Command::ListGroups {
            queue: queue.into(),
        },
        ref other => unreachable!("{other:?} is of no group"),
    }
}

fn of_member(ask: &Ask) -> Command {
    match *ask {
        Ask::Heartbeat {
            queue,
            group,
            consumer,
        } => Command::Heartbeat {
            queue: queue.into(),
            group: group.into(),
            consumer: consumer.into(),
            members_max: MEMBERS_MAX,
        },
        Ask::Seen {
            queue,
            group,
            consumer,
        } => Command::Seen {
            queue: queue.into(),
            group: group.into(),
            consumer: consumer.into(),
        },
        Ask::Leave {
            queue,
            group,
            consumer,
        } => Command::Leave {
            queue: queue.into(),
            group: group.into(),
            consumer: consumer.into(),
        },
        ref other => unreachable!("{other:?} is of no member"),
    }
}

pub(crate) fn receive(
    (queue, group, consumer): (&str, &str, &str),
    messages_max: u32,
    timeout_ms: Option<u64>,
    bytes_max: u64,
) -> Command {
    Command::Receive {
        queue: queue.into(),
        group: group.into(),
        consumer: consumer.into(),
        members_max: MEMBERS_MAX,
        wait_ms: 0,
        messages_max,
        visibility_timeout_ms: timeout_ms,
        answer_bytes_max: bytes_max,
        attempt: None,
    }
}

/// What gives back a message that was handed out.
pub(crate) fn release(delivered: &Delivered) -> GiveBack {
    GiveBack {
        lease: delivered.lease,
        ready_since_ms: delivered.ready_since_ms,
        told: delivered.told,
    }
}
