"""Trimming: the journal takes no more than twice what it must keep and a segment, and what it keeps is unchanged."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from hanzo_queues._core import Engine
from hanzo_queues.server import checkpointer, trimming
from hanzo_queues.server.checkpoints.memory import MemoryCheckpoints
from hanzo_queues.server.clock import Clock, monotonic_ms
from hanzo_queues.server.faults import JournalUnavailable
from hanzo_queues.server.journal.base import AppendUnknown, JournalFull
from hanzo_queues.server.journal.memory import MemoryJournal, MemoryStore
from hanzo_queues.server.partition import Partition
from tests.unit.served_partition import PARSER, GatedJournal, created, enqueue, receive, serving

SEGMENT_BYTES = 1 << 18
PAYLOAD_BYTES = 1000
ENGINE = partial(Engine, 0, segment_bytes=SEGMENT_BYTES)
DAYS_S = 3 * 86_400
HOUR_S = 3600


def payload(number: int) -> str:
    return str(number).rjust(PAYLOAD_BYTES, ".")


async def settle(partition: Partition, queue: str, **entries: Any) -> None:
    answer = await partition.submit(PARSER.settle(queue, json.dumps(entries).encode()))
    assert answer.rejection is None


async def taken(partition: Partition, count: int, queue: str = "mail") -> list[dict[str, Any]]:
    answer = await partition.submit(receive(count, queue))
    messages: list[dict[str, Any]] = json.loads(answer.body)["messages"]
    return messages


async def pass_through(partition: Partition, count: int, **ack: Any) -> None:
    """So many messages are enqueued, received and acked."""
    for start in range(0, count, 50):
        await asyncio.gather(*(partition.submit(enqueue(payload(start + n))) for n in range(50)))
        held = await taken(partition, 50)
        await settle(partition, "mail", acks=[{"id": one["id"], "receipt": one["receipt"], **ack} for one in held])


async def trimmed(partition: Partition, journal: MemoryJournal) -> int:
    """Trims as after a checkpoint of now; the bytes that are left."""
    partition.trimmer.reached(await journal.last_sequence())
    async with asyncio.timeout(20):
        await partition.trimmer.trimmed()
    return (await journal.extent()).byte_count


def assert_bounded(journal_bytes: int, live_bytes: int) -> None:
    assert journal_bytes <= 2 * live_bytes + SEGMENT_BYTES, (journal_bytes, live_bytes)


async def test_without_a_horizon_nothing_goes() -> None:
    journal = MemoryJournal()
    async with serving(journal, new_engine=ENGINE) as partition:
        await pass_through(partition, 1000)
        assert await journal.first_sequence() == 1
        partition.trimmer.reached(5)
        await partition.trimmer.trimmed()
        assert await journal.first_sequence() == 5, "the batch of the horizon stays"
        assert_bounded(await trimmed(partition, journal), 0)


async def test_steady_traffic_and_one_message_in_a_hundred_that_stays_for_ever() -> None:
    journal = MemoryJournal()
    async with serving(journal, new_engine=ENGINE) as partition:
        await created(partition, "kept")
        for kept in range(1, 40):
            await partition.submit(enqueue(payload(kept), "kept"))
            await pass_through(partition, 100)
            assert_bounded(await trimmed(partition, journal), kept * PAYLOAD_BYTES)
        assert await journal.first_sequence() > 1
        assert [one["payload"] for one in await taken(partition, 100, "kept")] == [payload(n) for n in range(1, 40)]


async def test_many_that_are_delayed_by_days() -> None:
    journal = MemoryJournal()
    async with serving(journal, new_engine=ENGINE) as partition:
        await created(partition, "later")
        for delayed in range(1, 21):
            await asyncio.gather(*(partition.submit(enqueue(payload(n), "later", delay=DAYS_S)) for n in range(50)))
            await pass_through(partition, 150)
            assert_bounded(await trimmed(partition, journal), delayed * 50 * PAYLOAD_BYTES)


async def test_dead_letters_errors_and_results_are_moved_as_they_are() -> None:
    journal = MemoryJournal()
    async with serving(journal, new_engine=ENGINE, payload_memory_bytes=1) as partition:
        await created(partition, "fragile", maxRetries=0)
        answer = await partition.submit(enqueue("dead", "fragile", metadata={"a": 1}, orderingKey="k"))
        dead = json.loads(answer.body)["id"]
        [held] = await taken(partition, 1, "fragile")
        await settle(partition, "fragile", nacks=[{"id": dead, "receipt": held["receipt"], "error": "no such thing"}])
        answer = await partition.submit(enqueue("done", "fragile"))
        done = json.loads(answer.body)["id"]
        [held] = await taken(partition, 1, "fragile")
        await settle(partition, "fragile", acks=[{"id": done, "receipt": held["receipt"], "result": {"sum": 7}}])
        await partition.submit(enqueue("waits", "mail", delay=DAYS_S, fairnessKey="f", dedupId="d"))

        async def told() -> list[Any]:
            asked = [
                PARSER.get_message(dead),
                PARSER.get_message(done),
                PARSER.peek("mail", state="delayed", after=None, limit=9),
            ]
            return [json.loads((await partition.submit(one)).body) for one in asked]

        before, last = await told(), await journal.last_sequence()
        assert "no such thing" in json.dumps(before)
        for _ in range(3):
            await pass_through(partition, 600)
            await trimmed(partition, journal)
            assert await journal.first_sequence() > last
            last = await journal.last_sequence()
            assert await told() == before


async def ended(partition: Partition, sweep: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            told: dict[str, Any] = json.loads((await partition.submit(PARSER.get_sweep(sweep))).body)
            if told["state"] != "running":
                return told
            await asyncio.sleep(0.005)


async def test_a_sweep_by_age_finds_what_was_moved() -> None:
    journal, later_ms = MemoryJournal(), 0
    clock = Clock(lambda: time.time() * 1000 + later_ms, lambda: monotonic_ms() + later_ms)
    async with serving(journal, new_engine=ENGINE, payload_memory_bytes=1, clock=clock) as partition:
        await created(partition, "waiting")
        await partition.submit(enqueue("old", "waiting", delay=DAYS_S))
        last = await journal.last_sequence()
        later_ms = HOUR_S * 1000
        await pass_through(partition, 600)
        await trimmed(partition, journal)
        assert await journal.first_sequence() > last
        await partition.submit(enqueue("new", "waiting", delay=DAYS_S))
        for older_than_s, matched in ((HOUR_S, 1), (0, 2), (DAYS_S, 0)):
            body = {"action": "cancel", "filter": {"olderThan": older_than_s, "state": "delayed"}, "dryRun": True}
            answer = await partition.start_sweep(PARSER.sweep("waiting", json.dumps(body).encode()))
            assert answer.rejection is None, answer.rejection
            sweep = json.loads(answer.body)["id"]
            told = await ended(partition, sweep)
            assert (older_than_s, told["matched"]) == (older_than_s, matched)


class Unpurged(GatedJournal):
    """What is purged stays for takeovers, which have no checkpoint here; no payload is read from it."""

    def __init__(self) -> None:
        super().__init__()
        self.purged_before = 1

    async def purge(self, before_sequence: int) -> None:
        self.purged_before = max(self.purged_before, before_sequence)

    async def read(self, first_sequence: int, last_sequence: int) -> AsyncIterator[tuple[int, bytes]]:
        for sequence in range(first_sequence, last_sequence + 1):
            yield sequence, self.store.batches[sequence]

    async def fetch(self, sequence: int) -> bytes:
        assert sequence >= self.purged_before, "a payload is read that was purged"
        return await super().fetch(sequence)


async def test_a_writer_that_ends_in_the_middle_of_moves_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trimming, "RETRY_S", 0.01)
    journal = Unpurged()
    async with serving(journal, new_engine=ENGINE, payload_memory_bytes=1) as partition:
        await created(partition, "kept")
        for kept in range(300):
            await partition.submit(enqueue(payload(kept), "kept"))
            if kept % 3 == 0:
                await pass_through(partition, 50)
        for committed in (True, False, True, False):
            await pass_through(partition, 500)
            # A move's append fails: whether or not it became durable after all.
            journal.fail_next = [(AppendUnknown("the connection was lost"), committed)]
            partition.trimmer.reached(await journal.last_sequence())
            async with asyncio.timeout(20):
                await partition.trimmer.trimmed()
            assert not journal.fail_next
        assert journal.purged_before > 600
        messages = []
        while came := await taken(partition, 100, "kept"):
            messages += came
        assert [one["payload"] for one in messages] == [payload(kept) for kept in range(300)]


class Small(Unpurged):
    """A store with room for so many bytes more."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 1 << 40

    async def purge(self, before_sequence: int) -> None:
        for sequence in range(self.purged_before, before_sequence):
            self.left += len(self.store.batches[sequence])
        await super().purge(before_sequence)

    async def append(self, batch: bytes, expected_last_sequence: int) -> None:
        if len(batch) > self.left:
            raise JournalFull("insufficient storage resources available")
        self.left -= len(batch)
        await super().append(batch, expected_last_sequence)


async def accepted(partition: Partition, what: str) -> bool:
    try:
        await partition.submit(enqueue(what))
    except JournalUnavailable:
        return False
    return True


async def test_a_full_store_makes_room_by_itself_from_what_is_no_longer_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hanzo_queues.server.setbacks.FULL_DELAY_S", 0.01)
    journal = Small()
    async with serving(journal, new_engine=ENGINE) as partition:
        await created(partition, "kept")
        await pass_through(partition, 500)
        await partition.submit(enqueue("kept", "kept"))
        horizon = await journal.last_sequence()
        partition.trimmer.stop()
        partition.trimmer.reached(horizon)  # a checkpoint's last word before the store was full
        purged_before = journal.purged_before
        journal.left = 10
        with pytest.raises(JournalUnavailable):
            await partition.submit(enqueue(payload(0)))
        async with asyncio.timeout(10):
            while not await accepted(partition, payload(1)):
                pass
        assert journal.purged_before > purged_before
        assert [one["payload"] for one in await taken(partition, 9, "kept")] == ["kept"]


def numbered(start: int, count: int) -> list[str]:
    return [payload(number) for number in range(start, start + count)]


async def test_copies_of_groups_share_what_is_moved() -> None:
    journal = MemoryJournal()
    async with serving(journal, new_engine=ENGINE, payload_memory_bytes=1) as partition:
        await created(partition, "shared")
        for group in ("audit", "search", "stats"):
            answer = await partition.submit(PARSER.create_group("shared", json.dumps({"name": group}).encode()))
            assert answer.rejection is None
        for text in numbered(0, 50):
            await partition.submit(enqueue(text, "shared"))
            await pass_through(partition, 50)
        for _ in range(3):
            await pass_through(partition, 500)
            assert_bounded(await trimmed(partition, journal), 50 * PAYLOAD_BYTES)
        for group in ("default", "audit", "search", "stats"):
            asked = PARSER.receive("shared", group=group, consumer=None, messages_max=100, visibility_timeout_ms=None)
            came = json.loads((await partition.submit(asked)).body)["messages"]
            assert [one["payload"] for one in came] == numbered(0, 50)


async def test_with_checkpoints_the_disk_comes_back_and_who_takes_over_has_all_that_was_kept() -> None:
    store, checkpoints = MemoryStore(), MemoryCheckpoints()
    told: list[Any] = []
    for round_number in range(4):
        options = {"checkpoints": checkpoints, "checkpoint_bytes": SEGMENT_BYTES // 4, "payload_memory_bytes": 1}
        journal = MemoryJournal(store)
        async with serving(journal, new_engine=ENGINE, **options) as partition:
            await created(partition, "kept")
            looked = await partition.submit(PARSER.peek("kept", state=None, after=None, limit=100))
            assert json.loads(looked.body)["messages"] == told
            for text in numbered(round_number * 10, 10):
                await partition.submit(enqueue(text, "kept"))
                await pass_through(partition, 150)
            async with asyncio.timeout(20):
                await partition.trimmer.trimmed()
            live_bytes = (round_number + 1) * 10 * PAYLOAD_BYTES
            assert (await journal.extent()).byte_count <= 2 * live_bytes + 2 * SEGMENT_BYTES
            assert await journal.first_sequence() > 1
            looked = await partition.submit(PARSER.peek("kept", state=None, after=None, limit=100))
            told = json.loads(looked.body)["messages"]
    assert [one["payload"] for one in told] == numbered(0, 40)


async def test_checkpoints_of_the_default_interval_keep_the_journal_small_between_them_too() -> None:
    segment_bytes = 1 << 20
    scale = (64 << 20) // segment_bytes
    journal, most = MemoryJournal(), 0
    async with serving(
        journal, new_engine=partial(Engine, 0, segment_bytes=segment_bytes), checkpoints=MemoryCheckpoints(),
        checkpoint_bytes=checkpointer.JOURNAL_BYTES_MIN // scale,
    ) as partition:  # fmt: skip
        await created(partition, "kept")
        for kept in range(1, 61):
            await partition.submit(enqueue(payload(kept), "kept"))
            await pass_through(partition, 100)
            async with asyncio.timeout(20):
                await partition.trimmer.trimmed()  # how far it lags behind depends on the machine
            most = max(most, (await journal.extent()).byte_count - 2 * kept * PAYLOAD_BYTES)
        assert await journal.first_sequence() > 1
        assert most <= segment_bytes, (most, segment_bytes)


async def test_moves_keep_pace_with_traffic_that_does_not_wait_for_them() -> None:
    segment_bytes, text, delayed = 8 << 20, "x" * 10_000, 1600
    journal, most = MemoryJournal(), 0
    async with serving(
        journal, new_engine=partial(Engine, 0, segment_bytes=segment_bytes), checkpoints=MemoryCheckpoints(),
        checkpoint_bytes=segment_bytes // 4, payload_memory_bytes=1,
    ) as partition:  # fmt: skip
        await created(partition, "later")
        for _ in range(delayed // 50):
            await asyncio.gather(*(partition.submit(enqueue(text, "later", delay=DAYS_S)) for _ in range(50)))
        for _ in range(4 * delayed // 50):
            await asyncio.gather(*(partition.submit(enqueue(text)) for _ in range(50)))
            held = await taken(partition, 50)
            await settle(partition, "mail", acks=[{"id": one["id"], "receipt": one["receipt"]} for one in held])
            most = max(most, (await journal.extent()).byte_count - 2 * delayed * len(text))
        assert await journal.first_sequence() > delayed // 50
        assert most <= segment_bytes, (most, segment_bytes)


async def drained_quietly(partition: Partition, journal: MemoryJournal) -> None:
    """What is queued is received and acked, which writes little; nothing else comes."""
    while held := await taken(partition, 10):
        await settle(partition, "mail", acks=[{"id": one["id"], "receipt": one["receipt"]} for one in held])
    async with asyncio.timeout(20):
        while (await journal.extent()).byte_count > SEGMENT_BYTES:  # noqa: ASYNC110  that a trim came due is no event
            await asyncio.sleep(0.01)


async def filled_with_large_ones(partition: Partition, count: int) -> None:
    for number in range(count):
        await partition.submit(enqueue(payload(number) * 20))


async def test_large_messages_that_are_done_give_their_disk_back_though_little_is_written_any_more() -> None:
    journal, store = MemoryJournal(), MemoryCheckpoints()
    options = {"new_engine": ENGINE, "checkpoints": store, "checkpoint_bytes": SEGMENT_BYTES // 4}
    async with serving(journal, **options) as partition:
        await filled_with_large_ones(partition, 100)
        assert (await journal.extent()).byte_count > 7 * SEGMENT_BYTES
        await drained_quietly(partition, journal)


async def test_a_restarted_server_gives_back_the_disk_of_what_is_done_after_its_start() -> None:
    store, checkpoints = MemoryStore(), MemoryCheckpoints()
    options = {"new_engine": ENGINE, "checkpoints": checkpoints, "checkpoint_bytes": SEGMENT_BYTES // 4}
    async with serving(MemoryJournal(store), **options) as partition:
        await filled_with_large_ones(partition, 100)
    journal = MemoryJournal(store)
    async with serving(journal, **options) as partition:
        await drained_quietly(partition, journal)
