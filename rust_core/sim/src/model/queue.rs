//! Queues: made, changed, paused, purged, deleted, listed.

use engine::command::ConfigPatch;
use engine::config::QueueConfig;
use engine::record::Paused;
use engine::rejection::Rejection;
use engine::reply::{Counts, QueueView, Reply, State};

use super::group::Group;
use super::{Message, Model};

/// Queues a dead letter may pass.
const CHAIN_MAX: usize = 16;

/// A queue that can be named.
#[derive(Clone)]
pub(crate) struct Queue {
    pub number: u32,
    pub name: Box<str>,
    pub config: QueueConfig,
    pub created_at_ms: u64,
    pub paused: Paused,
    /// Counts its purges.
    pub life: u32,
    /// `default` first.
    pub groups: Vec<Group>,
}

impl Queue {
    pub fn empty_limits(&mut self, now_ms: u64) {
        for group in &mut self.groups {
            group.limits.empty(&self.config, now_ms);
        }
    }

    pub fn has(&self, home: u32) -> bool {
        self.groups.iter().any(|group| group.home == home)
    }
}

impl Model {
    pub(super) fn create_queue(
        &mut self,
        name: &str,
        config: &QueueConfig,
    ) -> Result<Reply, Rejection> {
        let created = match self.named(name) {
            Ok(at) if self.queues[at].config == *config => false,
            Ok(at) => {
                return Err(Rejection::QueueConflict {
                    queue: name.into(),
                    there: Box::new(self.queues[at].config.clone()),
                    asked: Box::new(config.clone()),
                });
            }
            Err(_) => {
                self.check_dead_letter_queue(name, config)?;
                self.check_room(1 + usize::from(self.names_new_queue(config)))?;
                self.add_queue(name, config.clone());
                self.make_dead_letter_queue(config);
                true
            }
        };
        let outcome = if created { "made" } else { "there" };
        self.saw(None, "create queue", outcome);
        let queue = self.view_of_queue(self.named(name)?).into();
        Ok(Reply::QueueCreated { created, queue })
    }

    pub(super) fn update_queue(
        &mut self,
        name: &str,
        patch: ConfigPatch,
    ) -> Result<Reply, Rejection> {
        let at = self.named(name)?;
        let before = self.queues[at].config.clone();
        let config = patch.over(&before);
        if config == before {
            return Ok(self.queue_view(at));
        }
        if config.dead_letter_queue != before.dead_letter_queue {
            self.check_dead_letter_queue(name, &config)?;
        }
        self.check_room(usize::from(self.names_new_queue(&config)))?;
        self.make_dead_letter_queue(&config);
        let now_ms = self.now_ms;
        let queue = &mut self.queues[at];
        queue.config = config;
        for group in &mut queue.groups {
            group.limits.change(&before, &queue.config, now_ms);
        }
        let homes: Vec<u32> = queue.groups.iter().map(|group| group.home).collect();
        homes.into_iter().for_each(|home| self.wake(home));
        self.saw(None, "update queue", "changed");
        Ok(self.queue_view(at))
    }

    pub(super) fn delete_queue(&mut self, name: &str) -> Result<Reply, Rejection> {
        let at = self.named(name)?;
        let messages = self.held_by_queue(at);
        let queue = self.queues.remove(at);
        self.drop_messages(&queue, "delete queue");
        self.remembered.retain(|entry| entry.queue != queue.number);
        Ok(Reply::QueueDeleted { messages })
    }

    pub(super) fn purge_queue(&mut self, name: &str) -> Result<Reply, Rejection> {
        let at = self.named(name)?;
        let messages = self.held_by_queue(at);
        if messages > 0 {
            self.end_sweeps_of(self.queues[at].number);
            self.queues[at].life += 1;
            for group in 0..self.queues[at].groups.len() {
                self.queues[at].groups[group].shadow = self.next_shadow();
            }
        }
        let queue = self.queues[at].clone();
        self.drop_messages(&queue, "purge queue");
        Ok(Reply::QueuePurged { messages })
    }

    fn drop_messages(&mut self, queue: &Queue, verb: &'static str) {
        let all = std::mem::take(&mut self.messages).into_iter();
        let (gone, left) = all.partition(|message| queue.has(message.home));
        self.messages = left;
        self.doomed.retain(|&(doomed, _)| doomed != queue.number);
        for message in &gone as &Vec<Message> {
            self.gone.push(message.token);
            self.saw(Some(message.state), verb, "gone");
        }
    }

    pub(super) fn pause(&mut self, name: &str, what: Paused, to: bool) -> Result<Reply, Rejection> {
        let at = self.named(name)?;
        let queue = &mut self.queues[at];
        let before = queue.paused;
        if what.enqueue {
            queue.paused.enqueue = to;
        }
        if what.receive {
            queue.paused.receive = to;
        }
        let is_changed = queue.paused != before;
        let homes = queue.groups.iter().map(|group| group.home);
        let homes: Vec<u32> = homes.filter(|_| is_changed).collect();
        homes.into_iter().for_each(|home| self.wake(home));
        let outcome = if to { "paused" } else { "resumed" };
        self.saw(None, "pause queue", outcome);
        Ok(self.queue_view(at))
    }

    pub(super) fn list_queues(&self, prefix: &str, after: Option<&str>, limit: u32) -> Reply {
        let mut names: Vec<&str> = self.queues.iter().map(|queue| &*queue.name).collect();
        names.sort_unstable();
        names.retain(|&name| name.starts_with(prefix) && after.is_none_or(|after| name > after));
        let more = names.len() > limit as usize;
        names.truncate(limit as usize);
        let at = |name| self.named(name).expect("a name of the list");
        let queues = names
            .into_iter()
            .map(|name| self.view_of_queue(at(name)))
            .collect();
        Reply::Queues { queues, more }
    }

    pub(super) fn queue_view(&self, at: usize) -> Reply {
        Reply::Queue(self.view_of_queue(at).into())
    }

    fn view_of_queue(&self, at: usize) -> QueueView {
        let queue = &self.queues[at];
        QueueView {
            name: queue.name.clone(),
            config: queue.config.clone(),
            created_at_ms: queue.created_at_ms,
            paused: queue.paused,
            counts: self.counts(queue.groups[0].home),
            oldest_ready_ms: self.oldest_ready_ms(queue.groups[0].home),
        }
    }

    pub(super) fn oldest_ready_ms(&self, home: u32) -> Option<u64> {
        let is_ready = |message: &&Message| message.home == home && message.state == State::Ready;
        let ready = self.messages.iter().filter(is_ready);
        ready.map(|message| message.at_ms).min()
    }

    pub(super) fn counts(&self, home: u32) -> Counts {
        let count = |state| self.count(home, state);
        Counts {
            ready: count(State::Ready),
            blocked: count(State::Blocked),
            delayed: count(State::Delayed),
            leased: count(State::Leased),
            dead: count(State::Dead),
        }
    }

    pub(super) fn count(&self, home: u32, state: State) -> u64 {
        let is_there = |message: &&Message| message.home == home && message.state == state;
        self.messages.iter().filter(is_there).count() as u64
    }

    /// Messages of a queue, each once however many groups hold it.
    pub(super) fn held_by_queue(&self, at: usize) -> u64 {
        let queue = &self.queues[at];
        let held = self
            .messages
            .iter()
            .filter(|message| queue.has(message.home));
        let doomed = self.doomed.iter().filter(|(of, _)| *of == queue.number);
        let mut numbers: Vec<u64> = held.map(|message| message.number).collect();
        numbers.extend(doomed.map(|&(_, number)| number));
        numbers.sort_unstable();
        numbers.dedup();
        numbers.len() as u64
    }

    // -- dead-letter queues

    fn check_dead_letter_queue(&self, name: &str, config: &QueueConfig) -> Result<(), Rejection> {
        let Some(first) = &config.dead_letter_queue else {
            return Ok(());
        };
        let (queue, dead_letter_queue) = (Box::from(name), first.clone());
        if **first == *name {
            return Err(Rejection::DeadLetterQueueIsItself { queue });
        }
        let mut next = Some(&**first);
        for _ in 0..CHAIN_MAX {
            let Some(here) = next else { return Ok(()) };
            if here == name {
                return Err(Rejection::DeadLetterQueueLeadsBack {
                    queue,
                    dead_letter_queue,
                });
            }
            let found = self.named(here).ok();
            next = found.and_then(|at| self.queues[at].config.dead_letter_queue.as_deref());
        }
        if next.is_none() {
            return Ok(());
        }
        let queues_max = CHAIN_MAX as u32;
        Err(Rejection::DeadLetterQueueChainTooLong {
            queue,
            dead_letter_queue,
            queues_max,
        })
    }

    fn names_new_queue(&self, config: &QueueConfig) -> bool {
        config
            .dead_letter_queue
            .as_deref()
            .is_some_and(|name| self.named(name).is_err())
    }

    fn check_room(&self, queues: usize) -> Result<(), Rejection> {
        let queues_max = self.settings.queues_max;
        if queues > 0 && (self.queues.len() + queues) as u64 > queues_max {
            return Err(Rejection::QueuesExhausted { queues_max });
        }
        Ok(())
    }

    fn make_dead_letter_queue(&mut self, config: &QueueConfig) {
        if let Some(name) = config
            .dead_letter_queue
            .as_deref()
            .filter(|name| self.named(name).is_err())
        {
            self.add_queue(name, self.settings.queue_config.clone());
        }
    }

    /// The number of the queue that dead letters of this one go to, made if need be; None: they stay.
    pub(super) fn dead_letter_queue_of(&mut self, home: u32) -> Option<usize> {
        let source = self.queues.iter().find(|other| other.has(home))?;
        let config = source.config.clone();
        let name = config.dead_letter_queue.as_deref()?;
        if self.named(name).is_err() {
            self.check_room(1).ok()?;
            self.make_dead_letter_queue(&config);
        }
        self.named(name).ok()
    }

    fn add_queue(&mut self, name: &str, config: QueueConfig) {
        let default = self.new_group(0, "default", &config);
        self.queues.push(Queue {
            number: self.queues_made,
            name: name.into(),
            config,
            created_at_ms: self.now_ms,
            paused: Paused::default(),
            life: 0,
            groups: vec![default],
        });
        self.queues_made += 1;
    }
}
