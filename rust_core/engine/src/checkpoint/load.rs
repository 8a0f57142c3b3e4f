//! Blocks of maps, back into the state.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::image::{
    CopiesImage, DeathImage, FailuresImage, Head, Image, MemberImage, QueueImage, SweepImage,
};
use super::restore::{Contradiction, check};
use crate::attempts::Attempt;
use crate::copies::{Copied, Copy};
use crate::expiries::Run;
use crate::group::Group;
use crate::history::Death;
use crate::ids::QueueNumber;
use crate::members::Holder;
use crate::queue::Queue;
use crate::rate::Limiter;
use crate::reply::Failures;
use crate::results::Done;
use crate::state::State;
use crate::sweeps::{Scan, Sweep};

/// What the head says of maps.
pub(super) fn begin(state: &mut State, head: &Head) {
    state.settled.serial = head.settled;
    state.attempts.serial = head.attempts;
    state.sweeps.numbered = head.sweeps;
}

/// Adds a block of a map; arrays are added elsewhere.
pub(super) fn add(state: &mut State, image: Image) -> Result<(), Contradiction> {
    let mut is_new = true;
    match image {
        Image::Followed(entries) => entries.into_iter().for_each(|(serial, followed)| {
            is_new &= state
                .settled
                .followed
                .load(serial, followed.into())
                .is_none();
        }),
        Image::Retries(entries) => entries.into_iter().for_each(|(slot, max)| {
            is_new &= state.history.retries_max.load(slot, max).is_none();
        }),
        Image::Backoffs(entries) => entries.into_iter().for_each(|(slot, own)| {
            is_new &= state.history.backoffs.load(slot, own).is_none();
        }),
        Image::Failures(entries) => entries.into_iter().for_each(|(slot, image)| {
            is_new &= state.history.failures.load(slot, failures(image)).is_none();
        }),
        Image::Deaths(entries) => entries.into_iter().for_each(|(slot, image)| {
            is_new &= state.history.deaths.load(slot, death(image)).is_none();
        }),
        Image::Copies(entries) => entries.into_iter().for_each(|(number, image)| {
            is_new &= state.copies.copied.load(number, copied(image)).is_none();
        }),
        Image::Results(entries) => entries.into_iter().for_each(|(number, image)| {
            let done = Done {
                slot: image.slot,
                queue: image.queue,
                group: image.group,
                done_at_ms: image.done_at_ms,
                expires_at_ms: image.expires_at_ms,
                result: image.result,
            };
            is_new &= state.results.done.load(number, done).is_none();
        }),
        Image::Attempts(entries) => entries.into_iter().for_each(|(serial, image)| {
            let attempt = Attempt {
                key: image.key,
                at_ms: image.at_ms,
                leases: image.leases.into(),
            };
            is_new &= state.attempts.by_serial.load(serial, attempt).is_none();
        }),
        Image::Queues(entries) => {
            for (number, image) in entries {
                load_queue(state, number, image)?;
            }
        }
        Image::Sweeps(entries) => entries.into_iter().for_each(|(number, image)| {
            is_new &= state.sweeps.get(number).is_none();
            state.sweeps.load(sweep(number, image));
        }),
        _ => unreachable!("arrays are added elsewhere"),
    }
    check(is_new, || "a block repeats what another holds".to_owned())
}

/// The queue at its number; those between are gone.
fn load_queue(state: &mut State, number: u64, image: QueueImage) -> Result<(), Contradiction> {
    let numbered = &mut state.queues.numbered;
    let number = u32::try_from(number)
        .ok()
        .filter(|&number| number as usize >= numbered.len());
    let Some(number) = number else {
        return Err(Contradiction("queues are out of order".to_owned()));
    };
    // So many were given, whatever a block says: the head bounds what is made here, when all are there.
    check((number as usize - numbered.len()) < 1 << 24, || {
        format!("queue {number} comes after queue {}", numbered.len())
    })?;
    check(are_members(&image), || {
        format!("queue {number}: its members can't be")
    })?;
    numbered.resize_with(number as usize, || None);
    numbered.push(Some(Box::new(queue(QueueNumber(number), image))));
    Ok(())
}

/// Each has a name of its own, and there are fewer than what tells them apart has room for.
fn are_members(image: &QueueImage) -> bool {
    let mut names = BTreeSet::new();
    let mut members = image.members.iter();
    members.all(|member| !member.name.is_empty() && names.insert(&member.name))
        && image.members.len() + image.left.len() < usize::from(Holder::MAX)
}

fn queue(number: QueueNumber, image: QueueImage) -> Queue {
    let mut queue = Queue::new(
        number,
        Arc::from(image.name),
        image.config,
        image.created_at_ms,
    );
    queue.group = Group {
        number: image.group,
        name: Arc::from(image.group_name),
        source: image.source,
    };
    queue.groups = image.groups;
    queue.orphans = image.orphans;
    queue.paused = image.paused;
    queue.limiter = Limiter::arriving(image.dispatched);
    queue.ingress = Limiter::arriving(image.ingressed);
    let (unassigned, numbered) = image.lists;
    queue.lists.load(unassigned, numbered, &image.retired);
    for member in image.members {
        load_member(&mut queue, member);
    }
    let left = image.left.into_iter().filter(|leases| !leases.is_empty());
    left.for_each(|leases| queue.members.load_left(leases.into_iter().collect()));
    if image.deleted {
        queue.forsake();
    }
    queue.dedup.of = image.dedup_of;
    let runs = image.dedup_runs.into_iter();
    queue.dedup.runs = runs.map(|(head, tail)| Run { head, tail }).collect();
    queue
}

fn load_member(queue: &mut Queue, image: MemberImage) {
    queue
        .members
        .join(&image.name, image.joined_at_ms, image.list);
    let member = queue.members.find_mut(&image.name);
    let leases = &mut member.expect("it has joined").leases;
    image.leases.into_iter().for_each(|slot| {
        leases.insert(slot);
    });
}

fn failures(image: FailuresImage) -> Failures {
    Failures {
        first_ms: image.first_ms,
        last_ms: image.last_ms,
        error: image.error,
    }
}

fn death(image: DeathImage) -> Death {
    Death {
        reason: image.reason,
        source_queue: Arc::from(image.source_queue),
        source_group: Arc::from(image.source_group),
        source_message: image.source_message,
        deliveries: image.deliveries,
        attempts: image.attempts,
        failures: image.failures.map(failures),
        died_at_ms: image.died_at_ms,
        ordering_key: image.ordering_key,
        redrives: image.redrives,
        over: image.over,
    }
}

fn copied(image: CopiesImage) -> Copied {
    let copies = image.copies.into_iter();
    Copied {
        first: image.first,
        copies: copies.map(|(queue, slot)| Copy { queue, slot }).collect(),
    }
}

fn sweep(number: u64, image: SweepImage) -> Sweep {
    let view = image.view;
    Sweep {
        number,
        queue: image.queue,
        queue_name: Arc::from(view.queue),
        plan: view.plan,
        created_at_ms: view.created_at_ms,
        numbered: image.numbered,
        total: view.total,
        cursor: image.cursor,
        tally: view.tally,
        sample: view.sample,
        next_at_ms: image.next_at_ms,
        ended: view.ended,
        scan: Scan::default(),
    }
}
