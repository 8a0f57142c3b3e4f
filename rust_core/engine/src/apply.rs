//! The one mutator. A step applies what it decided, a replay what was decided once: the same records at the
//! same instants give the same state. It decides nothing; what contradicts the state is a bug, and asserted.

mod accept;
mod change;
mod death;
mod group;
mod lease;
mod manage;
mod member;
mod moved;
mod queue;
mod sweep;

use crate::record::Record;
use crate::state::State;

impl State {
    /// Applies one record of the batch that `cursor` names.
    pub fn apply(&mut self, record: &Record) {
        match *record {
            Record::Founded { secret } => self.found(secret),
            Record::Fenced { epoch } => self.fence(epoch),
            Record::QueueCreated {
                queue,
                ref name,
                ref config,
            } => {
                self.queues
                    .insert(queue, name, (**config).clone(), self.cursor.now_ms);
            }
            Record::QueueUpdated { queue, ref config } => self.update_queue(queue, config),
            Record::GroupCreated {
                queue,
                group,
                ref name,
                shadow,
            } => {
                let now_ms = self.cursor.now_ms;
                self.queues.insert_group(queue, group, name, shadow, now_ms);
            }
            Record::MemberJoined {
                queue,
                ref consumer,
            } => self.join(queue, consumer),
            Record::MemberLeft {
                queue,
                ref consumer,
            } => self.leave(queue, consumer),
            Record::Reassigned { queue, count } => self.reassign(queue, count),
            Record::Returned { queue, count } => self.give_back_left(queue, count),
            Record::QueueDeleted { queue } => self.delete_queue(queue),
            Record::Forgotten {
                queue,
                dedup_entries,
            } => self.forget(queue, dedup_entries),
            Record::Reaped {
                queue,
                count,
                dedup_entries,
            } => self.reap(queue, count, dedup_entries),
            Record::Enqueued(ref enqueued) => self.enqueue(enqueued),
            ref about => self.apply_about(about),
        }
    }

    /// Applies a record about messages that were accepted earlier.
    fn apply_about(&mut self, record: &Record) {
        match *record {
            Record::Due { message } => self.due(message),
            Record::Leased {
                queue,
                ref consumer,
                until_ms,
                attempt,
                ref messages,
                ..
            } => {
                self.lease(queue, consumer, until_ms, messages);
                self.remember_attempt(queue, attempt, messages);
            }
            Record::Acked { message, group } => self.ack(message, group),
            Record::Completed {
                message,
                group,
                expires_at_ms,
                result_bytes,
            } => self.complete(message, group, expires_at_ms, result_bytes),
            Record::FollowedUp {
                message,
                group,
                ref messages,
            } => self.follow_up(message, group, messages),
            Record::ResultsForgotten { count } => self.results.forget(count, &mut self.live),
            Record::ResultsEvicted { count } => self.results.evict(count, &mut self.live),
            Record::Retried {
                message,
                cause,
                due_ms,
                priority,
                error_bytes,
                ..
            } => {
                self.retry(message, cause, due_ms, priority, error_bytes);
            }
            Record::Extended {
                message, until_ms, ..
            } => self.extend(message, until_ms),
            Record::Released {
                message, since_ms, ..
            } => self.release(message, since_ms),
            Record::Postponed {
                message, due_ms, ..
            } => self.postpone(message, due_ms),
            Record::Died {
                message,
                reason,
                error_bytes,
            } => self.die(message, reason, error_bytes),
            Record::DeadLettered {
                message,
                reason,
                error_bytes,
                queue,
                dead_letter,
            } => {
                self.dead_letter(message, reason, error_bytes, queue, dead_letter);
            }
            Record::SweepStarted { .. }
            | Record::SweepAdvanced { .. }
            | Record::SweepEnded { .. }
            | Record::SweepForgotten { .. }
            | Record::Redriven { .. } => self.sweep(record),
            ref other => self.manage(other),
        }
    }
}
