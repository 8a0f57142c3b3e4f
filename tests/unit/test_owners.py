"""Who may write: owners that lose their partition, and what they had on its way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import cast

import pytest

from hanzo_queues.server.call import Call
from hanzo_queues.server.edge import Edge
from hanzo_queues.server.faults import JournalUnavailable, PartitionRecovering
from hanzo_queues.server.journal.base import AppendUnknown, Extent
from hanzo_queues.server.journal.memory import MemoryJournal
from hanzo_queues.server.partition import Partition
from hanzo_queues.server.routes import health
from tests.unit.served_partition import (
    PARSER,
    GatedJournal,
    Turns,
    created,
    enqueue,
    payloads,
    ready,
    receive,
    serving,
    until_served,
)


async def test_two_owners_of_one_journal_never_both_write() -> None:
    store = GatedJournal()
    async with serving(store) as first:
        second = Partition(0, store, payload_memory_bytes=1 << 20, requests_max=10, polls_max=10)
        second.start()
        await second.submit(enqueue("of the second"))
        with pytest.raises(JournalUnavailable):
            await first.submit(enqueue("of the deposed"))
        await second.close()
        assert await ready(first) == 1


async def test_a_deposed_owners_second_append_is_void_behind_the_fence() -> None:
    """The log compares sequences only: the fence takes the place of the first, and the second finds what it expects."""
    deposed = GatedJournal()
    async with serving(deposed) as first:
        deposed.gate.clear()
        writes = [asyncio.ensure_future(first.submit(enqueue("one")))]
        await deposed.waiting.wait()
        writes.append(asyncio.ensure_future(first.submit(enqueue("two"))))
        for _ in range(10):
            await asyncio.sleep(0)
        assert deposed.under_way == 2
        async with serving(MemoryJournal(deposed.store)) as second:
            fenced = deposed.store.last_sequence
            first.lose_ownership()
            deposed.gate.set()
            results = await asyncio.gather(*writes, return_exceptions=True)
            assert [type(result) for result in results] == [JournalUnavailable] * 2
            assert deposed.store.last_sequence > fenced, "the second append has landed"
            while True:
                try:
                    await second.submit(enqueue("three"))
                    break
                except JournalUnavailable:
                    await until_served(second)
            assert payloads(await second.submit(receive(10))) == ["three"]
            await first.close()


async def test_a_lease_in_doubt_is_not_given_back_when_another_owner_gave_its_number_to_somebody() -> None:
    deposed, turns = GatedJournal(), Turns()
    async with serving(deposed, ownership=turns) as first:
        await first.submit(enqueue("only"))
        deposed.gate.clear()
        in_doubt = asyncio.ensure_future(first.receive("mail", receive(), 0))
        await deposed.waiting.wait()
        async with serving(MemoryJournal(deposed.store)) as second:
            (held,) = json.loads((await second.receive("mail", receive(), 0)).body)["messages"]
        turns.granted.clear()
        deposed.gate.set()
        with pytest.raises(JournalUnavailable):
            await in_doubt
        turns.granted.set()
        await until_served(first)
        assert payloads(await first.receive("mail", receive(), 0)) == []
        ack = PARSER.ack(held["id"], json.dumps({"receipt": held["receipt"]}).encode())
        assert (await first.submit(ack)).rejection is None


@asynccontextmanager
async def that_slept(turns: Turns) -> AsyncIterator[Partition]:
    """An owner whose lease ended while it slept, and another wrote."""
    slept = GatedJournal()
    async with serving(slept, ownership=turns) as first:
        async with serving(MemoryJournal(slept.store)) as second:
            await second.submit(enqueue("of the second"))
        turns.held = False
        yield first


async def test_an_owner_that_slept_past_its_lease_answers_nothing_of_what_it_knew() -> None:
    """A question that records nothing is answered without an append, so the log can't refuse it."""
    turns = Turns()
    async with that_slept(turns) as first:
        turns.granted.clear()
        with pytest.raises(JournalUnavailable) as told:
            await ready(first)
        assert (told.value.outcome, first.state) == ("none", "standby")
        turns.held = True
        turns.granted.set()
        assert await until_served(first) == 1
    assert turns.released


class SlowToTell(GatedJournal):
    """What it stored it tells when the test says so."""

    async def append(self, batch: bytes, expected_last_sequence: int) -> None:
        await MemoryJournal.append(self, batch, expected_last_sequence)
        await self.gate.wait()


async def test_nor_does_it_behind_what_it_wrote_before_it_slept() -> None:
    """That was stored, and its acknowledgement waited in the socket when the owner woke up."""
    turns = Turns()
    slept = SlowToTell()
    async with serving(slept, ownership=turns) as first:
        slept.gate.clear()
        written = asyncio.ensure_future(first.submit(enqueue("before it slept")))
        while slept.store.last_sequence < 3:  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0)
        async with serving(MemoryJournal(slept.store)) as second:
            await second.submit(receive())
        turns.held = False
        turns.granted.clear()
        asked = asyncio.ensure_future(ready(first))
        for _ in range(10):
            await asyncio.sleep(0)
        slept.gate.set()
        assert (await written).rejection is None
        with pytest.raises(JournalUnavailable) as told:
            await asked
        assert (told.value.outcome, first.state) == ("none", "standby")
        turns.granted.set()


async def test_readiness_of_an_owner_that_slept_is_over_with_its_lease() -> None:
    """Before anybody asked it for anything."""
    turns = Turns()
    async with that_slept(turns) as first:
        turns.granted.clear()
        edge = SimpleNamespace(router=SimpleNamespace(partitions=[first]))
        page = await health.ready(cast(Edge, edge), cast(Call, None))
        assert (page.status, json.loads(page.body)["status"]) == (503, "standby")
        turns.granted.set()


async def test_a_poll_does_not_wait_out_its_time_on_a_server_that_stands_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it waits for may come to another server."""
    turns = Turns()
    async with serving(GatedJournal(), ownership=turns) as first:
        monkeypatch.setattr("hanzo_queues.server.partition.PATIENCE_S", 0.05)
        polling = asyncio.ensure_future(first.receive("mail", receive(), 30))
        await ready(first)
        turns.granted.clear()
        first.lose_ownership()
        with pytest.raises(PartitionRecovering):
            await asyncio.wait_for(polling, 5)


class SlowToRecover(GatedJournal):
    """A journal whose end is known when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.known = asyncio.Event()
        self.known.set()

    async def extent(self) -> Extent:
        await self.known.wait()
        return await super().extent()


async def test_nor_when_it_begins_to_after_a_recovery_that_took_longer_than_requests_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While it recovered its polls were kept: it would serve them next."""
    turns, slow = Turns(), SlowToRecover()
    async with serving(slow, ownership=turns) as first:
        monkeypatch.setattr("hanzo_queues.server.partition.PATIENCE_S", 0.05)
        polling = asyncio.ensure_future(first.receive("mail", receive(), 30))
        await ready(first)
        slow.known.clear()
        slow.fail_next = [(AppendUnknown("no answer"), False)]
        with pytest.raises(JournalUnavailable):
            await created(first, "another")
        while first.state == "serving":  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0)
        with pytest.raises(PartitionRecovering):
            await ready(first)
        assert not polling.done()
        turns.granted.clear()
        first.lose_ownership()
        slow.known.set()
        with pytest.raises(PartitionRecovering):
            await asyncio.wait_for(polling, 5)
        assert first.state == "standby"


class SlowToFetch(GatedJournal):
    """Payloads come when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched = asyncio.Event()
        self.fetched.set()

    async def fetch(self, sequence: int) -> bytes:
        self.waiting.set()
        await self.fetched.wait()
        return await super().fetch(sequence)


async def test_what_the_next_owner_trimmed_while_one_slept_does_not_end_that_one() -> None:
    """It is no damage: the journal is in good hands."""
    turns, slept = Turns(), SlowToFetch()
    async with serving(slept, ownership=turns, payload_memory_bytes=1) as first:
        await first.submit(enqueue("old"))
        await first.submit(enqueue("new"))
        slept.fetched.clear()
        looking = asyncio.ensure_future(first.submit(PARSER.peek("mail", state=None, after=None, limit=1)))
        await slept.waiting.wait()
        slept.store.purge(slept.store.last_sequence)
        turns.held = False
        turns.granted.clear()
        slept.fetched.set()
        with pytest.raises(JournalUnavailable) as told:
            await looking
        assert (told.value.outcome, first.state) == ("none", "standby")


async def test_a_poll_of_an_owner_that_slept_is_asked_again_by_the_next_one() -> None:
    turns = Turns()
    async with that_slept(turns) as first:
        polling = asyncio.ensure_future(first.receive("mail", receive(), 30))
        with pytest.raises(JournalUnavailable):
            await ready(first)
        turns.held = True
        assert payloads(await asyncio.wait_for(polling, 5)) == ["of the second"]


async def test_ownership_lost_during_recovery_is_noticed() -> None:
    journal, turns = GatedJournal(), Turns()
    await journal.open()
    journal.gate.clear()
    partition = Partition(0, journal, payload_memory_bytes=1, requests_max=10, polls_max=10, ownership=turns)
    partition.start()
    await journal.waiting.wait()
    turns.granted.clear()
    partition.lose_ownership()
    journal.gate.set()
    for _ in range(20):
        await asyncio.sleep(0)
    assert partition.state == "standby"
    await partition.close()


class SlowToRead(GatedJournal):
    """Whose recovery takes as long as the test says."""

    async def extent(self) -> Extent:
        self.waiting.set()
        await self.gate.wait()
        return await super().extent()


async def test_who_lost_the_partition_during_recovery_does_not_fence_its_owner_out() -> None:
    slow, turns = SlowToRead(), Turns()
    async with serving(MemoryJournal(slow.store)) as owner:
        slow.gate.clear()
        late = Partition(0, slow, payload_memory_bytes=1, requests_max=10, polls_max=10, ownership=turns)
        late.start()
        await slow.waiting.wait()
        turns.granted.clear()
        turns.held = False
        slow.gate.set()
        while late.state == "recovering":  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0)
        assert (late.state, slow.appends) == ("standby", [])
        await owner.submit(enqueue("of the owner"))
        await late.close()


async def test_ownership_lost_while_closing_does_not_keep_it_open() -> None:
    journal, turns = GatedJournal(), Turns()
    async with serving(journal, ownership=turns) as partition:
        journal.gate.clear()
        write = asyncio.ensure_future(partition.submit(enqueue("last")))
        await journal.waiting.wait()
        closing = asyncio.ensure_future(partition.close())
        await asyncio.sleep(0)
        partition.lose_ownership()
        journal.gate.set()
        await asyncio.wait_for(asyncio.gather(closing, write), 5)
        assert partition.state == "closed"


async def test_a_partition_whose_ownership_is_lost_stands_by_until_it_is_granted_again() -> None:
    turns = Turns()
    async with serving(GatedJournal(), ownership=turns) as partition:
        turns.granted.clear()
        partition.lose_ownership()
        waiting = asyncio.ensure_future(partition.submit(enqueue("later")))
        for _ in range(20):
            await asyncio.sleep(0)
        assert (partition.state, waiting.done()) == ("standby", False)
        turns.granted.set()
        await asyncio.wait_for(waiting, 5)
        assert await ready(partition) == 1
    assert turns.released
