//! The bytes of queues, further groups and sweeps.

use super::map::{flag, list, put_all, put_flag, put_list};
use crate::record::{read_config, read_sweep_view, write_config, write_sweep_view};
use crate::varint::{Malformed, Reader, put, put_text};
use engine::checkpoint::{MemberImage, QueueImage, SweepImage};
use engine::ids::{GroupNumber, QueueNumber};
use engine::record::Paused;

/// Appends a queue.
pub fn put_queue(out: &mut Vec<u8>, queue: &QueueImage) {
    put_text(out, &queue.name);
    put(out, u64::from(queue.group.0));
    put_text(out, &queue.group_name);
    put(out, u64::from(queue.source.0));
    put_list(out, &queue.groups, |out, group| {
        put(out, u64::from(group.0))
    });
    write_config(out, &queue.config);
    put(out, queue.created_at_ms);
    for flag in [queue.paused.enqueue, queue.paused.receive, queue.deleted] {
        put_flag(out, flag);
    }
    put(out, queue.orphans);
    for tick in [queue.dispatched, queue.ingressed] {
        out.extend_from_slice(&tick.to_le_bytes());
    }
    put_all(out, [queue.lists.0, queue.lists.1]);
    put_list(out, &queue.retired, |out, list| put(out, *list));
    put_list(out, &queue.members, put_member);
    put_list(out, &queue.left, |out, slots| put_slots(out, slots));
    put(out, u64::from(queue.dedup_of.0));
    put_list(out, &queue.dedup_runs, |out, (first, last)| {
        put_all(out, [u64::from(*first), u64::from(*last)]);
    });
}

/// Reads a queue.
pub fn queue(reader: &mut Reader<'_>) -> Result<QueueImage, Malformed> {
    Ok(QueueImage {
        name: reader.text()?.into(),
        group: GroupNumber(reader.u16()?),
        group_name: reader.text()?.into(),
        source: QueueNumber(reader.u32()?),
        groups: list(reader, 1, |reader| Ok(QueueNumber(reader.u32()?)))?,
        config: read_config(reader)?,
        created_at_ms: reader.u64()?,
        paused: Paused {
            enqueue: flag(reader)?,
            receive: flag(reader)?,
        },
        deleted: flag(reader)?,
        orphans: reader.u64()?,
        dispatched: u128::from_le_bytes(reader.array()?),
        ingressed: u128::from_le_bytes(reader.array()?),
        lists: (reader.u64()?, reader.u64()?),
        retired: list(reader, 1, |reader| reader.u64())?,
        members: list(reader, 4, member)?,
        left: list(reader, 1, slots)?,
        dedup_of: QueueNumber(reader.u32()?),
        dedup_runs: list(reader, 2, |reader| Ok((reader.u32()?, reader.u32()?)))?,
    })
}

fn put_slots(out: &mut Vec<u8>, slots: &[u32]) {
    put_list(out, slots, |out, slot| put(out, u64::from(*slot)));
}

fn slots(reader: &mut Reader<'_>) -> Result<Vec<u32>, Malformed> {
    list(reader, 1, |reader| reader.u32())
}

fn put_member(out: &mut Vec<u8>, member: &MemberImage) {
    put_text(out, &member.name);
    put_all(out, [member.joined_at_ms, member.list]);
    put_slots(out, &member.leases);
}

fn member(reader: &mut Reader<'_>) -> Result<MemberImage, Malformed> {
    Ok(MemberImage {
        name: reader.text()?.into(),
        joined_at_ms: reader.u64()?,
        list: reader.u64()?,
        leases: slots(reader)?,
    })
}

/// Appends a sweep.
pub fn put_sweep(out: &mut Vec<u8>, sweep: &SweepImage) {
    write_sweep_view(out, &sweep.view);
    put(out, u64::from(sweep.queue.0));
    put_all(out, [sweep.numbered, sweep.cursor, sweep.next_at_ms]);
    put_flag(out, sweep.view.total.is_some());
    sweep.view.total.iter().for_each(|total| put(out, *total));
}

/// Reads a sweep.
pub fn sweep(reader: &mut Reader<'_>) -> Result<SweepImage, Malformed> {
    let mut sweep = sweep_of_1(reader)?;
    if flag(reader)? {
        sweep.view.total = Some(reader.u64()?);
    }
    Ok(sweep)
}

/// Reads one as format 1 had it: how many messages it could concern was not counted.
pub fn sweep_of_1(reader: &mut Reader<'_>) -> Result<SweepImage, Malformed> {
    Ok(SweepImage {
        view: read_sweep_view(reader)?,
        queue: QueueNumber(reader.u32()?),
        numbered: reader.u64()?,
        cursor: reader.u64()?,
        next_at_ms: reader.u64()?,
    })
}
