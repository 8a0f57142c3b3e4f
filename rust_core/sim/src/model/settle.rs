//! ack, nack, extend, release, settle and giving back: how leases end and last.

use engine::command::{Command, Extend, GiveBack, Nack, Release};
use engine::ids::{LeaseId, MessageId};
use engine::record::DeathReason;
use engine::rejection::Rejection;
use engine::reply::{AckRefusal, Nacked, Released, Reply, State};

use super::message::{Ending, Text};
use super::{Message, Model, look};

impl Model {
    /// Acked, and gone.
    pub(super) fn done(&mut self, lease: LeaseId, followed: Vec<(MessageId, bool)>) {
        let at = self.held(lease).expect("it was held");
        self.see_holder(at);
        self.endings.push(Ending {
            number: lease.message.number,
            group: lease.group.0,
            delivery: lease.delivery,
            acked: true,
            followed,
        });
        self.remove(at);
    }

    pub(super) fn check_nack(&mut self, nack: Nack, reply: &Reply) {
        let found = match reply {
            Reply::Nacked(nacked) => Ok(*nacked),
            Reply::Rejected(rejection) => Err(rejection.clone()),
            other => panic!("a nack is answered with {other:?}"),
        };
        let expected = self.nack(nack, None, &found);
        assert_eq!(found, expected, "the answer to {nack:?} is wrong");
    }

    /// `found`: the engine's answer, which names the dead letter's id and the jitter it drew.
    fn nack(
        &mut self,
        nack: Nack,
        queue: Option<&str>,
        found: &Result<Nacked, Rejection>,
    ) -> Result<Nacked, Rejection> {
        let lease = nack.lease;
        self.check_queue(lease, queue)?;
        let state = self.state_of(lease);
        let message = self.find(lease.message).map(|at| &self.messages[at]);
        if message.is_some_and(|message| message.nacked == Some(lease.delivery))
            || self.ended_by(lease, false)
        {
            self.saw(state, "nack", "already");
            return Ok(Nacked::Already);
        }
        let at = self
            .held(lease)
            .inspect_err(|_| self.saw(state, "nack", "lease lost"))?;
        self.see_holder(at);
        let error = nack.error.filter(|error| error.length > 0);
        let error = error.map(|error| Text {
            token: error.index,
            bytes: error.length,
        });
        let reason = match nack.reject {
            true => Some(DeathReason::Rejected),
            false => self
                .is_last_attempt(at)
                .then_some(DeathReason::RetriesExhausted),
        };
        if let Some(reason) = reason {
            return Ok(self.nack_to_death(at, reason, error, found));
        }
        let is_over = self.messages[at].is_expired(self.now_ms);
        let due_ms = match (nack.delay_ms, found) {
            _ if is_over => self.now_ms,
            (Some(delay_ms), _) => self.now_ms + delay_ms,
            (None, &Ok(Nacked::Retry { due_ms })) => {
                self.check_backoff(at, due_ms);
                due_ms
            }
            (None, other) => panic!("a nack is retried, not {other:?}"),
        };
        self.fail(at, error);
        let message = &mut self.messages[at];
        message.priority = nack.priority.unwrap_or(message.priority);
        message.nacked = Some(lease.delivery);
        self.place_when_due(at, due_ms);
        if is_over {
            let went = self.die(at, DeathReason::Expired, None, false);
            self.saw(state, "nack, its time over", went);
            return Ok(self.went(went, found));
        }
        self.saw(state, "nack", look::name(self.messages[at].state));
        Ok(Nacked::Retry { due_ms })
    }

    fn nack_to_death(
        &mut self,
        at: usize,
        reason: DeathReason,
        error: Option<Text>,
        found: &Result<Nacked, Rejection>,
    ) -> Nacked {
        let went = self.die(at, reason, error, false);
        self.saw(Some(State::Leased), "nack", went);
        self.went(went, found)
    }

    /// Where the engine, which names the dead letter's id, should say that it went.
    fn went(&mut self, went: &str, found: &Result<Nacked, Rejection>) -> Nacked {
        match found {
            Ok(Nacked::DeadLettered { message }) if went == "deadLettered" => {
                assert_eq!(message.number, self.numbered, "numbers count up by one");
                let letter = self
                    .messages
                    .iter()
                    .position(|letter| letter.number == message.number);
                self.learn(letter.expect("a dead letter was added"), *message);
                Nacked::DeadLettered { message: *message }
            }
            _ => {
                assert_eq!(
                    went, "dead",
                    "a message dies where it should not: {found:?}"
                );
                Nacked::Dead
            }
        }
    }

    pub(super) fn extend(&mut self, extend: Extend, queue: Option<&str>) -> Result<u64, Rejection> {
        let state = self.state_of(extend.lease);
        self.check_queue(extend.lease, queue)?;
        let at = self
            .held(extend.lease)
            .inspect_err(|_| self.saw(state, "extend", "lease lost"))?;
        let own_ms = self
            .queue_of(&self.messages[at])
            .config
            .visibility_timeout_ms;
        let until_ms = self.now_ms + extend.visibility_timeout_ms.unwrap_or(own_ms);
        self.messages[at].at_ms = until_ms;
        self.see_holder(at);
        self.saw(state, "extend", "leased");
        Ok(until_ms)
    }

    pub(super) fn check_release(&mut self, release: Release, reply: &Reply) {
        let found = match reply {
            Reply::Released(released) => Ok(*released),
            Reply::Rejected(rejection) => Err(rejection.clone()),
            other => panic!("a release is answered with {other:?}"),
        };
        let expected = self.release(release, None, &found);
        assert_eq!(found, expected, "the answer to {release:?} is wrong");
    }

    /// `found`: as of a nack.
    fn release(
        &mut self,
        release: Release,
        queue: Option<&str>,
        found: &Result<Released, Rejection>,
    ) -> Result<Released, Rejection> {
        let lease = release.lease;
        self.check_queue(lease, queue)?;
        let state = self.state_of(lease);
        let message = self.find(lease.message).map(|at| &self.messages[at]);
        if message.is_some_and(|message| message.nacked == Some(lease.delivery))
            || self.ended_by(lease, false)
        {
            self.saw(state, "release", "already");
            return Ok(Released::Already);
        }
        let at = self
            .held(lease)
            .inspect_err(|_| self.saw(state, "release", "lease lost"))?;
        self.see_holder(at);
        let due_ms = self.now_ms + release.delay_ms.unwrap_or(0);
        self.messages[at].nacked = Some(lease.delivery);
        if self.messages[at].is_expired(self.now_ms) {
            self.place_when_due(at, self.now_ms);
            let went = self.die(at, DeathReason::Expired, None, false);
            self.saw(state, "release, its time over", went);
            let found = match found {
                &Ok(Released::DeadLettered { message }) => Ok(Nacked::DeadLettered { message }),
                _ => Ok(Nacked::Dead),
            };
            return Ok(match self.went(went, &found) {
                Nacked::DeadLettered { message } => Released::DeadLettered { message },
                _ => Released::Dead,
            });
        }
        self.place_when_due(at, due_ms);
        self.saw(state, "release", look::name(self.messages[at].state));
        Ok(Released::Until { due_ms })
    }

    /// Leases nobody saw: the messages stand where they stood, in front, and nothing is counted.
    pub(super) fn give_back(&mut self, leases: &[GiveBack]) -> Reply {
        let mut messages = 0;
        for release in leases.iter().rev() {
            let state = self.state_of(release.lease);
            let Ok(at) = self.held(release.lease) else {
                self.saw(state, "give back", "passed over");
                continue;
            };
            if self.told(release.lease) > release.told {
                self.saw(state, "give back", "told again");
                continue;
            }
            self.put_in_front(at, release.ready_since_ms);
            self.saw(state, "give back", "ready");
            messages += 1;
        }
        Reply::GivenBack { messages }
    }

    /// Ready, before all others of its lane.
    pub(super) fn put_in_front(&mut self, at: usize, since_ms: u64) {
        self.assign(at);
        let message = &self.messages[at];
        let ahead =
            |other: &&Message| other.lane() == message.lane() && other.state == State::Ready;
        let ahead = self.messages.iter().filter(ahead);
        let first = ahead.min_by_key(|other| other.line);
        let behind_ms = first.map_or(self.now_ms, |first| first.at_ms);
        let since_ms = since_ms.min(behind_ms).min(self.now_ms);
        self.place(at, State::Ready, since_ms);
        self.first_line -= 1;
        self.messages[at].line = self.first_line;
    }

    pub(super) fn settle(&mut self, command: &Command, reply: &Reply) {
        let Command::Settle {
            queue,
            acks,
            nacks,
            extends,
            releases,
        } = command
        else {
            unreachable!("only a settle comes here")
        };
        if let Err(rejection) = self.named(queue) {
            return assert_eq!(*reply, Reply::Rejected(rejection));
        }
        let Reply::Settled {
            acks: acked,
            nacks: nacked,
            extends: extended,
            releases: released,
        } = reply
        else {
            panic!("a settle is answered with {reply:?}")
        };
        let queue = Some(&**queue);
        assert_eq!(acked.len(), acks.len(), "one result an ack");
        for (ack, found) in acks.iter().zip(acked) {
            if let Err(AckRefusal::Rejected(rejection)) = found {
                self.learn_other(ack.lease, rejection);
            }
            self.ack(ack, queue, found);
        }
        assert_eq!(nacked.len(), nacks.len(), "one result a nack");
        for (nack, found) in nacks.iter().zip(nacked) {
            if let Err(rejection) = found {
                self.learn_other(nack.lease, rejection);
            }
            let expected = self.nack(*nack, queue, found);
            assert_eq!(*found, expected, "nack {nack:?}");
        }
        for (extend, found) in extends.iter().zip(extended) {
            if let Err(rejection) = found {
                self.learn_other(extend.lease, rejection);
            }
        }
        let expected: Vec<_> = extends
            .iter()
            .map(|extend| self.extend(*extend, queue))
            .collect();
        assert_eq!(*extended, expected, "extensions of {command:?}");
        assert_eq!(released.len(), releases.len(), "one result a release");
        for (release, found) in releases.iter().zip(released) {
            let expected = self.release(*release, queue, found);
            assert_eq!(*found, expected, "release {release:?}");
        }
    }
}
