//! One partition: the whole API of the engine. A step decides commands in order, after the timers that are due,
//! and yields the records of one batch; a replay applies such a batch. Same records, same state.

use std::sync::Arc;

use crate::batch::Batch;
use crate::budget::Budget;
use crate::checkpoint::{Block, Extent, Head, Kind};
use crate::command::Command;
use crate::config::Settings;
use crate::ids::{MessageId, PartitionNumber, QueueNumber};
use crate::record::Record;
use crate::reply::Reply;
use crate::state::{Cursor, State};
use crate::verbs;
use crate::woken::Woken;

/// What a step decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// LSN of the batch; the partition's last one when `records` is empty.
    pub lsn: u64,
    /// The batch's records, in order. Empty: there is nothing to journal.
    pub records: Vec<Record>,
    /// [`Blob::index`](crate::command::Blob::index) of each blob the batch carries, in order.
    pub blobs: Vec<u32>,
    /// One reply a command, in order.
    pub replies: Vec<Reply>,
    /// When to step again though nothing is asked; at or before now: at once.
    pub next_deadline_ms: Option<u64>,
    /// Queues in which messages became ready (or which changed), and how many may be received now. A further group's
    /// name follows its queue's, after a slash, which neither holds.
    pub woken: Vec<(Arc<str>, u64)>,
    /// Members of groups whose ordering keys have messages that became ready: the group as in `woken`, who, how many.
    pub woken_members: Vec<(Arc<str>, Arc<str>, u64)>,
}

/// The state of one partition. After a panic (a bug) it must be dropped.
pub struct Partition {
    number: PartitionNumber,
    state: State,
    /// The last instant seen. Time never goes back.
    now_ms: u64,
    /// The instant of the last batch. Steps that recorded nothing came later, but no replay sees them.
    batch_ms: u64,
    /// Under way.
    checkpoint: Option<Box<Head>>,
}

impl Partition {
    /// An empty partition, as before the first batch of its journal.
    pub fn new(partition: PartitionNumber, settings: Settings) -> Self {
        Partition {
            number: partition,
            state: State::new(settings),
            now_ms: 0,
            batch_ms: 0,
            checkpoint: None,
        }
    }

    pub(crate) fn restored(number: PartitionNumber, state: State, now_ms: u64) -> Self {
        Partition {
            number,
            state,
            now_ms,
            batch_ms: now_ms,
            checkpoint: None,
        }
    }

    /// Decides `commands` in order at `now_ms` (milliseconds since 1970, never less than the last step's).
    /// The LSN advances by one when there are records, which must be journaled before a reply leaves.
    pub fn step(&mut self, now_ms: u64, commands: Vec<Command>) -> Step {
        self.step_and_wake(now_ms, commands, None)
    }

    /// The same; what becomes ready is told to `wake`. The commands it returns are decided behind the others, until it has
    /// none: the receives that wait, so that a message and its lease are one batch. The step tells of what is ready still:
    /// a receive of this step may have looked before it was.
    pub fn step_and_wake(
        &mut self,
        now_ms: u64,
        commands: Vec<Command>,
        mut wake: Option<&mut dyn FnMut(Woken) -> Vec<Command>>,
    ) -> Step {
        self.begin(self.state.lsn + 1, now_ms);
        let messages = commands.iter().map(Command::messages_brought).sum();
        let mut budget = Budget::new(messages);
        let mut batch = Batch::new(&mut self.state, now_ms);
        verbs::timers::run(&mut batch, &mut budget);
        let mut replies: Vec<Reply> = commands
            .into_iter()
            .map(|command| verbs::run(&mut batch, command))
            .collect();
        let mut told = Vec::new();
        while let Some(wake) = &mut wake {
            let marks = batch.change_volatile(State::take_marks);
            let woken = batch.state().woken(&marks);
            told.extend(marks);
            let receives = if woken.is_empty() {
                Vec::new()
            } else {
                wake(woken)
            };
            if receives.is_empty() {
                break;
            }
            replies.extend(
                receives
                    .into_iter()
                    .map(|command| verbs::run(&mut batch, command)),
            );
        }
        batch.change_volatile(|state| state.mark_again(told));
        verbs::forget::run(&mut batch, messages);
        let (records, blobs) = batch.into_parts();
        self.finish(records, blobs, replies)
    }

    /// Begins a new epoch. The first batch of a journal also keeps `secret` (32 random bytes).
    pub fn fence(&mut self, now_ms: u64, secret: [u8; 32]) -> Step {
        self.begin(self.state.lsn + 1, now_ms);
        let mut batch = Batch::new(&mut self.state, now_ms);
        if batch.state().lsn == 0 {
            batch.commit(Record::Founded { secret });
        }
        let epoch = batch.state().epoch + 1;
        batch.commit(Record::Fenced { epoch });
        let (records, blobs) = batch.into_parts();
        self.finish(records, blobs, Vec::new())
    }

    /// Applies one batch of the journal. Batches come in order, each once.
    pub fn replay(&mut self, lsn: u64, now_ms: u64, records: &[Record]) {
        assert_eq!(lsn, self.state.lsn + 1, "batches are replayed in order");
        assert!(!records.is_empty(), "a batch holds records");
        self.begin(lsn, now_ms);
        records.iter().for_each(|record| self.state.apply(record));
        self.state.lsn = lsn;
        self.batch_ms = now_ms;
        self.state.take_marks();
    }

    /// The batch at `lsn` is a deposed owner's: it takes its place in the journal and changes nothing.
    pub fn pass_over(&mut self, lsn: u64) {
        assert_eq!(lsn, self.state.lsn + 1, "batches are replayed in order");
        assert!(
            self.state.epoch > 0,
            "nobody was deposed before the first fence"
        );
        self.state.lsn = lsn;
    }

    /// No blob before this batch is needed. What is not durable yet counts as if it were.
    pub fn oldest_live_lsn(&self) -> u64 {
        self.state.oldest_live_lsn()
    }

    /// The bytes of the blobs that are needed, as above; what copies share counts once.
    pub fn live_bytes(&self) -> u64 {
        self.state.live.live_bytes()
    }

    /// The first batch that a blob is needed of, and none before: looks at every message.
    pub fn first_needed_lsn(&self) -> u64 {
        self.state.first_needed_lsn()
    }

    /// The last batch, of a step or a replay, takes so many bytes in the journal.
    pub fn journaled(&mut self, bytes: u64) {
        self.state.live.journaled(bytes);
    }

    /// Which partition this is.
    pub fn number(&self) -> PartitionNumber {
        self.number
    }

    /// LSN of the last batch; 0 before the first.
    pub fn lsn(&self) -> u64 {
        self.state.lsn
    }

    /// The last epoch begun; 0 before the first.
    pub fn epoch(&self) -> u64 {
        self.state.epoch
    }

    /// The secret that receipts are signed with; None before the first batch.
    pub fn secret(&self) -> Option<[u8; 32]> {
        self.state.secret
    }

    /// The last instant seen, by a step or a replay: the next step's is not before it. After a replay a clock
    /// may be behind it; then this is the instant to step at.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Messages held, those of deleted queues that are still being taken away included; each once, however many
    /// groups hold a copy.
    pub fn message_count(&self) -> u64 {
        self.state.messages.count() - self.state.copies.extra()
    }

    /// Every copy held, by its own slot, and the number of its group's queue: for who checks an engine and can't know
    /// in which slot a copy lies. Looks at every slot.
    pub fn copies(&self) -> impl Iterator<Item = (MessageId, QueueNumber)> {
        let messages = &self.state.messages;
        let ids = (0..messages.slots()).map(|slot| messages.id(slot));
        ids.filter_map(|id| Some((id, messages.find(id)?.queue)))
    }

    /// Queues that can be named.
    pub fn queue_count(&self) -> u64 {
        self.state.queues.count() as u64
    }

    /// Sweeps that have not ended, in the order they began: whoever drives them goes on with these.
    pub fn sweeps_running(&self) -> Vec<u64> {
        let running = |sweep: &&crate::sweeps::Sweep| sweep.ended.is_none();
        let sweeps = self.state.sweeps.iter().filter(running);
        sweeps.map(|sweep| sweep.number).collect()
    }

    /// Feeds the whole logical state, in a canonical order, to a hasher: equal states feed equal bytes.
    pub fn fold_state(&self, fold: &mut impl FnMut(&[u8])) {
        self.state.fold(fold);
    }

    /// Begins a checkpoint of the state as it is now, between two steps: its blocks are taken one by one, and steps go
    /// on meanwhile. Takes microseconds for each thousand messages that changed since the last one. None: nothing was
    /// ever journaled, or one is under way.
    pub fn begin_checkpoint(&mut self) -> Option<u64> {
        if self.state.lsn == 0 || self.checkpoint.is_some() {
            return None;
        }
        let head = self.state.begin_checkpoint(self.number, self.batch_ms);
        let lsn = head.lsn;
        self.checkpoint = Some(Box::new(head));
        Some(lsn)
    }

    /// The next block of the checkpoint under way, as it was when that began; None: all were taken. Only what changed
    /// since the last checkpoint that ended is among them: of the rest, the last blocks are still true. Takes less than
    /// a millisecond.
    pub fn next_block(&mut self) -> Option<Block> {
        self.checkpoint.is_some().then(|| self.state.next_block())?
    }

    /// Ends the checkpoint under way, all of whose blocks were taken.
    pub fn end_checkpoint(&mut self) -> Head {
        assert!(
            self.next_block().is_none(),
            "a checkpoint ends whose blocks were not all taken"
        );
        *self.checkpoint.take().expect("a checkpoint is under way")
    }

    /// Gives up the checkpoint under way, or the last one that ended: all of its blocks come with the next.
    pub fn abandon_checkpoint(&mut self) {
        self.checkpoint = None;
        self.state.abandon_checkpoint();
    }

    /// How much of each kind a checkpoint has: one begun now, and one of all there is.
    pub fn extents(&mut self) -> [Extent; Kind::ALL.len()] {
        self.state.extents()
    }

    /// Has this block come with the next checkpoint, changed or not.
    pub fn rewrite_block(&mut self, kind: Kind, index: u64) {
        self.state.rewrite_block(kind, index);
    }

    fn begin(&mut self, lsn: u64, now_ms: u64) {
        assert!(
            now_ms >= self.now_ms,
            "time goes back from {} to {now_ms}",
            self.now_ms
        );
        self.now_ms = now_ms;
        self.state.live.begin(lsn);
        self.state.cursor = Cursor {
            lsn,
            now_ms,
            offset: 0,
        };
    }

    fn finish(&mut self, records: Vec<Record>, blobs: Vec<u32>, replies: Vec<Reply>) -> Step {
        if !records.is_empty() {
            self.state.lsn += 1;
            self.batch_ms = self.now_ms;
        }
        let marks = self.state.take_marks();
        let woken = self.state.woken(&marks);
        Step {
            lsn: self.state.lsn,
            records,
            blobs,
            replies,
            next_deadline_ms: self.next_deadline_ms(),
            woken: woken.queues,
            woken_members: woken.members,
        }
    }

    fn next_deadline_ms(&self) -> Option<u64> {
        let state = &self.state;
        let are_behind = !state.reassigning.is_empty() || !state.returning.is_empty();
        let is_behind = state.queues.reaping().is_some() || are_behind;
        if is_behind {
            return Some(self.now_ms);
        }
        let timer = self
            .state
            .deadlines
            .first()
            .map(|(deadline_ms, _)| deadline_ms);
        let retired = self
            .state
            .retention
            .first()
            .map(|(retires_ms, _)| retires_ms);
        let session = self.state.sessions.first().map(|(end_ms, ..)| *end_ms);
        timer.into_iter().chain(retired).chain(session).min()
    }
}

#[cfg(test)]
impl Partition {
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }
}
