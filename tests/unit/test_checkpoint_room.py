"""Checkpoints on a disk that is nearly full: messages leave room for them, they leave consumers what is kept for those,
and they come when there is no room for messages, since only they make some."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hanzo_queues._core import Engine
from hanzo_queues.server import checkpoint_outage, disk_room
from hanzo_queues.server import checkpointer as module
from hanzo_queues.server.checkpointer import Checkpointer
from hanzo_queues.server.checkpoints.base import AnyRoom
from hanzo_queues.server.checkpoints.memory import MemoryCheckpoints
from hanzo_queues.server.disk_room import DiskRoom
from hanzo_queues.server.faults import JournalUnavailable
from hanzo_queues.server.journal.base import JournalError, JournalFull
from hanzo_queues.server.journal.memory import MemoryJournal, MemoryStore
from hanzo_queues.server.partition import Partition
from tests.unit.served_partition import PARSER, receive, serving
from tests.unit.test_checkpoints import Kept

DISK_BYTES = 4 << 20
MESSAGES = 100


class Room(AnyRoom):
    """As much as there is."""

    byte_count = 1 << 30

    def has_for_checkpoint(self, byte_count: int) -> bool:
        return byte_count <= self.byte_count


async def with_checkpoints() -> Kept:
    """Two, and work behind the last."""
    kept = Kept()
    kept.store.room = Room()
    for _ in range(2):
        kept.work()
        await kept.take()
    kept.work()
    return kept


async def test_without_room_on_the_disk_nothing_is_written_until_there_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "ROOM_WAIT_S", 0.01)
    monkeypatch.setattr(module, "JOURNAL_BYTES_PER_BYTE", 0)
    kept = await with_checkpoints()
    await kept.flush()
    kept.checkpointer = Checkpointer(
        kept.engine, kept.store, kept.checkpointer._kept, on_horizon=kept.horizons.append, journal_bytes_min=1
    )
    before = await kept.store.extent()
    kept.store.room = room = Room()
    room.byte_count = 0
    running = asyncio.create_task(kept.checkpointer.run())
    kept.checkpointer.durable(kept.engine.lsn, 1)
    async with asyncio.timeout(5):
        while "no room for a checkpoint" not in caplog.text:  # noqa: ASYNC110  a line in the log is no event
            await asyncio.sleep(0.005)
        assert await kept.store.extent() == before
        room.byte_count = 1 << 30
        while kept.checkpointer.taken == 0:  # noqa: ASYNC110  as above
            await asyncio.sleep(0.005)
    running.cancel()
    await kept.recovered()


async def test_who_waited_for_room_is_no_more_patient_when_an_attempt_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits grow for what is written in vain, and nothing was."""
    monkeypatch.setattr(module, "ROOM_WAIT_S", 0.001)
    monkeypatch.setattr(checkpoint_outage, "DELAYS_S", [0.001 * 2**attempt for attempt in range(20)])
    monkeypatch.setattr(module, "JOURNAL_BYTES_PER_BYTE", 0)
    kept = await with_checkpoints()
    await kept.flush()
    kept.checkpointer = Checkpointer(kept.engine, kept.store, kept.checkpointer._kept, journal_bytes_min=1)
    answers = iter([False] * 15)
    monkeypatch.setattr(kept.store.room, "has_for_checkpoint", lambda byte_count: next(answers, True))
    kept.store.faults.append(JournalError("no answer"))
    running = asyncio.create_task(kept.checkpointer.run())
    kept.checkpointer.durable(kept.engine.lsn, 1)
    async with asyncio.timeout(5):
        while kept.checkpointer.taken == 0:  # noqa: ASYNC110  no event tells it
            await asyncio.sleep(0.005)
    running.cancel()


async def test_a_checkpoint_ends_when_the_room_does_and_is_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = await with_checkpoints()
    answers = iter([True, True, False])
    monkeypatch.setattr(kept.store.room, "has_for_checkpoint", lambda byte_count: next(answers))
    before = await kept.store.extent()
    with pytest.raises(JournalError, match="no room"):
        await kept.take()
    after = await kept.store.extent()
    assert before.last_sequence < after.last_sequence
    assert before.byte_count == after.byte_count, "what was written is taken away"
    monkeypatch.undo()
    kept.engine.abandon_checkpoint()
    await kept.recovered()
    await kept.take()
    start = (await kept.recovered()).start
    assert start is not None
    assert start.lsn == kept.engine.lsn


async def test_what_could_not_be_taken_away_is_before_the_next_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept = await with_checkpoints()
    before = (await kept.store.extent()).byte_count

    async def unreachable(attempt: str) -> None:
        raise JournalError("no answer")

    with monkeypatch.context() as patched:
        patched.setattr(kept.store, "discard", unreachable)
        kept.store.faults.extend([None, None, JournalFull("no room")])
        with pytest.raises(JournalFull):
            await kept.take()
    assert "can't be taken away: no answer" in caplog.text
    kept.engine.abandon_checkpoint()
    assert (await kept.store.extent()).byte_count > before
    kept.store.faults.append(JournalFull("no room"))
    with pytest.raises(JournalFull):
        await kept.take()
    assert (await kept.store.extent()).byte_count == before
    kept.engine.abandon_checkpoint()
    await kept.take()
    await kept.recovered()


async def test_a_bug_keeps_no_memory_for_a_checkpoint_that_never_ends(caplog: pytest.LogCaptureFixture) -> None:
    kept = await with_checkpoints()
    await kept.flush()
    kept.checkpointer = Checkpointer(kept.engine, kept.store, kept.checkpointer._kept, journal_bytes_min=0)
    kept.store.faults.append(ValueError("a bug"))
    kept.checkpointer.durable(kept.engine.lsn, 1 << 30)
    running = asyncio.create_task(kept.checkpointer.run())
    async with asyncio.timeout(5):
        while "checkpoints met a bug" not in caplog.text:  # noqa: ASYNC110  a line in the log is no event
            await asyncio.sleep(0.005)
    running.cancel()
    assert kept.engine.begin_checkpoint() is not None, "none is under way"


class SmallDisk:
    """It has a journal and its checkpoints."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.checkpoints = LimitedCheckpoints(self)

    @property
    def spare_bytes(self) -> int:
        stored = [*self.store.batches.values(), *self.checkpoints.parts.values()]
        return DISK_BYTES - sum(map(len, stored))

    def assert_holds(self, data: bytes) -> None:
        if len(data) > self.spare_bytes:
            raise JournalFull("no room")


class LimitedJournal(MemoryJournal):
    def __init__(self, disk: SmallDisk) -> None:
        super().__init__(disk.store)
        self._disk = disk

    async def append(self, batch: bytes, expected_last_sequence: int) -> None:
        self._disk.assert_holds(batch)
        await super().append(batch, expected_last_sequence)


class LimitedCheckpoints(MemoryCheckpoints):
    def __init__(self, disk: SmallDisk) -> None:
        super().__init__()
        self._disk = disk

    async def append(self, part: bytes, expected_last_sequence: int, attempt: str) -> None:
        self._disk.assert_holds(part)
        await super().append(part, expected_last_sequence, attempt)


@pytest.fixture
def small_disk(monkeypatch: pytest.MonkeyPatch) -> SmallDisk:
    disk = SmallDisk()
    monkeypatch.setattr(disk_room, "spare_bytes", lambda _: disk.spare_bytes)
    monkeypatch.setattr(disk_room, "disk_bytes", lambda _: DISK_BYTES)
    monkeypatch.setattr(disk_room, "LOOK_EVERY_S", 0)
    monkeypatch.setattr(disk_room, "ASKS_EVERY_S", 0.05)
    monkeypatch.setattr(module, "ROOM_WAIT_S", 0.05)
    monkeypatch.setattr(checkpoint_outage, "DELAYS_S", (0.05,))
    disk.checkpoints.room = DiskRoom(Path())
    return disk


async def is_admitted(
    partition: Partition, room: DiskRoom, fields: Callable[[], dict[str, Any]] = dict[str, Any]
) -> bool:
    """Whether there was room for more messages, as the edge asks."""
    body = {"messages": [{"payload": "x" * 40, **fields()} for _ in range(MESSAGES)]}
    command = PARSER.enqueue_batch("mail", json.dumps(body).encode())
    try:
        room.admit(command.batch_bytes_max, 0)
    except JournalUnavailable:
        return False
    await partition.submit(command)
    return True


async def drained(partition: Partition) -> int:
    """How many messages were received and acked."""
    count = 0
    while held := json.loads((await partition.submit(receive(MESSAGES))).body)["messages"]:
        acks: list[Any] = [{"id": one["id"], "receipt": one["receipt"]} for one in held]
        answer = await partition.submit(PARSER.settle("mail", json.dumps({"acks": acks}).encode()))
        assert json.loads(answer.body)["failed"] == 0
        count += len(held)
    return count


@pytest.mark.parametrize("checkpoint_bytes", [1 << 16, DISK_BYTES // 2, 1 << 30])
async def test_consumers_empty_a_full_disk_however_seldom_checkpoints_are_due(
    small_disk: SmallDisk, checkpoint_bytes: int
) -> None:
    room = small_disk.checkpoints.room
    assert isinstance(room, DiskRoom)
    async with serving(
        LimitedJournal(small_disk), checkpoints=small_disk.checkpoints, checkpoint_bytes=checkpoint_bytes,
        new_engine=partial(Engine, 0, segment_bytes=1 << 18),
    ) as partition:  # fmt: skip
        count = 0
        while await is_admitted(partition, room):
            count += MESSAGES
        assert count > 10_000
        assert await drained(partition) == count
        async with asyncio.timeout(10):
            while not await is_admitted(partition, room):  # noqa: ASYNC110  a client has no event of it, either
                await asyncio.sleep(0.01)
        assert partition._epoch == 1, "an append found no room"


async def test_consumers_that_take_a_full_disk_s_messages_in_any_order_empty_it(small_disk: SmallDisk) -> None:
    """All of the state changes, and takes several times what it took when messages were refused."""
    room, chance = small_disk.checkpoints.room, random.Random(5)
    assert isinstance(room, DiskRoom)
    async with serving(
        LimitedJournal(small_disk), checkpoints=small_disk.checkpoints, checkpoint_bytes=1 << 16,
        new_engine=partial(Engine, 0, segment_bytes=1 << 18),
    ) as partition:  # fmt: skip
        count = 0
        while await is_admitted(partition, room, lambda: {"priority": chance.randrange(256)}):
            count += MESSAGES
        assert count > 10_000
        assert await drained(partition) == count
        assert partition._epoch == 1, "an append found no room"
        async with asyncio.timeout(10):
            while not await is_admitted(partition, room):  # noqa: ASYNC110  as above
                await asyncio.sleep(0.01)


def test_messages_leave_room_for_checkpoints_which_leave_consumers_half(
    small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, kept = DiskRoom(Path()), DISK_BYTES // disk_room.KEPT_SHARE
    room.bytes_needed = lambda: 1000
    monkeypatch.setattr(disk_room, "spare_bytes", lambda _: kept + 1000 + 500)
    room.admit(500, 0)
    with pytest.raises(JournalUnavailable):
        room.admit(501, 0)
    with pytest.raises(JournalUnavailable):
        room.admit(400, 101)
    assert room.has_for_checkpoint(kept // 2 + 1500)
    assert not room.has_for_checkpoint(kept // 2 + 1501)
    assert room.has_for_moves(kept // 2 + 500)
    assert not room.has_for_moves(kept // 2 + 501)


def test_an_engine_that_met_a_bug_is_not_what_a_request_fails_for(
    small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, kept = DiskRoom(Path()), DISK_BYTES // disk_room.KEPT_SHARE
    room.bytes_needed = lambda: 1000
    monkeypatch.setattr(disk_room, "spare_bytes", lambda _: kept + 1000 + 500)
    room.admit(500, 0)

    def broken() -> int:
        raise RuntimeError("the engine met a bug and is of no further use")

    room.bytes_needed = broken
    room.admit(500, 0)
    with pytest.raises(JournalUnavailable):
        room.admit(501, 0)


def test_a_checkpoint_is_asked_for_when_there_is_no_room_for_a_message_and_not_at_once_again(
    small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, kept = DiskRoom(Path()), DISK_BYTES // disk_room.KEPT_SHARE
    refused: list[None] = []
    room.on_refused = lambda: refused.append(None)
    room.bytes_needed = lambda: 1000
    spare_bytes = kept + 1001
    monkeypatch.setattr(disk_room, "spare_bytes", lambda _: spare_bytes)
    waits_s, enough = disk_room.ASKS_EVERY_S, kept // disk_room.ASKS_SHARE
    assert not room.asks_for_checkpoint(enough, waits_s), "there is room"
    spare_bytes -= 1
    assert room.asks_for_checkpoint(enough, 0)
    assert room.asks_for_checkpoint(0, waits_s)
    assert not room.asks_for_checkpoint(enough - 1, waits_s / 2)
    spare_bytes += 100
    with pytest.raises(JournalUnavailable):
        room.admit(101, 0)
    assert refused == [None]
    assert room.asks_for_checkpoint(enough, 0), "for a large message there is none"
    assert not room.asks_for_checkpoint(enough, 0)


async def test_once_all_that_is_dead_may_go_no_checkpoint_is_asked_for(small_disk: SmallDisk) -> None:
    class Pressing(AnyRoom):
        def asks_for_checkpoint(self, journal_bytes: int, waited_s: float) -> bool:
            return True

    kept = Kept()
    kept.store.room = Pressing()
    await kept.flush()
    kept.checkpointer = checkpointer = kept.new_checkpointer()
    running = asyncio.create_task(checkpointer.run())
    kept.store.room.on_refused()
    async with asyncio.timeout(5):
        while checkpointer.taken < 2:  # noqa: ASYNC110  it tells nobody
            await asyncio.sleep(0)
    for _ in range(100):
        kept.store.room.on_refused()
        await asyncio.sleep(0)
    running.cancel()
    assert (checkpointer.taken, kept.horizons[-1]) == (2, kept.engine.lsn)
