//! Questions about leases and messages, and the three things that need more than a line: nack, completion, settle.

use engine::command::{Ack, Command, Complete, Extend, FollowUp, Nack, Release};

use super::{Clients, receive};
use crate::plan::Ask;

impl Clients {
    /// Questions about leases and messages.
    pub(super) fn of_lease(&mut self, ask: &Ask) -> Option<Command> {
        Some(match ask {
            Ask::Receive { .. } => poll(ask),
            Ask::Ack { which } => Command::Ack(Ack {
                lease: self.lease(*which)?,
            }),
            Ask::Complete { which, .. } => Command::Complete(Box::new(self.complete(*which, ask)?)),
            Ask::Nack { .. } => self.nack(ask)?,
            Ask::Extend { which, timeout_ms } => {
                let (lease, visibility_timeout_ms) = (self.lease(*which)?, *timeout_ms);
                Command::Extend(Extend {
                    lease,
                    visibility_timeout_ms,
                })
            }
            Ask::Settle { .. } => self.settle(ask)?,
            Ask::Release { which, delay_ms } => {
                let (lease, delay_ms) = (self.lease(*which)?, *delay_ms);
                Command::Release(Release { lease, delay_ms })
            }
            Ask::GiveBack { which } => {
                let from = self.leases.len().checked_sub(which + 1)?;
                let leases = self.leases[from..].iter().take(3).copied().collect();
                Command::GiveBack { leases }
            }
            Ask::Get { which, done } => Command::GetMessage {
                message: match done {
                    true => *self.done.iter().rev().nth(*which)?,
                    false => self.message(*which)?,
                },
            },
            Ask::Change {
                which,
                delay_ms,
                priority,
            } => Command::ChangeMessage {
                message: self.message(*which)?,
                delay_ms: *delay_ms,
                priority: *priority,
            },
            Ask::DeleteMessage { which } => Command::DeleteMessage {
                message: self.message(*which)?,
            },
            _ => return self.of_sweep(ask),
        })
    }

    fn nack(&mut self, ask: &Ask) -> Option<Command> {
        let &Ask::Nack {
            which,
            delay_ms,
            priority,
            error,
            reject,
        } = ask
        else {
            unreachable!("only a nack comes here")
        };
        let lease = self.lease(which)?;
        let error = (error > 0).then(|| self.padded("error", error as usize));
        Some(Command::Nack(Nack {
            lease,
            delay_ms,
            priority,
            error,
            reject,
        }))
    }

    fn complete(&mut self, which: usize, ask: &Ask) -> Option<Complete> {
        let lease = self.lease(which)?;
        let message = self.leased[self.leased.len() - which - 1];
        let (Ask::Complete {
            result, enqueue, ..
        }
        | Ask::Settle {
            result, enqueue, ..
        }) = ask
        else {
            unreachable!("only what completes comes here")
        };
        self.done.extend(result.map(|_| message));
        let result = result.map(|padding| self.padded("result", padding as usize));
        let follow = enqueue.iter().map(|(queue, message)| FollowUp {
            queue: (*queue).into(),
            message: self.message_of(message),
        });
        let enqueue = follow.collect();
        Some(Complete {
            lease,
            result,
            enqueue,
        })
    }

    fn settle(&mut self, ask: &Ask) -> Option<Command> {
        let &Ask::Settle { queue, which, .. } = ask else {
            unreachable!("only a settle comes here")
        };
        let leases = [which, which + 1, which + 2].map(|which| self.lease(which));
        let [one, two, three] = [leases[0]?, leases[1]?, leases[2]?];
        let complete = self.complete(which, ask)?;
        let nack = |lease| Nack {
            lease,
            delay_ms: None,
            priority: None,
            error: None,
            reject: false,
        };
        Some(Command::Settle {
            queue: queue.into(),
            acks: vec![complete, Ack { lease: one }.into()],
            nacks: vec![nack(two), nack(two)],
            extends: vec![Extend {
                lease: three,
                visibility_timeout_ms: Some(1000),
            }],
            releases: vec![Release {
                lease: two,
                delay_ms: None,
            }],
        })
    }
}

fn poll(ask: &Ask) -> Command {
    let &Ask::Receive {
        queue,
        group,
        consumer,
        wait_ms: longest_ms,
        max,
        timeout_ms,
        bytes_max,
        attempt: id,
        ..
    } = ask
    else {
        unreachable!("only a receive comes here")
    };
    let mut command = receive((queue, group, consumer), max, timeout_ms, bytes_max);
    if let Command::Receive {
        wait_ms, attempt, ..
    } = &mut command
    {
        *wait_ms = longest_ms;
        let who = consumer.bytes().next().unwrap_or(0);
        *attempt = id.map(|id| u128::from(id) << 8 | u128::from(who));
    }
    command
}
