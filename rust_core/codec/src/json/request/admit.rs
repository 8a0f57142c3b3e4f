//! The edge's own check: a receipt that this journal's owner did not write never reaches the engine.

use super::{Ask, Settle};
use crate::json::names;
use crate::receipt::{Receipt, Secret};
use engine::command::{Ack, Command, Complete, Extend, Nack, Release};
use engine::ids::{GROUP_DEFAULT, MessageId, PartitionNumber};

/// What a receipt asks for, with the receipt.
#[derive(Clone, Copy, Debug)]
pub struct Signed<T> {
    /// Not verified yet.
    pub receipt: Receipt,
    /// What is to be done with its lease.
    pub verb: T,
}

/// A receipt or an id that is refused before the engine sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not an id.
    MessageIdInvalid,
    /// Not a receipt, or not one of this journal.
    ReceiptInvalid,
    /// A receipt of another message.
    ReceiptOfOtherMessage,
}

impl Refusal {
    /// The code, as in spec/errors.toml.
    pub fn code(self) -> &'static str {
        match self {
            Refusal::MessageIdInvalid => "message_id_invalid",
            Refusal::ReceiptInvalid | Refusal::ReceiptOfOtherMessage => "receipt_invalid",
        }
    }

    /// What is wrong and what would be right.
    pub fn detail(self) -> &'static str {
        match self {
            Refusal::MessageIdInvalid => names::MESSAGE_ID_RULE,
            Refusal::ReceiptInvalid => names::RECEIPT_RULE,
            Refusal::ReceiptOfOtherMessage => {
                "the receipt was given for another message than the one named"
            }
        }
    }
}

/// A request as the engine gets it.
#[derive(Clone, Debug)]
pub enum Admitted {
    /// All of it.
    Whole(Command),
    /// A settle whose refused entries were left out: they are merged into the answer.
    Rest(Command, Refused),
    /// None of it.
    None(Refusal),
}

/// The refused entries of a settle: for each entry, None when the engine has it.
#[derive(Clone, Debug, Default)]
pub struct Refused {
    /// As many as acks came.
    pub acks: Vec<Option<Refusal>>,
    /// As many as nacks came.
    pub nacks: Vec<Option<Refusal>>,
    /// As many as extensions came.
    pub extends: Vec<Option<Refusal>>,
    /// As many as releases came.
    pub releases: Vec<Option<Refusal>>,
}

/// Who asks: a partition and the secret of its journal.
#[derive(Clone, Copy, Debug)]
pub struct Authority<'a> {
    /// Whose receipts are believed.
    pub partition: PartitionNumber,
    /// What they are signed with.
    pub secret: &'a Secret,
}

/// Moves a verb's blob, if it has one, to its place among the blobs of all commands of a step.
pub trait Rebase: Clone {
    /// `blobs_before`: how many blobs the step's earlier commands bring.
    fn rebase(&mut self, blobs_before: u32);
}

impl Rebase for Ack {
    fn rebase(&mut self, _: u32) {}
}

impl Rebase for Complete {
    fn rebase(&mut self, blobs_before: u32) {
        let follow_ups = self.enqueue.iter_mut();
        let blobs = follow_ups.map(|one| &mut one.message.blob);
        blobs
            .chain(&mut self.result)
            .for_each(|blob| blob.index += blobs_before);
    }
}

impl Rebase for Extend {
    fn rebase(&mut self, _: u32) {}
}

impl Rebase for Release {
    fn rebase(&mut self, _: u32) {}
}

impl Rebase for Nack {
    fn rebase(&mut self, blobs_before: u32) {
        if let Some(error) = &mut self.error {
            error.index += blobs_before;
        }
    }
}

impl<T: Rebase> Signed<T> {
    fn admit(&self, authority: Authority<'_>, blobs_before: u32) -> Result<T, Refusal> {
        if !self.receipt.verify(authority.partition, authority.secret) {
            return Err(Refusal::ReceiptInvalid);
        }
        let mut verb = self.verb.clone();
        verb.rebase(blobs_before);
        Ok(verb)
    }
}

impl Ask {
    /// What the engine is asked. `blobs_before`: how many blobs the step's earlier commands bring.
    pub fn admit(&self, authority: Authority<'_>, blobs_before: u32) -> Admitted {
        let whole = |command: Result<Command, Refusal>| {
            command.map_or_else(Admitted::None, Admitted::Whole)
        };
        match self {
            Ask::Plain(command) | Ask::EnqueueOne(command) => plain(command, blobs_before),
            Ask::Ack(signed) => whole(signed.admit(authority, blobs_before).map(Command::Ack)),
            Ask::Complete(signed) => {
                let complete = signed.admit(authority, blobs_before);
                whole(complete.map(|complete| Command::Complete(Box::new(complete))))
            }
            Ask::Nack(signed) => whole(signed.admit(authority, blobs_before).map(Command::Nack)),
            Ask::Extend(signed) => {
                whole(signed.admit(authority, blobs_before).map(Command::Extend))
            }
            Ask::Release(signed) => {
                whole(signed.admit(authority, blobs_before).map(Command::Release))
            }
            Ask::Settle(settle) => settle.admit(authority, blobs_before),
        }
    }
}

fn plain(command: &Command, blobs_before: u32) -> Admitted {
    let mut command = command.clone();
    match &mut command {
        Command::Enqueue { messages, .. } => {
            for message in messages {
                message.blob.index += blobs_before;
            }
        }
        Command::Move { moves } => {
            for one in moves {
                one.blob.index += blobs_before;
            }
        }
        Command::DropLost(drop) => drop.text.index += blobs_before,
        _ => {}
    }
    Admitted::Whole(command)
}

impl Settle {
    fn admit(&self, authority: Authority<'_>, blobs_before: u32) -> Admitted {
        let mut refused = Refused::default();
        let command = Command::Settle {
            queue: self.queue.clone(),
            acks: entries(&self.acks, &mut refused.acks, authority, blobs_before),
            nacks: entries(&self.nacks, &mut refused.nacks, authority, blobs_before),
            extends: entries(&self.extends, &mut refused.extends, authority, blobs_before),
            releases: entries(
                &self.releases,
                &mut refused.releases,
                authority,
                blobs_before,
            ),
        };
        Admitted::Rest(command, refused)
    }
}

fn entries<T: Rebase>(
    entries: &[Result<Signed<T>, Refusal>],
    refused: &mut Vec<Option<Refusal>>,
    authority: Authority<'_>,
    blobs_before: u32,
) -> Vec<T> {
    refused.reserve_exact(entries.len());
    let mut admitted = Vec::with_capacity(entries.len());
    for entry in entries {
        let verdict = match entry {
            Ok(signed) => signed.admit(authority, blobs_before),
            Err(refusal) => Err(*refusal),
        };
        refused.push(verdict.as_ref().err().copied());
        admitted.extend(verdict);
    }
    admitted
}

/// A receipt read from its text, which must be of `message` when one is named.
pub fn receipt_of(text: &str, message: MessageId) -> Result<Receipt, Refusal> {
    let receipt = Receipt::decode(text).ok_or(Refusal::ReceiptInvalid)?;
    let lease = receipt.claim().lease;
    // A further group's copy has the message's number and a slot of its own; the id names the first one's slot.
    let same_slot = lease.message.slot == message.slot || lease.group != GROUP_DEFAULT;
    if lease.message.number != message.number || !same_slot {
        return Err(Refusal::ReceiptOfOtherMessage);
    }
    Ok(receipt)
}
