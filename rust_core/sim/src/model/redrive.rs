//! redrive: a message begins anew; and which messages are a sweep's business.

use engine::config::QueueConfig;
use engine::ids::MessageId;
use engine::reply::State;
use engine::sweep::{SweepAction, SweepFailure};

use super::sweep::Sweep;
use super::{Message, Model};

impl Model {
    /// It begins anew where it died, or elsewhere.
    pub(super) fn redrive(&mut self, sweep: &Sweep, at: usize, new: MessageId) {
        let old = self.messages[at].clone();
        let (queue, home) = self.destination(sweep, &old).expect("it can be redriven");
        let QueueConfig { ttl_ms, .. } = self.queues[queue].config;
        let had_it = self.had(&old, queue);
        let key = old.death.as_ref().and_then(|death| death.ordering_key);
        let anew = self.add(queue, old.priority, old.token, old.bytes);
        let default = self.queues[queue].groups[0].home;
        let message = &mut self.messages[anew];
        message.home = home;
        message.expires_at_ms = if ttl_ms == 0 { 0 } else { self.now_ms + ttl_ms };
        message.ordering_key = old.ordering_key.or(key);
        message.fairness_key = old.fairness_key;
        message.max_retries = old.max_retries;
        message.backoff = old.backoff;
        message.death = old.death.clone();
        if let Some(death) = &mut message.death {
            death.redrives += 1;
            death.over = true;
            // Which of several copies that nobody saw it was, the engine alone knows.
            if old.slot.is_none() && old.homes.len() > 1 {
                death.source_group = None;
                self.letters.push(new);
            }
        }
        self.place_new(anew, self.now_ms);
        if home == default && !had_it {
            let homes = self.queues[queue].groups.iter().map(|group| group.home);
            self.copy(anew, homes.collect(), self.now_ms);
        } else if home != default {
            self.messages[anew].homes = vec![default, home];
        }
        self.learn(anew, new);
        self.learn_slot(anew, new);
        self.wake_if(old.home, old.state == State::Ready);
        self.remove(self.position(old.number, old.home).expect("it is there"));
    }

    /// Queue and group that a message is redriven to.
    pub(super) fn destination(
        &self,
        sweep: &Sweep,
        message: &Message,
    ) -> Result<(usize, u32), SweepFailure> {
        let SweepAction::Redrive { destination } = &sweep.plan.action else {
            unreachable!("only a redrive has one")
        };
        let death = message.death.as_ref().filter(|death| !death.over);
        let died_in = |name: &&str| death.is_some_and(|death| *death.source_queue == **name);
        let (queue, group) = match destination.as_deref().filter(|name| !died_in(name)) {
            Some(name) => (name, Some(&"default".into())),
            None => {
                let death = death.ok_or(SweepFailure::NoSource)?;
                (&*death.source_queue, death.source_group.as_ref())
            }
        };
        let queue = self.named(queue).map_err(|_| SweepFailure::QueueNotFound)?;
        let group = group.map_or(Ok(0), |group| self.group(queue, group));
        let group = group.map_err(|_| SweepFailure::GroupNotFound)?;
        let messages_max = self.queues[queue].config.messages_max;
        let held = self.held_by_queue(queue);
        let moves = self.queues[queue].has(message.home);
        if messages_max > 0 && held >= messages_max && !moves {
            return Err(SweepFailure::QueueFull);
        }
        Ok((queue, self.queues[queue].groups[group].home))
    }

    /// Whether a message died in a queue, or lies there: its other groups had their own copies.
    fn had(&self, message: &Message, queue: usize) -> bool {
        let queue = &self.queues[queue];
        let death = message.death.as_ref().filter(|death| !death.over);
        death.is_some_and(|death| death.source_queue == queue.name) || queue.has(message.home)
    }

    /// Whether a message counts when a sweep begins: of those it is about by their state, of which it may touch fewer.
    pub(super) fn is_of_total(&self, sweep: &Sweep, message: &Message) -> bool {
        let queue = self.queue_of(message);
        let is_redrive = matches!(sweep.plan.action, SweepAction::Redrive { .. });
        let is_dead = message.state == State::Dead;
        (queue.number, queue.life) == sweep.queue
            && message.state != State::Leased
            && (queue.groups[0].home == message.home || !is_redrive || is_dead)
            && match sweep.plan.filter.state {
                Some(state) => state == message.state,
                None if is_redrive => message.is_letter(),
                None => !is_dead,
            }
    }

    /// Whether a sweep may touch a message now.
    pub(super) fn is_business(&self, sweep: &Sweep, message: &Message) -> bool {
        let queue = self.queue_of(message);
        let (plan, filter) = (&sweep.plan, &sweep.plan.filter);
        let death = message.death.as_ref().filter(|death| !death.over);
        let is_redrive = matches!(plan.action, SweepAction::Redrive { .. });
        let is_dead = message.state == State::Dead;
        let there_already = match &plan.action {
            SweepAction::Redrive { destination } => destination.as_ref() == Some(&queue.name),
            _ => false,
        };
        let died_here = is_dead && death.is_some_and(|death| death.source_queue == queue.name);
        let in_state = match filter.state {
            _ if plan.ids.is_some() => true,
            Some(state) => state == message.state,
            None if is_redrive => death.is_some(),
            None => !is_dead,
        };
        let known =
            |id: &MessageId| (id.number, Some(id.slot)) == (message.number, message.known_slot);
        (queue.number, queue.life) == sweep.queue
            && message.number <= sweep.numbered
            && message.state != State::Leased
            && (queue.groups[0].home == message.home || !is_redrive || died_here)
            && in_state
            && (is_dead || !there_already)
            && plan.ids.as_ref().is_none_or(|ids| ids.iter().any(known))
            && (filter.reason.is_none() || death.map(|death| death.reason) == filter.reason)
            && death.is_none_or(|death| death.died_at_ms <= sweep.created_at_ms)
    }
}
