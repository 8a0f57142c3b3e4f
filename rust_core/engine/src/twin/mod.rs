//! For tests: a partition and its replica, fed by replaying the first one's records. After every step both must
//! hold the same state, and every invariant must hold in both.

mod any;
pub(crate) mod checkpoints;
mod completes;
mod contradictions;
mod deposed;
mod hostile;
mod invariants;
mod ledger;
mod limits;
mod lost;
mod many_keys;
mod many_moved;
mod many_swept;
pub(crate) mod members;
mod polls;
mod random;
mod refused;
mod spoiled;
pub(crate) mod sweeps;
mod trim;
pub(crate) mod turns;

use crate::command::{Ack, Command, DedupKey, Extend, Nack, NewMessage, PeekFilter, PeekState};
use crate::config::{QueueConfig, RateLimit, Settings};
use crate::ids::{GROUP_DEFAULT, LeaseId, MessageId, PartitionNumber};
use crate::partition::{Partition, Step};
use crate::reply::{Accepted, Delivered, GroupView, MessageView, Nacked, QueueView, Reply};
use crate::woken::Woken;

pub(crate) const SECOND: u64 = 1000;
pub(crate) const ANSWER_BYTES_MAX: u64 = 8 << 20;

/// See the module.
pub(crate) struct Twin {
    pub live: Partition,
    pub replica: Partition,
    pub now_ms: u64,
    checkpoints: checkpoints::Checkpoints,
    journal: trim::Journal,
    /// A step that is done with: the next one is made in its memory.
    before: Step,
}

impl Twin {
    /// A founded partition, at an instant of our century.
    pub fn new() -> Self {
        Twin::with(settings())
    }

    pub fn with(settings: Settings) -> Self {
        let (live, replica) = (
            Partition::new(PartitionNumber(0), settings.clone()),
            Partition::new(PartitionNumber(0), settings),
        );
        let mut twin = Twin {
            live,
            replica,
            now_ms: 1_700_000_000_000,
            checkpoints: checkpoints::Checkpoints::default(),
            before: Step::default(),
            journal: trim::Journal::default(),
        };
        twin.fence();
        twin
    }

    /// A takeover: what was replayed decides from here on, and what decided is its replica.
    pub fn fence(&mut self) {
        match self.checkpoints.take_over() {
            Some(restored) => self.live = restored,
            None => std::mem::swap(&mut self.live, &mut self.replica),
        }
        let epoch = self.live.epoch();
        let step = self.live.fence(self.now_ms, [7; 32]);
        assert_eq!(self.live.epoch(), epoch + 1, "a takeover is an epoch");
        assert_eq!(self.live.secret(), Some([7; 32]), "receipts stay good");
        self.compare(&step);
    }

    /// Time passes; nothing happens by it until the next step.
    pub fn wait(&mut self, ms: u64) -> &mut Self {
        self.now_ms += ms;
        self
    }

    pub fn step(&mut self, mut commands: Vec<Command>) -> Step {
        let count = commands.len();
        let mut step = std::mem::take(&mut self.before);
        self.live
            .step_into(&mut step, self.now_ms, &mut commands, None);
        assert_eq!(step.replies.len(), count, "one reply a command");
        self.compare(&step);
        step
    }

    pub fn step_and_wake(
        &mut self,
        mut commands: Vec<Command>,
        mut wake: impl FnMut(Woken) -> Vec<Command>,
    ) -> Step {
        let mut count = commands.len();
        let mut counted = |woken| {
            let receives = wake(woken);
            count += receives.len();
            receives
        };
        let mut step = Step::default();
        self.live
            .step_into(&mut step, self.now_ms, &mut commands, Some(&mut counted));
        assert_eq!(step.replies.len(), count, "one reply a command");
        self.compare(&step);
        step
    }

    fn compare(&mut self, step: &Step) {
        if !step.records.is_empty() {
            self.replica.replay(step.lsn, self.now_ms, &step.records);
            let bytes = self.journal.append(step);
            self.live.journaled(bytes);
            self.replica.journaled(bytes);
        }
        self.before.clone_from(step);
        assert_eq!(self.live.lsn(), step.lsn);
        assert!(
            folded(&self.live) == folded(&self.replica),
            "a replay differs after {:?}",
            step.records
        );
        self.live.assert_invariants();
        self.checkpoints.replay(step, self.now_ms, &self.live);
        if self.checkpoints.each_step {
            self.checkpoint(checkpoints::CheckpointMove::Begin);
            self.checkpoint(checkpoints::CheckpointMove::End);
        }
    }

    /// Takes one after each step: whatever changed must be marked by itself, not by what happens to lie beside it.
    pub fn checkpoint_each_step(&mut self, each: bool) {
        self.checkpoints.each_step = each;
    }

    pub fn checkpoint(&mut self, next: checkpoints::CheckpointMove) {
        self.checkpoints.make(next, &mut self.live);
    }

    pub fn ask(&mut self, command: Command) -> Reply {
        self.step(vec![command]).replies.remove(0)
    }

    pub fn create(&mut self, name: &str, config: QueueConfig) -> Reply {
        self.ask(Command::CreateQueue {
            name: name.into(),
            config: config.into(),
        })
    }

    pub fn queue(&mut self, name: &str) -> QueueView {
        match self.ask(Command::GetQueue { name: name.into() }) {
            Reply::Queue(view) => *view,
            other => panic!("{other:?}"),
        }
    }

    pub fn enqueue(&mut self, queue: &str, message: NewMessage) -> Accepted {
        let command = Command::Enqueue {
            queue: queue.into(),
            messages: vec![message],
            atomic: false,
        };
        match self.ask(command) {
            Reply::Enqueued(results) => results[0].clone().expect("accepted"),
            other => panic!("{other:?}"),
        }
    }

    pub fn receive(&mut self, queue: &str, messages_max: u32) -> Vec<Delivered> {
        match self.ask(receive(queue, messages_max)) {
            Reply::Received { messages, .. } => messages,
            other => panic!("{other:?}"),
        }
    }

    pub fn receive_for(&mut self, queue: &str, group: &str, messages_max: u32) -> Vec<Delivered> {
        let mut command = receive(queue, messages_max);
        if let Command::Receive { group: of, .. } = &mut command {
            *of = group.into();
        }
        match self.ask(command) {
            Reply::Received { messages, .. } => messages,
            other => panic!("{other:?}"),
        }
    }

    /// Whether it was not there already.
    pub fn create_group(&mut self, queue: &str, group: &str) -> bool {
        let command = Command::CreateGroup {
            queue: queue.into(),
            group: group.into(),
            groups_max: 32,
        };
        match self.ask(command) {
            Reply::GroupCreated { created, .. } => created,
            other => panic!("{other:?}"),
        }
    }

    pub fn delete_group(&mut self, queue: &str, group: &str) -> Reply {
        self.ask(Command::DeleteGroup {
            queue: queue.into(),
            group: group.into(),
        })
    }

    pub fn group(&mut self, queue: &str, group: &str) -> GroupView {
        let command = Command::GetGroup {
            queue: queue.into(),
            group: group.into(),
        };
        match self.ask(command) {
            Reply::Group(view) => *view,
            other => panic!("{other:?}"),
        }
    }

    pub fn nack(&mut self, lease: LeaseId, delay_ms: Option<u64>) -> Nacked {
        match self.ask(Command::Nack(Nack {
            delay_ms,
            ..nack(lease)
        })) {
            Reply::Nacked(nacked) => nacked,
            other => panic!("{other:?}"),
        }
    }

    pub fn message(&mut self, message: MessageId) -> MessageView {
        match self.ask(Command::GetMessage { message }) {
            Reply::Message(view) => *view,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn folded(partition: &Partition) -> Vec<u8> {
    let mut bytes = Vec::new();
    partition.fold_state(&mut |part| bytes.extend_from_slice(part));
    bytes
}

pub(crate) fn config() -> QueueConfig {
    QueueConfig::new(30 * SECOND, 3)
}

/// A dead-letter queue made by name is told from one made by `config()`.
pub(crate) fn settings() -> Settings {
    Settings {
        queue_config: QueueConfig::new(20 * SECOND, 5),
        queues_max: 1000,
        dedup_ids_max: u64::MAX,
        results_bytes_max: u64::MAX,
        segment_bytes: 4 * 400,
    }
}

pub(crate) fn limit(requests: u32, per_ms: u64, burst: u32) -> Option<RateLimit> {
    Some(RateLimit {
        requests,
        per_ms,
        burst,
    })
}

pub(crate) fn message() -> NewMessage {
    NewMessage::plain(100)
}

pub(crate) fn with_dedup(hash: u128, fingerprint: u64) -> NewMessage {
    NewMessage {
        dedup: Some(DedupKey {
            hash,
            fingerprint,
            until_done: false,
        }),
        ..message()
    }
}

pub(crate) fn receive(queue: &str, messages_max: u32) -> Command {
    let (group, consumer) = ("default".into(), "".into());
    Command::Receive {
        queue: queue.into(),
        group,
        consumer,
        members_max: 9,
        wait_ms: 0,
        messages_max,
        visibility_timeout_ms: None,
        answer_bytes_max: ANSWER_BYTES_MAX,
        attempt: None,
    }
}

pub(crate) fn peek(queue: &str, state: PeekState, after: Option<MessageId>, limit: u32) -> Command {
    Command::Peek {
        queue: queue.into(),
        group: "default".into(),
        state,
        filter: PeekFilter::default(),
        after,
        limit,
        answer_bytes_max: ANSWER_BYTES_MAX,
    }
}

pub(crate) fn ack(lease: LeaseId) -> Command {
    Command::Ack(Ack { lease })
}

pub(crate) fn nack(lease: LeaseId) -> Nack {
    Nack {
        lease,
        delay_ms: None,
        priority: None,
        error: None,
        reject: false,
    }
}

pub(crate) fn extend(lease: LeaseId, visibility_timeout_ms: u64) -> Command {
    Command::Extend(Extend {
        lease,
        visibility_timeout_ms: Some(visibility_timeout_ms),
    })
}

/// A lease as a receipt would prove it.
pub(crate) fn lease(message: MessageId, delivery: u32) -> LeaseId {
    LeaseId {
        message,
        group: GROUP_DEFAULT,
        delivery,
    }
}
