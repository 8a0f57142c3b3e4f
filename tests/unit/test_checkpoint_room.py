"""Checkpoints on a disk that is nearly full: they wait, and leave consumers what is kept for them."""

from __future__ import annotations

import asyncio

import pytest

from hanzo_queues.server import checkpointer as module
from hanzo_queues.server.checkpointer import Checkpointer
from hanzo_queues.server.journal.base import JournalError
from tests.unit.test_checkpoints import Kept


async def with_checkpoints() -> Kept:
    """Two, and work behind the last."""
    kept = Kept()
    for _ in range(2):
        kept.work()
        await kept.take()
    kept.work()
    return kept


async def test_without_room_on_the_disk_nothing_is_written_until_there_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    monkeypatch.setattr(module, "JOURNAL_BYTES_PER_BYTE", 0)
    kept = await with_checkpoints()
    await kept.flush()
    kept.checkpointer = Checkpointer(
        kept.engine, kept.store, kept.checkpointer._kept, on_horizon=kept.horizons.append, journal_bytes_min=1
    )
    before = await kept.store.extent()
    kept.store.room_bytes = 0
    running = asyncio.create_task(kept.checkpointer.run())
    kept.checkpointer.durable(kept.engine.lsn, 1)
    async with asyncio.timeout(5):
        while "no room for a checkpoint" not in caplog.text:  # noqa: ASYNC110  a line in the log is no event
            await asyncio.sleep(0.005)
        assert await kept.store.extent() == before
        kept.store.room_bytes = 1 << 30
        while kept.checkpointer.taken == 0:  # noqa: ASYNC110  as above
            await asyncio.sleep(0.005)
    running.cancel()
    await kept.recovered()


async def test_a_checkpoint_ends_when_the_room_does_and_is_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = await with_checkpoints()
    answers = iter([True, True, False])
    monkeypatch.setattr(kept.store, "has_room", lambda byte_count: next(answers))
    last = (await kept.store.extent()).last_sequence
    with pytest.raises(JournalError, match="no room"):
        await kept.take()
    assert last < (await kept.store.extent()).last_sequence
    monkeypatch.undo()
    kept.engine.abandon_checkpoint()
    await kept.recovered()
    await kept.take()
    start = (await kept.recovered()).start
    assert start is not None
    assert start.lsn == kept.engine.lsn
