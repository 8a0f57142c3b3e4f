//! One queue: its settings, the lists of its messages by place, and their counts. It moves nothing itself;
//! `state` links and unlinks.

use std::sync::Arc;

use crate::config::QueueConfig;
use crate::dispatch::Dispatch;
use crate::expiries::Expiries;
use crate::group::Group;
use crate::ids::QueueNumber;
use crate::keys::Chain;
use crate::list::List;
use crate::lists::Lists;
use crate::members::Holder;
use crate::members::Members;
use crate::message::Place;
use crate::rate::Limiter;
use crate::record::Paused;
use crate::reply::Counts;

/// See the module.
pub(crate) struct Queue {
    pub number: QueueNumber,
    /// A further group has its source's.
    pub name: Arc<str>,
    pub group: Group,
    pub members: Members,
    /// Its further groups, in order of their making.
    pub groups: Vec<QueueNumber>,
    /// Messages that only further groups hold still.
    pub orphans: u64,
    pub config: QueueConfig,
    pub created_at_ms: u64,
    pub paused: Paused,
    pub counts: Counts,
    pub lists: Lists,
    pub delayed: List,
    pub leased: List,
    pub dead: List,
    /// Dead letters that nobody holds, and that are not dead here too. Follows from its messages.
    pub letters: u64,
    /// Its ordering keys that blocked messages wait behind.
    pub blocked: Chain,
    /// As `retention` knows it: when the first dead message or dead letter goes.
    pub retires_ms: Option<u64>,
    pub limiter: Limiter,
    /// Not part of the state.
    pub dispatch: Dispatch,
    /// Of acceptance. Only a queue's own group accepts.
    pub ingress: Limiter,
    pub dedup: Expiries,
    /// Its name is free, or leads to its successor; its messages are being taken away.
    pub deleted: bool,
    /// It is among the woken of this step: for anybody, or for single members. Not part of the state.
    pub woken: bool,
    pub woken_all: bool,
}

impl Queue {
    pub fn new(
        number: QueueNumber,
        name: Arc<str>,
        config: QueueConfig,
        created_at_ms: u64,
    ) -> Self {
        Queue {
            number,
            name,
            group: Group::default_of(number),
            groups: Vec::new(),
            orphans: 0,
            config,
            created_at_ms,
            paused: Paused::default(),
            counts: Counts::default(),
            lists: Lists::new(),
            members: Members::default(),
            delayed: List::EMPTY,
            leased: List::EMPTY,
            dead: List::EMPTY,
            letters: 0,
            blocked: Chain::EMPTY,
            retires_ms: None,
            limiter: Limiter::default(),
            dispatch: Dispatch::new(),
            ingress: Limiter::default(),
            dedup: Expiries::new(number),
            deleted: false,
            woken: false,
            woken_all: false,
        }
    }

    /// The same queue under a fresh number and without messages. Its members, its limits and its dedup windows go on there.
    pub fn successor(&mut self, fresh: QueueNumber) -> Queue {
        let mut queue = Queue::new(
            fresh,
            self.name.clone(),
            self.config.clone(),
            self.created_at_ms,
        );
        queue.paused = self.paused;
        queue.members = self.members.successors(|| queue.lists.number());
        queue.limiter = self.limiter;
        queue.dispatch = std::mem::replace(&mut self.dispatch, Dispatch::new());
        queue.ingress = self.ingress;
        queue.dedup = std::mem::replace(&mut self.dedup, Expiries::new(fresh));
        queue
    }

    /// It is deleted, and nobody is its member any more. What is left of it is taken away.
    pub fn forsake(&mut self) {
        self.deleted = true;
        self.members = Members::default();
    }

    pub fn count_mut(&mut self, place: Place) -> &mut u64 {
        match place {
            Place::Ready => &mut self.counts.ready,
            Place::Blocked => &mut self.counts.blocked,
            Place::Delayed => &mut self.counts.delayed,
            Place::Leased => &mut self.counts.leased,
            Place::Dead => &mut self.counts.dead,
            Place::Free => unreachable!("a free slot is of no queue"),
        }
    }

    pub fn messages(&self) -> u64 {
        let Counts {
            ready,
            blocked,
            delayed,
            leased,
            dead,
        } = self.counts;
        ready + blocked + delayed + leased + dead
    }

    /// Messages of it and its further groups, each once however many groups hold it.
    pub fn messages_held(&self) -> u64 {
        self.messages() + self.orphans
    }

    /// One of its messages, those with timers first. Blocked ones follow when the one before them is gone.
    pub fn any_message(&self) -> Option<u32> {
        let lists = [self.leased, self.delayed];
        let first = lists
            .into_iter()
            .find(|list| !list.is_empty())
            .map(|list| list.head);
        first
            .or_else(|| self.lists.any())
            .or((!self.dead.is_empty()).then_some(self.dead.head))
    }

    /// Nothing of a deleted queue is left.
    pub fn is_reaped(&self) -> bool {
        self.messages() == 0 && self.dedup.is_empty()
    }

    /// Ready messages that this consumer may lease, tokens permitting; that anybody may who is none.
    pub fn receivable(&self, holder: Holder) -> u64 {
        if self.deleted || self.paused.receive {
            return 0;
        }
        self.ready_for(holder).min(self.leases_left())
    }

    /// Further messages that may be leased at the same time.
    pub fn leases_left(&self) -> u64 {
        match self.config.in_flight_max {
            0 => u64::MAX,
            max => u64::from(max).saturating_sub(self.counts.leased),
        }
    }

    /// When a message that died at `dead_ms` goes.
    pub fn retired_ms(&self, dead_ms: u64) -> Option<u64> {
        let retention_ms = self.config.dead_retention_ms;
        (retention_ms > 0).then(|| dead_ms.saturating_add(retention_ms))
    }

    /// Messages that may be leased now by this consumer, by its own rate limit.
    pub fn consumer_tokens(&self, consumer: &str, now_ms: u64) -> u32 {
        let of = |limit| {
            self.dispatch
                .consumers
                .of(consumer)
                .available(limit, now_ms)
        };
        self.config.consumer_rate_limit.map_or(u32::MAX, of)
    }

    /// Milliseconds until this consumer's rate limit lets a message go; 0: now.
    pub fn consumer_retry_after_ms(&self, consumer: &str, now_ms: u64) -> u64 {
        let of = |limit| {
            self.dispatch
                .consumers
                .of(consumer)
                .retry_after_ms(limit, now_ms)
        };
        self.config.consumer_rate_limit.map_or(0, of)
    }

    /// Milliseconds until its rate limit lets a message go; 0: now.
    pub fn retry_after_ms(&self, now_ms: u64) -> u64 {
        self.config
            .rate_limit
            .map_or(0, |limit| self.limiter.retry_after_ms(limit, now_ms))
    }

    /// Messages that may be leased now, by its rate limit.
    pub fn tokens(&self, now_ms: u64) -> u32 {
        self.config
            .rate_limit
            .map_or(u32::MAX, |limit| self.limiter.available(limit, now_ms))
    }
}
