//! One partition: the whole API of the engine. A step decides commands in order, after the timers that are due,
//! and yields the records of one batch; a replay applies such a batch. Same records, same state.

use crate::batch::Batch;
use crate::budget::Budget;
use crate::checkpoint::{Block, Extent, Head, Kind};
use crate::command::Command;
use crate::config::Settings;
use crate::deadlines::Timer;
use crate::ids::{MessageId, PartitionNumber, QueueNumber};
use crate::record::Record;
use crate::reply::Reply;
use crate::state::{Cursor, State};
use crate::verbs;
use crate::woken::{Mark, Woken, WokenMember, WokenQueue};

const _: () = assert!(
    size_of::<Command>() <= 144 && size_of::<Reply>() <= 104,
    "each step moves commands and replies: what is large and rare of them is boxed"
);

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
    /// Queues in which messages became ready: for anybody.
    pub woken: Vec<WokenQueue>,
    /// Members for whom messages became ready, of ordering keys that stick to them.
    pub woken_members: Vec<WokenMember>,
}

impl Step {
    /// Nothing, in the memory there is.
    fn clear(&mut self) {
        self.records.clear();
        self.blobs.clear();
        self.replies.clear();
        self.woken.clear();
        self.woken_members.clear();
    }
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
    /// Empty between steps: memory for the next one.
    marks: Vec<Mark>,
}

impl Partition {
    /// An empty partition, as before the first batch of its journal.
    pub fn new(partition: PartitionNumber, settings: Settings) -> Self {
        Partition::restored(partition, State::new(settings), 0)
    }

    pub(crate) fn restored(number: PartitionNumber, state: State, now_ms: u64) -> Self {
        Partition {
            number,
            state,
            now_ms,
            batch_ms: now_ms,
            checkpoint: None,
            marks: Vec::new(),
        }
    }

    /// Decides `commands` in order at `now_ms` (milliseconds since 1970, never less than the last step's).
    /// The LSN advances by one when there are records, which must be journaled before a reply leaves.
    pub fn step(&mut self, now_ms: u64, mut commands: Vec<Command>) -> Step {
        let mut step = Step::default();
        self.step_into(&mut step, now_ms, &mut commands, None);
        step
    }

    /// The same, into the memory of a step that is done with; takes the commands out of theirs. What becomes ready is
    /// told to `wake`; the commands it returns are decided behind the others, until it has none: the receives that wait,
    /// so that a message and its lease are one batch. The step tells of what is ready still: a receive of this step may
    /// have looked before it was.
    pub fn step_into(
        &mut self,
        step: &mut Step,
        now_ms: u64,
        commands: &mut Vec<Command>,
        mut wake: Option<&mut dyn FnMut(Woken) -> Vec<Command>>,
    ) {
        step.clear();
        self.begin(self.state.lsn + 1, now_ms);
        let messages = commands.iter().map(Command::messages_brought).sum();
        let mut budget = Budget::new(messages);
        let (parts, replies) = ((&mut step.records, &mut step.blobs), &mut step.replies);
        let mut batch = Batch::new(&mut self.state, now_ms, parts);
        verbs::timers::run(&mut batch, &mut budget);
        replies.reserve(commands.len());
        for command in commands.drain(..) {
            replies.push(verbs::run(&mut batch, command));
        }
        let told = &mut self.marks;
        while let Some(wake) = &mut wake {
            let (before, mut woken) = (told.len(), Woken::default());
            batch.change_volatile(|state| state.take_marks(told));
            let newly = &told[before..];
            let parts = (&mut woken.queues, &mut woken.members);
            batch.state().tell_woken(newly, parts);
            let receives = if woken.is_empty() {
                Vec::new()
            } else {
                wake(woken)
            };
            if receives.is_empty() {
                break;
            }
            for receive in receives {
                replies.push(verbs::run(&mut batch, receive));
            }
        }
        batch.change_volatile(|state| state.mark_again(told));
        told.clear();
        verbs::forget::run(&mut batch, messages);
        self.finish(step);
    }

    /// Begins a new epoch. The first batch of a journal also keeps `secret` (32 random bytes).
    pub fn fence(&mut self, now_ms: u64, secret: [u8; 32]) -> Step {
        self.begin(self.state.lsn + 1, now_ms);
        let mut step = Step::default();
        let parts = (&mut step.records, &mut step.blobs);
        let mut batch = Batch::new(&mut self.state, now_ms, parts);
        if batch.state().lsn == 0 {
            batch.commit(Record::Founded { secret });
        }
        let epoch = batch.state().epoch + 1;
        batch.commit(Record::Fenced { epoch });
        self.finish(&mut step);
        step
    }

    /// Applies one batch of the journal. Batches come in order, each once.
    pub fn replay(&mut self, lsn: u64, now_ms: u64, records: &[Record]) {
        assert_eq!(lsn, self.state.lsn + 1, "batches are replayed in order");
        assert!(!records.is_empty(), "a batch holds records");
        self.begin(lsn, now_ms);
        records.iter().for_each(|record| self.state.apply(record));
        self.state.lsn = lsn;
        self.batch_ms = now_ms;
        self.state.take_marks(&mut self.marks);
        self.marks.clear();
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

    fn finish(&mut self, step: &mut Step) {
        if !step.records.is_empty() {
            self.state.lsn += 1;
            self.batch_ms = self.now_ms;
        }
        step.lsn = self.state.lsn;
        self.state.take_marks(&mut self.marks);
        let woken = (&mut step.woken, &mut step.woken_members);
        self.state.tell_woken(&self.marks, woken);
        self.marks.clear();
        step.next_deadline_ms = self.next_deadline_ms();
    }

    fn next_deadline_ms(&self) -> Option<u64> {
        let state = &self.state;
        let are_behind = !state.reassigning.is_empty() || !state.returning.is_empty();
        let is_behind = state.queues.reaping().is_some() || are_behind;
        if is_behind {
            return Some(self.now_ms);
        }
        let timer = self.state.deadlines.first().map(Timer::deadline_ms);
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

    /// Panics when a step or a replay left marks.
    pub(crate) fn assert_all_told(&self) {
        let marks = (self.marks.len(), self.state.woken.len());
        assert_eq!(marks, (0, 0), "who is woken is told once");
    }
}
