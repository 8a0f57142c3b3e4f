//! Running a plan: its moves, then rest. Each plan runs twice, and both runs must be the same.

use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::{Mutex, Once};

use engine::command::{Ack, Command, GiveBack};
use engine::record::Paused;
use engine::reply::State;

use crate::audit;
use crate::clients;
use crate::coverage::Coverage;
use crate::model::{Message, Model, Queue};
use crate::node::{NodeState, Owner, Question};
use crate::plan::Plan;
use crate::world::{START_MS, World};

/// What a run was.
#[derive(Clone, Debug)]
pub struct Report {
    /// Of everything that happened.
    pub hash: u64,
    /// Simulated.
    pub simulated_ms: u64,
    /// Steps of engines.
    pub steps: u64,
    /// Batches in the journal, and those of them that were passed over.
    pub batches: usize,
    /// See there.
    pub passed_over: usize,
    /// Ownerships.
    pub epochs: u64,
    /// What reached a disk.
    pub operations: u64,
    /// Checkpoints that were stored, and batches and entries of checkpoints that were no longer needed.
    pub checkpoints: u64,
    /// See there.
    pub trimmed: u64,
    /// See there.
    pub purged: u64,
    /// Transitions it saw.
    pub coverage: Coverage,
}

/// Runs a plan once. Panics when something is wrong.
pub fn run(plan: &Plan) -> Report {
    let mut world = World::new(Rc::default(), plan.crash);
    for next in &plan.moves {
        world.advance(next.wait_ms);
        world.act(&next.action);
    }
    come_to_rest(&mut world);
    let epochs = audit::check(&world.journal.batches);
    Report {
        hash: world.hash.0,
        simulated_ms: world.now_ms - START_MS,
        steps: world.steps,
        batches: world.journal.batches.len(),
        passed_over: world
            .journal
            .batches
            .iter()
            .filter(|stored| !stored.counts)
            .count(),
        epochs,
        operations: world.operations,
        checkpoints: world.store.checkpoints,
        trimmed: world.journal.first - 1,
        purged: world.store.purged(),
        coverage: world.coverage().clone(),
    }
}

/// Runs a plan once. Err says what is wrong.
pub fn check_once(plan: &Plan) -> Result<Report, String> {
    caught(|| run(plan))
}

/// Runs a plan twice. Err says what is wrong.
pub fn check(plan: &Plan) -> Result<Report, String> {
    let first = check_once(plan)?;
    let second = caught(|| run(plan))?;
    if first.hash != second.hash {
        return Err("two runs of the plan differ".into());
    }
    Ok(first)
}

/// Faults are over: everything is delivered and acked, or dead.
fn come_to_rest(world: &mut World) {
    for node in &mut world.nodes {
        node.fates.clear();
        node.store_faults.clear();
    }
    world.advance(60_000);
    let (mut known, mut idle_ms) = (world.clients.leases.len(), 1);
    for rounds in 0.. {
        assert!(rounds < 5_000, "what is left never goes: {:?}", rest(world));
        world.lose_ownership();
        let questions = match owner(world) {
            Some(owner) if is_at_rest(&owner.model) => break,
            Some(owner) => owner.model.queues.iter().flat_map(questions).collect(),
            None => Vec::new(),
        };
        questions
            .into_iter()
            .for_each(|command| ask(world, command));
        world.advance(3);
        let leases = world.clients.leases[known..].to_vec();
        let mut sweeps = world.clients.sweeps.clone();
        sweeps.dedup();
        for sweep in sweeps.into_iter().filter(|_| rounds < 10) {
            ask(world, clients::step_sweep(sweep));
        }
        for GiveBack { lease, .. } in &leases {
            ask(world, Command::Ack(Ack { lease: *lease }));
        }
        idle_ms = if leases.is_empty() {
            (idle_ms * 2).min(86_400_000)
        } else {
            1
        };
        known = world.clients.leases.len();
        world.advance(idle_ms);
    }
    world.advance(60_000);
    let owner = owner(world).expect("somebody serves");
    world.ledger.check_at_rest(&owner.model);
    let mut known: Vec<u64> = owner
        .model
        .messages
        .iter()
        .map(|message| message.number)
        .collect();
    known.dedup();
    let held = owner.chain.partition.message_count();
    assert_eq!(
        held,
        known.len() as u64,
        "messages held, and messages known"
    );
}

/// What empties a queue.
fn questions(queue: &Queue) -> Vec<Command> {
    let groups = queue.groups.iter();
    let receive =
        groups.map(|group| clients::receive((&queue.name, &group.name, ""), 100, None, 1 << 20));
    let what = Paused {
        enqueue: true,
        receive: true,
    };
    let name = queue.name.clone();
    let resume = (queue.paused.receive).then_some(Command::ResumeQueue { name, what });
    resume.into_iter().chain(receive).collect()
}

/// Who serves, and knows all that counts: one who was deposed may not know it yet.
fn owner(world: &World) -> Option<&Owner> {
    let serving = world.nodes.iter().filter_map(|node| match &node.state {
        NodeState::Serving(owner) => Some(owner),
        _ => None,
    });
    let mut knowing = serving.filter(|owner| owner.last == world.journal.last);
    knowing.next().map(|owner| &**owner)
}

fn is_at_rest(model: &Model) -> bool {
    model
        .messages
        .iter()
        .all(|message| message.state == State::Dead)
}

fn rest(world: &World) -> Option<&Vec<Message>> {
    owner(world).map(|owner| &owner.model.messages)
}

fn ask(world: &mut World, command: Command) {
    world.send(0, Question::of_client(command));
}

static LAST_PANIC: Mutex<String> = Mutex::new(String::new());
static QUIET: Once = Once::new();

/// What panicked says, instead of a message on the terminal.
fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    QUIET.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| match IS_CAUGHT.get() {
            true => *LAST_PANIC.lock().expect("it is only written") = panicked.to_string(),
            false => loud(panicked),
        }));
    });
    IS_CAUGHT.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    IS_CAUGHT.set(false);
    result.map_err(|_| LAST_PANIC.lock().expect("it is only written").clone())
}

thread_local! {
    static IS_CAUGHT: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}
