//! A plan: what clients ask and what goes wrong, move by move. A run is a function of its plan.

use engine::command::{ConfigPatch, NewMessage, PeekFilter, PeekState};
use engine::config::QueueConfig;
use engine::record::Paused;
use engine::sweep::SweepPlan;

/// See the module.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it was drawn from.
    pub seed: u64,
    /// In order.
    pub moves: Vec<Move>,
    /// Where a node dies besides.
    pub crash: Option<CrashPoint>,
}

/// A node dies when what it sent reaches a disk: an append, a block, a manifest, a purge, a trim.
#[derive(Clone, Copy, Debug)]
pub struct CrashPoint {
    /// Which of all that reach one, from 1.
    pub operation: u64,
    /// On which side of it.
    pub side: Side,
}

/// Before something is done, or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It is not done, and what else the node sent doesn't arrive.
    Before,
    /// It is done, and its sender never hears of it.
    After,
}

/// One thing that happens, after some time.
#[derive(Clone, Debug)]
pub struct Move {
    /// Simulated time before it. Questions with none between them share a step.
    pub wait_ms: u64,
    /// What happens.
    pub action: Action,
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Action {
    /// A client asks this node, or the other if only that one serves.
    Ask(usize, Box<Ask>),
    /// Something goes wrong at this node.
    Fault(usize, Fault),
    /// This node begins a checkpoint, or the other if only that one serves; unless one is under way.
    Checkpoint(usize),
    /// The journal lost its beginning, up to so many batches ago, and this node, or the other, goes on without.
    Lose(usize, u64),
}

/// A question. `which` picks among the leases or messages that clients know, from the latest back.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // commands of the engine, but for `which`
pub enum Ask {
    Create {
        queue: &'static str,
        config: QueueConfig,
    },
    Update {
        queue: &'static str,
        patch: ConfigPatch,
    },
    Delete {
        queue: &'static str,
    },
    Pause {
        queue: &'static str,
        what: Paused,
    },
    Resume {
        queue: &'static str,
        what: Paused,
    },
    Purge {
        queue: &'static str,
    },
    CreateGroup {
        queue: &'static str,
        group: &'static str,
    },
    DeleteGroup {
        queue: &'static str,
        group: &'static str,
    },
    Groups {
        queue: &'static str,
        group: Option<&'static str>,
    },
    Change {
        which: usize,
        delay_ms: Option<u64>,
        priority: Option<u8>,
    },
    DeleteMessage {
        which: usize,
    },
    StartSweep {
        queue: &'static str,
        /// Of these messages only.
        ids: Option<usize>,
        plan: Box<SweepPlan>,
    },
    StepSweep {
        which: usize,
    },
    GetSweep {
        which: usize,
    },
    CancelSweep {
        which: usize,
    },
    Enqueue {
        queue: &'static str,
        messages: Vec<NewMessage>,
        atomic: bool,
    },
    Heartbeat {
        queue: &'static str,
        group: &'static str,
        consumer: &'static str,
    },
    Seen {
        queue: &'static str,
        group: &'static str,
        consumer: &'static str,
    },
    Leave {
        queue: &'static str,
        group: &'static str,
        consumer: &'static str,
    },
    Receive {
        queue: &'static str,
        group: &'static str,
        consumer: &'static str,
        /// How long it would wait.
        wait_ms: u64,
        max: u32,
        timeout_ms: Option<u64>,
        bytes_max: u64,
        vanishes: bool,
        attempt: Option<u64>,
    },
    Ack {
        which: usize,
    },
    Complete {
        which: usize,
        /// Bytes beyond what tells it from others.
        result: Option<u32>,
        enqueue: Vec<(&'static str, NewMessage)>,
    },
    Nack {
        which: usize,
        delay_ms: Option<u64>,
        priority: Option<u8>,
        error: u32,
        reject: bool,
    },
    Extend {
        which: usize,
        timeout_ms: Option<u64>,
    },
    Settle {
        queue: &'static str,
        which: usize,
        /// Whether the first ack brings what a completion may.
        result: Option<u32>,
        enqueue: Vec<(&'static str, NewMessage)>,
    },
    Release {
        which: usize,
        delay_ms: Option<u64>,
    },
    GiveBack {
        which: usize,
    },
    Get {
        which: usize,
        /// Of those that were acked with a result.
        done: bool,
    },
    Peek {
        queue: &'static str,
        state: PeekState,
        filter: PeekFilter,
        after: Option<usize>,
        limit: u32,
    },
    List {
        prefix: &'static str,
        after: Option<&'static str>,
        limit: u32,
    },
}

/// What becomes of a checkpoint's next request.
#[derive(Clone, Copy, Debug)]
pub enum StoreFault {
    /// It never arrives.
    Lost,
    /// It is refused: the disk is full.
    Refused,
    /// It is done, and its answer never comes.
    Unheard,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The next append never reaches the journal.
    AppendLost,
    /// The next append is stored, and its acknowledgement never comes.
    AckLost,
    /// The next append reaches the journal this much later; beyond the time-out, after its writer gave up.
    AppendLate(u64),
    /// The next append's acknowledgement comes this much later.
    AckLate(u64),
    /// The journal says no to the next append.
    Refused,
    /// The process dies and starts again after so long. What it sent is on its way.
    Crash(u64),
    /// The process dies, and with it what it sent and did not arrive.
    CrashMuted(u64),
    /// It begins to own the partition though another may.
    Takeover,
    /// Something happens to the next request of a checkpoint.
    Store(StoreFault),
    /// It can't trust the newest checkpoint when it starts next.
    Distrust,
    /// Its clock is set forward or back.
    ClockJump(i64),
    /// Its clock stands still for so long.
    ClockStops(u64),
    /// A copy of the journal is damaged; a start must refuse it.
    Damage(Damage),
}

/// How a copy of the journal is damaged. `back` counts batches from the last one.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Damage {
    /// A bit of a batch is another.
    Flip { back: usize, bit: usize },
    /// A batch ends early.
    Cut { back: usize, bytes: usize },
    /// A batch before the last one is not there.
    Missing { back: usize },
    /// Two neighbours changed places.
    Swapped { back: usize },
    /// A batch lies where the next one should.
    Doubled { back: usize },
    /// A batch before the last one was written anew, with another instant and a hash that is right.
    Rewritten { back: usize },
}
