//! Commands as the engine takes them, and what it takes to answer them.

use crate::command::Command;
use codec::blob::Pieces;
use codec::json::answer::{Answer, Context};
use codec::json::request::{Admitted, Authority, Refusal, Refused, Request};
use pyo3::prelude::*;
use std::sync::Arc;

/// See the module.
pub(super) struct Intake<'py> {
    pub admitted: Vec<engine::command::Command>,
    /// The blobs of all commands.
    pub blobs: Vec<Pieces<'py>>,
    /// For each command: was it admitted whole, in part, or refused.
    verdicts: Vec<Verdict>,
    /// The receives that came later.
    receives: Vec<Arc<Request>>,
}

enum Verdict {
    Whole,
    Rest(Refused),
    Refused(Refusal),
}

impl<'py> Intake<'py> {
    pub fn new(
        py: Python<'py>,
        commands: &'py [PyRef<'py, Command>],
        authority: Authority<'_>,
    ) -> Self {
        let mut intake = Intake {
            admitted: Vec::with_capacity(commands.len()),
            blobs: Vec::new(),
            verdicts: Vec::with_capacity(commands.len()),
            receives: Vec::new(),
        };
        for command in commands {
            intake.take(&command.request, authority);
            let (blobs, body) = (&command.request.blobs, command.body_bytes(py));
            intake
                .blobs
                .extend((0..blobs.count()).map(|index| blobs.pieces(body, index)));
        }
        intake
    }

    /// Commands that come without blobs.
    pub fn take_receives(&mut self, commands: &[PyRef<'_, Command>], authority: Authority<'_>) {
        for command in commands {
            assert_eq!(command.request.blobs.count(), 0, "a receive brings none");
            self.take(&command.request, authority);
            self.receives.push(Arc::clone(&command.request));
        }
    }

    fn take(&mut self, request: &Request, authority: Authority<'_>) {
        let verdict = match request.ask.admit(authority, self.blobs.len() as u32) {
            Admitted::Whole(command) => self.admit(command, Verdict::Whole),
            Admitted::Rest(command, refused) => self.admit(command, Verdict::Rest(refused)),
            Admitted::None(refusal) => Verdict::Refused(refusal),
        };
        self.verdicts.push(verdict);
    }

    fn admit(&mut self, command: engine::command::Command, verdict: Verdict) -> Verdict {
        self.admitted.push(command);
        verdict
    }

    /// One answer each: `commands`, and the receives behind them.
    pub fn answers(
        self,
        commands: &[PyRef<'_, Command>],
        context: Context,
        mut replies: impl Iterator<Item = engine::reply::Reply>,
    ) -> Vec<Answer> {
        let mut next = || replies.next().expect("the engine answers every command");
        let answer = |(request, verdict): (&Arc<Request>, Verdict)| match verdict {
            Verdict::Whole => Answer::replied(&request.ask, context, next()),
            Verdict::Rest(refused) => Answer::merged(&request.ask, context, next(), refused),
            Verdict::Refused(refusal) => Answer::refused(&request.ask, context, refusal),
        };
        let asked = commands.iter().map(|command| &command.request);
        let asked = asked.chain(&self.receives);
        asked.zip(self.verdicts).map(answer).collect()
    }
}
