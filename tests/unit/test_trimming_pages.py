"""Several pages of what is to be moved are on their way at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from hanzo_queues._core import Command, Excerpt, Reply, describe_batch, trim_journal
from hanzo_queues.server import trimming
from hanzo_queues.server.checkpoints.base import AnyRoom
from hanzo_queues.server.journal.memory import MemoryJournal
from tests.unit.served_partition import created, enqueue, serving
from tests.unit.test_trimming import ENGINE, Unpurged, pass_through, payload, trimmed


async def test_what_is_on_its_way_is_not_read_a_second_time() -> None:
    """Each message that stays lies in a batch of its own, so what is read of those is what is moved."""
    journal = Unpurged()
    async with serving(journal, new_engine=ENGINE, payload_memory_bytes=1) as partition:
        await created(partition, "kept")
        for number in range(100):
            await partition.submit(enqueue(payload(number), "kept"))
        await pass_through(partition, 500)
        read: list[int] = []
        load = partition.trimmer._load

        async def loading(reply: Reply) -> Mapping[int, bytes | Excerpt]:
            read.extend(reply.lsns)
            loaded = await load(reply)
            for _ in range(20):  # others ask meanwhile
                await asyncio.sleep(0)
            return loaded

        partition.trimmer._load = loading
        await trimmed(partition, journal)
        assert len(read) == moved(journal)
        assert len(read) >= 100


async def test_first_sequence_and_bytes_are_of_one_instant(monkeypatch: pytest.MonkeyPatch) -> None:
    journal, firsts, wrong = MemoryJournal(), set[int](), []

    def asked(first_lsn: int, journal_bytes: int, horizon_lsn: int, is_moving: bool) -> Command:
        firsts.add(first_lsn)
        told, there = (first_lsn, journal_bytes), (journal.store.first_sequence, sum_of(journal))
        if told != there:
            wrong.append((told, there))
        return trim_journal(first_lsn, journal_bytes, horizon_lsn, is_moving)

    async def purge(before_sequence: int) -> None:
        journal.store.purge(before_sequence)
        for _ in range(50):  # it is done, and not answered
            await asyncio.sleep(0)

    async with serving(journal, new_engine=ENGINE, payload_memory_bytes=1) as partition:
        await created(partition, "kept")
        for _ in range(10):
            await asyncio.gather(*(partition.submit(enqueue(payload(n), "kept")) for n in range(20)))
            await pass_through(partition, 100)
        monkeypatch.setattr(trimming, "trim_journal", asked)
        monkeypatch.setattr(journal, "purge", purge)
        for _ in range(3):
            await trimmed(partition, journal)
            await pass_through(partition, 200)
    assert len(firsts) > 2
    assert not wrong


def sum_of(journal: MemoryJournal) -> int:
    return sum(map(len, journal.store.batches.values()))


async def test_without_room_nothing_is_moved_until_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    journal, room = Unpurged(), [False]
    async with serving(journal, new_engine=ENGINE, payload_memory_bytes=1) as partition:
        await created(partition, "kept")
        for number in range(100):
            await partition.submit(enqueue(payload(number), "kept"))
        await pass_through(partition, 500)
        monkeypatch.setattr(AnyRoom, "has_for_moves", lambda self, byte_count: room[0])
        for _ in range(2):
            await trimmed(partition, journal)
        assert not moved(journal)
        room[0] = True
        await trimmed(partition, journal)
        assert moved(journal) >= 100


def moved(journal: MemoryJournal) -> int:
    """Records that say so."""
    texts = [text for batch in journal.store.batches.values() for text in describe_batch(batch).records]
    return sum(text.startswith("Moved") for text in texts)
