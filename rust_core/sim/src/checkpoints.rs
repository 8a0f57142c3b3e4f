//! Checkpoints as a node takes them: one request to the disk after the other, steps between them. A manifest is written
//! when the batch it ends with is durable; then what the last two manifests need no more goes, blocks first, then
//! batches. What fails ends the checkpoint, and harms nothing else.
//!
//! ```text
//! begun -> block, block, ... -> manifest -> purge -> trim -> over
//! ```

use std::collections::BTreeMap;
use std::rc::Rc;

use codec::hash::{BATCH_HASH_BYTES, BatchHash};
use engine::Partition;
use engine::checkpoint::{Head, Image, Restoration};
use engine::ids::Location;

use crate::chain::{Chain, Verdict};
use crate::journal::{Journal, Outcome};
use crate::node::{NodeState, Owner, Pending};
use crate::plan::{Side, StoreFault};
use crate::store::{Answer, Entry, Manifest, Place, Request, Sent, Store};
use crate::world::{CRASH_MS, World, settings};

const TIME_OUT_MS: u64 = 5_000;

/// What an owner knows of its checkpoints.
#[derive(Default)]
pub(crate) struct Checkpoints {
    /// Where each block lies that the next manifest names.
    directory: BTreeMap<Place, u64>,
    /// The last two manifests that are stored, and where.
    kept: Vec<(u64, Rc<Manifest>)>,
    under_way: Option<UnderWay>,
}

struct UnderWay {
    stage: Stage,
    /// The stream's last sequence.
    last: u64,
    /// The request whose answer is awaited.
    sent: Option<u64>,
}

enum Stage {
    Blocks(Option<Place>),
    Manifest(Head, Option<Rc<Manifest>>),
    Purge,
    Trim,
}

impl Checkpoints {
    /// After a start from the last of these manifests.
    pub fn restored(kept: Vec<(u64, Rc<Manifest>)>) -> Self {
        let directory = kept.last().map(|(_, manifest)| manifest.directory.clone());
        Checkpoints {
            directory: directory.unwrap_or_default(),
            kept,
            under_way: None,
        }
    }

    /// What it follows is not the last manifest, which can't be trusted or whose answer never came: nothing of it may be
    /// built upon.
    fn begin_anew(&mut self, partition: &mut Partition) {
        for (kind, index) in std::mem::take(&mut self.directory).into_keys() {
            partition.rewrite_block(kind, index);
        }
        self.kept.clear();
    }
}

impl World {
    /// The node begins a checkpoint, or the other if only that serves; unless one is under way. One that was deposed and does not know it sees
    /// here that another has written since, and must not: the last manifest would not be the newest.
    pub(crate) fn begin_checkpoint(&mut self, at: usize) {
        let (last, epoch) = self.store.last();
        let manifests = self.store.manifests();
        let newest = manifests.last().map(|(sequence, _)| *sequence);
        let at = if self.nodes[at].serves() { at } else { 1 - at };
        let NodeState::Serving(owner) = &mut self.nodes[at].state else {
            return;
        };
        if owner.checkpoints.under_way.is_some() || epoch > owner.chain.partition.epoch() {
            return;
        }
        let own = owner.checkpoints.kept.last().map(|(sequence, _)| *sequence);
        if own != newest {
            owner.checkpoints.begin_anew(&mut owner.chain.partition);
        }
        let begun = owner.chain.partition.begin_checkpoint();
        assert_eq!(
            begun,
            Some(owner.chain.partition.lsn()),
            "none is under way"
        );
        owner.checkpoints.under_way = Some(UnderWay {
            stage: Stage::Blocks(None),
            last,
            sent: None,
        });
        self.drive_checkpoint(at);
    }

    /// Sends the next request, unless an answer is awaited.
    pub(crate) fn drive_checkpoint(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let NodeState::Serving(owner) = &mut node.state else {
            return;
        };
        let Some(mut under_way) = owner.checkpoints.under_way.take() else {
            return;
        };
        let request = match under_way.sent {
            None => next_request(owner, &mut under_way, &self.journal, &self.store),
            Some(_) => Next::Wait,
        };
        if let Next::Send(request) = request {
            let fault = node.store_faults.pop_front();
            self.requested += 1;
            under_way.sent = Some(self.requested);
            self.store.sent.push(Sent {
                id: self.requested,
                node: at,
                request,
                arrives_at: self.now_ms + 1,
                fault,
            });
        } else if let Next::Over = request {
            return;
        }
        owner.checkpoints.under_way = Some(under_way);
    }

    /// Requests that arrive by now are done, or not.
    pub(crate) fn take_requests(&mut self) {
        while let Some(sent) = self.store.arrived(self.now_ms) {
            let crash = self.crash_here();
            if crash == Some(Side::Before) {
                self.crash(sent.node, CRASH_MS, true);
                continue;
            }
            let outcome = self.take_request(&sent);
            if crash == Some(Side::After) {
                self.crash(sent.node, CRASH_MS, false);
                continue;
            }
            let after_ms = match outcome {
                Outcome::Unknown => TIME_OUT_MS,
                _ => 1,
            };
            self.store.answers.push(Answer {
                id: sent.id,
                node: sent.node,
                outcome,
                arrives_at: self.now_ms + after_ms,
            });
        }
        for answer in self.store.answered(self.now_ms) {
            if let Some(owner) = self.nodes[answer.node].owner() {
                note(owner, &answer);
            }
        }
        (0..self.nodes.len()).for_each(|at| self.drive_checkpoint(at));
    }

    fn take_request(&mut self, sent: &Sent) -> Outcome {
        match sent.fault {
            Some(StoreFault::Lost) => return Outcome::Unknown,
            Some(StoreFault::Refused) => return Outcome::Refused,
            _ => {}
        }
        let outcome = match &sent.request {
            Request::Put(entry, epoch, last) => self.store.put(entry.clone(), *epoch, *last),
            Request::Purge(first) => {
                self.store.purge(*first);
                Outcome::Stored
            }
            Request::Trim(first, epoch) => {
                self.journal.trim(*first, *epoch);
                Outcome::Stored
            }
        };
        match sent.fault {
            Some(StoreFault::Unheard) => Outcome::Unknown,
            _ => outcome,
        }
    }

    /// The owner's start: from each checkpoint there is, and from the first batch if that is there. All lead to the
    /// same state.
    pub(crate) fn restore(&self, distrusts: bool) -> (Chain, Checkpoints) {
        let mut manifests = self.store.manifests();
        let lsns: Vec<u64> = manifests.iter().map(|(_, one)| one.head.lsn).collect();
        assert!(
            lsns.is_sorted(),
            "the last manifest is not the newest: {lsns:?}"
        );
        let mut found = (self.journal.first == 1).then(|| self.replay(Chain::new(settings())));
        let from = manifests
            .iter()
            .map(|(_, one)| self.replay(self.chain_of(one)));
        let mut restored: Vec<Chain> = from.collect();
        // The newest can't be trusted: the one before is there for that, or else the whole journal.
        if distrusts && (restored.len() > 1 || found.is_some()) && manifests.pop().is_some() {
            restored.pop();
        }
        found = restored.pop().or(found);
        let chain = found.expect("neither the journal's beginning nor a checkpoint is there");
        (chain, Checkpoints::restored(manifests))
    }

    fn chain_of(&self, manifest: &Manifest) -> Chain {
        let mut restoration = Restoration::new(manifest.head.clone(), settings());
        for block in self.store.blocks(manifest) {
            let added = restoration.add((*block).clone());
            added.expect("a block that a checkpoint took");
        }
        let partition = restoration.finish().expect("a checkpoint that was taken");
        let hash = hash_of(&self.journal.read(manifest.head.lsn).bytes);
        assert_eq!(hash, manifest.hash, "the journal is not the checkpoint's");
        Chain::restored(partition, hash)
    }

    fn replay(&self, mut chain: Chain) -> Chain {
        for sequence in chain.partition.lsn() + 1..=self.journal.batches.len() as u64 {
            let stored = self.journal.read(sequence);
            let verdict = chain.replay(sequence, &stored.bytes);
            let expected = if stored.counts {
                Verdict::Applied
            } else {
                Verdict::PassedOver
            };
            assert_eq!(
                verdict,
                Ok(expected),
                "replay of batch {sequence} (counts: {})",
                stored.counts
            );
            if stored.id == self.journal.last {
                let expected = self.journal.truth.state_hash;
                assert_eq!(chain.state_hash(), expected, "a replay differs");
            }
        }
        chain
    }
}

enum Next {
    Send(Request),
    /// For something else.
    Wait,
    Over,
}

fn next_request(
    owner: &mut Owner,
    under_way: &mut UnderWay,
    journal: &Journal,
    store: &Store,
) -> Next {
    let (epoch, last) = (owner.chain.partition.epoch(), under_way.last);
    let checkpoints = &mut owner.checkpoints;
    loop {
        match &mut under_way.stage {
            Stage::Blocks(taken) => match owner.chain.partition.next_block() {
                Some(block) => {
                    let place = (block.image.kind(), block.index);
                    if block.image.is_empty() {
                        checkpoints.directory.remove(&place);
                        continue;
                    }
                    *taken = Some(place);
                    let entry = Entry::Block(Rc::new(block));
                    return Next::Send(Request::Put(entry, epoch, last));
                }
                None => {
                    let head = owner.chain.partition.end_checkpoint();
                    under_way.stage = Stage::Manifest(head, None);
                }
            },
            Stage::Manifest(head, written) => {
                let in_flight = |pending: &&Pending| pending.append.is_some();
                let mut in_flight = owner.pending.iter().filter(in_flight);
                if in_flight.any(|pending| pending.lsn <= head.lsn) {
                    return Next::Wait;
                }
                let manifest = Rc::new(Manifest {
                    head: head.clone(),
                    hash: hash_of(&journal.read(head.lsn).bytes),
                    directory: checkpoints.directory.clone(),
                });
                *written = Some(manifest.clone());
                return Next::Send(Request::Put(Entry::Manifest(manifest), epoch, last));
            }
            Stage::Purge if checkpoints.kept.len() < 2 => return Next::Over,
            Stage::Purge => {
                let needed = checkpoints.kept.iter().flat_map(|(sequence, manifest)| {
                    let blocks = manifest.directory.values().copied();
                    blocks.chain([*sequence])
                });
                let first = needed.min().expect("one was just written");
                return Next::Send(Request::Purge(first));
            }
            Stage::Trim => {
                let [(_, before), (_, newest)] = &checkpoints.kept[..] else {
                    return Next::Over;
                };
                // What is durable needs these: what goes in batches in flight may yet stay.
                let first = before.head.lsn.min(oldest_live(store, newest));
                return Next::Send(Request::Trim(first, epoch));
            }
        }
    }
}

/// What came of a request.
fn note(owner: &mut Owner, answer: &Answer) {
    let checkpoints = &mut owner.checkpoints;
    let awaited = |under_way: &mut UnderWay| under_way.sent == Some(answer.id);
    let Some(mut under_way) = checkpoints.under_way.take_if(awaited) else {
        return;
    };
    let is_taken = matches!(under_way.stage, Stage::Purge | Stage::Trim);
    if answer.outcome != Outcome::Stored {
        if !is_taken {
            owner.chain.partition.abandon_checkpoint();
        }
        return;
    }
    under_way.sent = None;
    under_way.last += u64::from(!is_taken);
    under_way.stage = match under_way.stage {
        Stage::Blocks(place) => {
            let place = place.expect("a block was sent");
            checkpoints.directory.insert(place, under_way.last);
            Stage::Blocks(None)
        }
        Stage::Manifest(_, written) => {
            let manifest = written.expect("a manifest was sent");
            checkpoints.kept.push((under_way.last, manifest));
            let over = checkpoints.kept.len().saturating_sub(2);
            checkpoints.kept.drain(..over);
            Stage::Purge
        }
        Stage::Purge => Stage::Trim,
        Stage::Trim => return,
    };
    checkpoints.under_way = Some(under_way);
}

/// LSN of the first batch that still holds a text, by what the blocks of a checkpoint say; its own, if none does.
fn oldest_live(store: &Store, manifest: &Manifest) -> u64 {
    let blocks = store.blocks(manifest);
    let locations = blocks.iter().flat_map(|block| locations(&block.image));
    let held = locations
        .map(|location| location.lsn)
        .filter(|&lsn| lsn > 0);
    held.min().unwrap_or(manifest.head.lsn)
}

fn locations(image: &Image) -> Vec<Location> {
    match image {
        Image::Messages(images) => {
            let held = images.iter().filter(|message| message.number > 0);
            held.map(|message| message.envelope).collect()
        }
        Image::Failures(images) => images.iter().map(|(_, failures)| failures.error).collect(),
        Image::Deaths(images) => {
            let failures = images.iter().filter_map(|(_, death)| death.failures);
            failures.map(|failures| failures.error).collect()
        }
        Image::Results(images) => images.iter().map(|(_, result)| result.result).collect(),
        _ => Vec::new(),
    }
}

/// What a batch's successor names it by.
fn hash_of(batch: &[u8]) -> BatchHash {
    let hash = &batch[batch.len() - BATCH_HASH_BYTES..];
    hash.try_into().expect("a batch ends with its hash")
}
