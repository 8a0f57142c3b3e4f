"""Doubt and what follows: poison, replay, fence; damage, strangers, lost ownership."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from functools import partial

import pytest

from hanzo_queues._core import Engine
from hanzo_queues.server.clock import Clock
from hanzo_queues.server.faults import Fault, JournalUnavailable, PartitionRecovering
from hanzo_queues.server.journal.base import AppendRefused, AppendUnknown, JournalError, JournalFull, WrongLastSequence
from hanzo_queues.server.journal.memory import MemoryJournal
from hanzo_queues.server.payloads import Payloads
from hanzo_queues.server.recovery import take_over
from tests.unit.served_partition import (
    GatedJournal,
    Turns,
    enqueue,
    payloads,
    ready,
    receive,
    serving,
    until_served,
)


@pytest.mark.parametrize("committed", [True, False])
async def test_a_failed_append_is_unknown_and_settled_by_fence_and_replay(committed: bool) -> None:
    journal = GatedJournal()
    async with serving(journal) as partition:
        await partition.submit(enqueue("before"))
        journal.fail_next = [(AppendUnknown("no answer"), committed)]
        with pytest.raises(JournalUnavailable) as caught:
            await partition.submit(enqueue("in doubt"))
        assert caught.value.outcome == "unknown"
        assert await ready(partition) == (2 if committed else 1)
        await partition.submit(enqueue("after"))
        assert await ready(partition) == (3 if committed else 2)


async def test_a_refused_append_is_known_to_have_done_nothing() -> None:
    journal = GatedJournal()
    async with serving(journal) as partition:
        journal.fail_next = [(AppendRefused("no room"), False)]
        with pytest.raises(JournalUnavailable) as caught:
            await partition.submit(enqueue("refused"))
        assert caught.value.outcome == "none"
        assert await ready(partition) == 0


async def test_a_parked_poll_outlives_a_poisoning() -> None:
    journal = GatedJournal()
    async with serving(journal) as partition:
        poll = asyncio.ensure_future(partition.receive("mail", receive(), 30))
        await ready(partition)
        journal.fail_next = [(AppendUnknown("no answer"), True)]
        with pytest.raises(JournalUnavailable):
            await partition.submit(enqueue("in doubt"))
        assert payloads(await asyncio.wait_for(poll, 5)) == ["in doubt"]


async def test_a_journal_that_stays_away_is_reported_and_requests_are_told_to_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stuck = asyncio.Event()

    async def on_stuck() -> None:
        stuck.set()

    journal = GatedJournal()
    async with serving(journal, on_stuck=on_stuck) as partition:
        monkeypatch.setattr("hanzo_queues.server.partition.PATIENCE_S", 0.05)
        journal.fail_next = [(AppendUnknown("mute"), False)] * 6
        with pytest.raises(JournalUnavailable):
            await partition.submit(enqueue("in doubt"))
        with pytest.raises(PartitionRecovering) as caught:
            await partition.submit(enqueue("too early"))
        assert caught.value.outcome == "none"
        await asyncio.wait_for(stuck.wait(), 5)
        poll = asyncio.ensure_future(until_served(partition))
        assert await asyncio.wait_for(poll, 10) == 0


@pytest.mark.parametrize("committed", [True, False])
async def test_leases_of_a_receive_in_doubt_cost_no_attempt(committed: bool) -> None:
    journal = GatedJournal()
    async with serving(journal) as partition:
        await partition.submit(enqueue("only"))
        journal.fail_next = [(AppendUnknown("no answer"), committed)]
        with pytest.raises(JournalUnavailable):
            await partition.receive("mail", receive(), 0)
        (message,) = json.loads((await partition.receive("mail", receive(), 5)).body)["messages"]
        assert (message["attempts"], message["deliveries"]) == (0, 2 if committed else 1)


async def test_a_batch_behind_one_in_doubt_is_in_doubt_too() -> None:
    journal = GatedJournal()
    async with serving(journal) as partition:
        journal.gate.clear()
        first = asyncio.ensure_future(partition.submit(enqueue("first")))
        await journal.waiting.wait()
        second = asyncio.ensure_future(partition.submit(enqueue("second")))
        for _ in range(10):
            await asyncio.sleep(0)
        journal.fail_next = [(AppendUnknown("no answer"), False)]
        journal.gate.set()
        results = await asyncio.gather(first, second, return_exceptions=True)
        assert [type(result) for result in results] == [JournalUnavailable, JournalUnavailable]
        assert await ready(partition) == 0


async def test_a_failed_partition_never_serves_again() -> None:
    why: list[str] = []
    journal = GatedJournal()
    async with serving(journal, on_failed=why.append) as partition:
        journal.fail_next = [(AppendUnknown("no answer"), False)]
        with pytest.raises(JournalUnavailable):
            await partition.submit(enqueue("in doubt"))
        journal.gate.clear()
        await journal.waiting.wait()
        partition._fail("a payload can't be trusted")
        journal.gate.set()
        for _ in range(20):
            await asyncio.sleep(0)
        assert (partition.state, why) == ("failed", ["a payload can't be trusted"])


async def test_a_lease_nobody_sees_is_given_back_also_while_closing() -> None:
    journal = GatedJournal()
    async with serving(journal) as partition:
        await partition.submit(enqueue("only"))
        journal.gate.clear()
        gone = asyncio.ensure_future(partition.receive("mail", receive(), 30))
        await journal.waiting.wait()
        closing = asyncio.ensure_future(partition.close())
        for _ in range(5):
            await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        journal.gate.set()
        await asyncio.wait_for(closing, 5)
    async with serving(journal) as again:
        assert await ready(again) == 1


class LosesOne(MemoryJournal):
    """A journal that loses the next append, which is noticed only when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.losing = False
        self.noticed = asyncio.Event()
        self.refused = asyncio.Event()

    async def append(self, batch: bytes, expected_last_sequence: int) -> None:
        if self.losing:
            self.losing = False
            await self.noticed.wait()
            raise AppendUnknown("lost")
        try:
            await super().append(batch, expected_last_sequence)
        except WrongLastSequence:
            self.refused.set()
            raise


async def test_a_bug_of_the_engine_poisons_and_is_told() -> None:
    clock = Clock()
    async with serving(GatedJournal(), clock=clock) as partition:
        await partition.submit(enqueue("before"))
        now_ms, clock.now_ms = clock.now_ms, lambda: 1  # type: ignore[method-assign]
        with pytest.raises(Fault) as caught:
            await partition.submit(enqueue("meets the bug"))
        assert (caught.value.code, caught.value.outcome) == ("internal_error", "none")
        clock.now_ms = now_ms  # type: ignore[method-assign]
        assert await until_served(partition) == 1


async def test_what_failed_first_says_why() -> None:
    journal = LosesOne()
    turns = Turns()
    async with serving(journal, ownership=turns) as partition:
        journal.losing = True
        writes = [asyncio.ensure_future(partition.submit(enqueue("first")))]
        for _ in range(10):
            await asyncio.sleep(0)
        writes.append(asyncio.ensure_future(partition.submit(enqueue("second"))))
        await asyncio.wait_for(journal.refused.wait(), 5)
        journal.noticed.set()
        results = await asyncio.gather(*writes, return_exceptions=True)
        assert ["lost" in str(result) for result in results] == [True, True]
        assert await ready(partition) == 0
        assert not turns.released, "a stranger would have been stood back for"


async def test_a_full_journal_is_waited_for_and_not_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hanzo_queues.server.setbacks.FULL_DELAY_S", 0.02)
    restarts: list[None] = []

    async def on_stuck() -> None:
        restarts.append(None)

    journal = GatedJournal()
    async with serving(journal, on_stuck=on_stuck) as partition:
        journal.fail_next = [(JournalFull("no room left"), False)] * 5
        with pytest.raises(JournalUnavailable) as caught:
            await partition.submit(enqueue("no room"))
        assert caught.value.outcome == "none"
        assert await ready(partition) == 0
        assert not restarts


async def test_a_journal_that_cannot_be_reached_is_not_restarted() -> None:
    """Whoever restarts a nats-server that is away is its watch: one that is starting must not be killed for it."""
    restarts: list[None] = []

    async def on_stuck() -> None:
        restarts.append(None)

    journal = GatedJournal()
    async with serving(journal, on_stuck=on_stuck) as partition:
        journal.fail_next = [(JournalError("not sent: there is no connection"), False)] * 3
        with pytest.raises(JournalUnavailable):
            await partition.submit(enqueue("in doubt"))
        assert await ready(partition) == 0
        assert not restarts


class Damaged(GatedJournal):
    """A journal one of whose replicas, the one that serves fetches, has damaged copies."""

    async def fetch(self, sequence: int) -> bytes:
        batch = await super().fetch(sequence)
        return batch[:-1] + bytes([batch[-1] ^ 1])

    async def read(self, first_sequence: int, last_sequence: int) -> AsyncIterator[tuple[int, bytes]]:
        for sequence in range(first_sequence, last_sequence + 1):
            yield sequence, self.store.batches[sequence]


async def test_a_damaged_copy_is_never_handed_out_and_the_leaders_is_used() -> None:
    async with serving(Damaged(), payload_memory_bytes=1) as partition:
        for text in ("first", "second"):
            await partition.submit(enqueue(text))
        assert payloads(await partition.submit(receive(2))) == ["first", "second"]


async def test_a_journal_that_is_damaged_for_good_ends_the_service() -> None:
    why: list[str] = []
    journal = GatedJournal()
    async with serving(journal, payload_memory_bytes=1, on_failed=why.append) as partition:
        for text in ("first", "second"):
            await partition.submit(enqueue(text))
        first = journal.store.last_sequence - 1
        journal.store.batches[first] = journal.store.batches[first][:-1] + b"?"
        with pytest.raises(JournalUnavailable):
            await partition.submit(receive(2))
        assert partition.state == "failed"
        assert f"batch {first} can't be trusted" in why[0]


async def test_a_clock_behind_the_journal_goes_on_from_there() -> None:
    store = GatedJournal()
    async with serving(store, clock=Clock(wall=lambda: (time.time() + 3600) * 1000)) as ahead:
        await ahead.submit(enqueue("from the future", delay=0.01))
    async with serving(store) as partition:
        answer = await asyncio.wait_for(partition.receive("mail", receive(), 5), 5)
        assert payloads(answer) == ["from the future"]


class Contested(GatedJournal):
    """A journal in which somebody else takes over just before the first append."""

    async def append(self, batch: bytes, expected_last_sequence: int) -> None:
        if expected_last_sequence == 0:
            await take_over(partial(Engine, 0), MemoryJournal(self.store), Payloads(self, 1), Clock())
        await super().append(batch, expected_last_sequence)


async def test_a_refused_fence_is_followed_by_a_replay_of_what_refused_it() -> None:
    journal = Contested()
    engine = (await take_over(partial(Engine, 0), journal, Payloads(journal, 1), Clock())).engine
    assert (engine.lsn, engine.epoch) == (journal.store.last_sequence, 2)


async def test_a_poll_whose_time_ends_while_nobody_serves_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns()
    async with serving(GatedJournal(), ownership=turns) as partition:
        monkeypatch.setattr("hanzo_queues.server.partition.PATIENCE_S", 0.02)
        polls = [asyncio.ensure_future(partition.receive("mail", receive(), wait_s)) for wait_s in (0.5, 30)]
        await ready(partition)
        turns.granted.clear()
        partition.lose_ownership()
        with pytest.raises(PartitionRecovering):
            await asyncio.wait_for(polls[0], 5)
        partition.stop_parking()
        with pytest.raises(PartitionRecovering):
            await asyncio.wait_for(polls[1], 5)
        turns.granted.set()


class Unreadable(GatedJournal):
    """A journal whose batches can't be fetched for their payloads while `broken`."""

    broken = False

    async def fetch(self, sequence: int) -> bytes:
        if self.broken:
            raise JournalError("nats-server is away")
        return await super().fetch(sequence)


async def test_leases_of_an_answer_that_cannot_be_built_are_given_back() -> None:
    journal = Unreadable()
    async with serving(journal, payload_memory_bytes=1) as partition:
        for text in ("first", "second"):
            await partition.submit(enqueue(text))
        journal.broken = True
        with pytest.raises(JournalUnavailable) as caught:
            await partition.receive("mail", receive(), 0)
        assert caught.value.outcome == "none"
        journal.broken = False
        (message,) = json.loads((await partition.receive("mail", receive(), 5)).body)["messages"]
        assert (message["payload"], message["attempts"]) == ("first", 0)


async def test_leases_are_given_back_also_when_the_first_try_fails() -> None:
    journal = GatedJournal()
    async with serving(journal) as partition:
        await partition.submit(enqueue("only"))
        answer = await partition.receive("mail", receive(), 0)
        journal.fail_next = [(AppendUnknown("no answer"), False)]
        partition.give_back(answer.reply)
        with pytest.raises(JournalUnavailable):
            await ready(partition)
        (message,) = json.loads((await partition.receive("mail", receive(), 5)).body)["messages"]
        assert (message["deliveries"], message["attempts"]) == (2, 0)


class NoRoom(GatedJournal):
    """A journal with room for a fence and no more."""

    async def append(self, batch: bytes, expected_last_sequence: int) -> None:
        if len(batch) > 1000:
            raise AppendUnknown("no space")
        await super().append(batch, expected_last_sequence)


async def test_appends_that_keep_failing_are_reported_though_fences_succeed() -> None:
    stuck = asyncio.Event()

    async def on_stuck() -> None:
        stuck.set()

    journal = NoRoom()
    async with serving(journal, on_stuck=on_stuck) as partition:
        fenced = journal.store.last_sequence
        for _ in range(4):
            with pytest.raises(JournalUnavailable):
                await partition.submit(enqueue("x" * 1000))
        assert stuck.is_set()
        assert journal.store.last_sequence - fenced <= 4
