//! One file a verb. Each decides from the state and the command alone, reading only, what to record or why not;
//! committing a record is what changes the state.

mod ack;
mod admission;
mod attempt;
mod change_message;
mod complete;
mod create_group;
mod create_queue;
mod dead_letter_queue;
mod death;
mod delete_group;
mod delete_message;
mod delete_queue;
mod drop_lost;
mod duplicate;
mod enqueue;
mod explain_message;
mod extend;
pub(crate) mod forget;
mod get_group;
mod get_message;
mod get_queue;
mod get_sweep;
mod give_back;
mod heartbeat;
mod lease;
mod leave;
mod line;
mod list_groups;
mod list_queues;
mod list_sweeps;
mod membership;
mod nack;
mod pause_queue;
mod peek;
mod purge_queue;
mod receive;
mod redrive;
mod release;
mod retention;
mod settle;
mod start_sweep;
mod step_sweep;
mod sweep_filter;
pub(crate) mod timers;
mod trim;
mod update_queue;

use crate::batch::Batch;
use crate::command::Command;
use crate::rejection::Rejection;
use crate::reply::Reply;

/// Answers one command.
pub(crate) fn run(batch: &mut Batch, command: Command) -> Reply {
    answer(batch, command).unwrap_or_else(Reply::Rejected)
}

fn answer(batch: &mut Batch, command: Command) -> Result<Reply, Rejection> {
    match command {
        Command::Enqueue {
            queue,
            messages,
            atomic,
        } => enqueue::run(batch, &queue, &messages, atomic),
        Command::Receive {
            queue,
            group,
            consumer,
            members_max,
            wait_ms,
            messages_max,
            visibility_timeout_ms,
            answer_bytes_max,
            attempt,
        } => {
            let request = receive::Request {
                queue,
                group,
                consumer,
                members_max,
                wait_ms,
                messages_max,
                visibility_timeout_ms,
                answer_bytes_max,
                attempt,
            };
            receive::run(batch, request)
        }
        Command::Ack(ack) => ack::run(batch, ack),
        Command::Nack(nack) => nack::run(batch, nack, None).map(Reply::Nacked),
        Command::Extend(extend) => extend::run(batch, extend, None)
            .map(|leased_until_ms| Reply::Extended { leased_until_ms }),
        Command::Settle {
            queue,
            acks,
            nacks,
            extends,
            releases,
        } => {
            let entries = settle::Entries {
                acks,
                nacks,
                extends,
                releases,
            };
            settle::run(batch, &queue, entries)
        }
        Command::Release(release) => release::run(batch, release, None).map(Reply::Released),
        Command::GiveBack { leases } => Ok(give_back::run(batch, &leases)),
        Command::GetMessage { message } => get_message::run(batch.state(), batch.now_ms, message),
        Command::ExplainMessage {
            message,
            group,
            consumer,
        } => {
            let (group, consumer) = (group.as_deref(), consumer.as_deref());
            explain_message::run(batch.state(), message, group, consumer, batch.now_ms)
        }
        Command::ChangeMessage {
            message,
            delay_ms,
            priority,
        } => change_message::run(batch, message, delay_ms, priority),
        Command::DeleteMessage { message } => delete_message::run(batch, message),
        other => answer_about_queues(batch, other),
    }
}

/// Acks that bring more, queues, their consumer groups, and sweeps.
fn answer_about_queues(batch: &mut Batch, command: Command) -> Result<Reply, Rejection> {
    match command {
        Command::Complete(complete) => complete::run(batch, &complete),
        Command::CreateQueue { name, config } => create_queue::run(batch, name, *config),
        Command::UpdateQueue { name, patch } => update_queue::run(batch, &name, *patch),
        Command::PauseQueue { name, what } => pause_queue::pause(batch, &name, what),
        Command::ResumeQueue { name, what } => pause_queue::resume(batch, &name, what),
        Command::PurgeQueue { name } => purge_queue::run(batch, &name),
        Command::DeleteQueue { name } => delete_queue::run(batch, &name),
        Command::GetQueue { name } => get_queue::run(batch.state(), &name),
        Command::ListQueues {
            prefix,
            after,
            limit,
        } => {
            let after = after.as_deref();
            Ok(list_queues::run(batch.state(), &prefix, after, limit))
        }
        Command::StartSweep(start) => start_sweep::run(batch, *start),
        Command::GetSweep { sweep, kept_ms } => {
            get_sweep::run(batch.state(), batch.now_ms, sweep, kept_ms)
        }
        Command::ListSweeps {
            before,
            limit,
            kept_ms,
        } => Ok(list_sweeps::run(
            batch.state(),
            batch.now_ms,
            before,
            limit,
            kept_ms,
        )),
        Command::CancelSweep { sweep, kept_ms } => get_sweep::cancel(batch, sweep, kept_ms),
        Command::Trim(trim) => Ok(trim::run(batch, trim)),
        Command::DropLost(drop) => Ok(drop_lost::run(batch, drop)),
        Command::Move { moves } => Ok(trim::move_all(batch, moves)),
        Command::StepSweep { sweep, choice } => {
            Ok(Reply::SweepStepped(step_sweep::run(batch, sweep, choice)))
        }
        Command::Peek {
            queue,
            group,
            state,
            filter,
            after,
            limit,
            answer_bytes_max,
        } => {
            let page = peek::Page {
                filter,
                after,
                limit,
                answer_bytes_max,
            };
            peek::run(batch.state(), &queue, &group, state, page)
        }
        other => answer_about_groups(batch, other),
    }
}

/// Consumer groups and their members.
fn answer_about_groups(batch: &mut Batch, command: Command) -> Result<Reply, Rejection> {
    match command {
        Command::CreateGroup {
            queue,
            group,
            groups_max,
        } => create_group::run(batch, queue, group, groups_max),
        Command::DeleteGroup { queue, group } => delete_group::run(batch, &queue, &group),
        Command::GetGroup { queue, group } => get_group::run(batch.state(), &queue, &group),
        Command::ListGroups { queue } => list_groups::run(batch.state(), &queue),
        Command::Heartbeat {
            queue,
            group,
            consumer,
            members_max,
        } => heartbeat::run(batch, &queue, &group, &consumer, members_max),
        Command::Seen {
            queue,
            group,
            consumer,
        } => heartbeat::seen(batch, &queue, &group, &consumer),
        Command::Leave {
            queue,
            group,
            consumer,
        } => leave::run(batch, &queue, &group, &consumer),
        _ => unreachable!("every other command is answered above"),
    }
}
