"""Checkpoints that fail again and again: who runs the server is told, until one is taken."""

from __future__ import annotations

import asyncio
import re

import pytest

from hanzo_queues.server import checkpoint_outage, checkpointer
from hanzo_queues.server.checkpoints.memory import MemoryCheckpoints
from hanzo_queues.server.faults import JournalUnavailable
from hanzo_queues.server.journal.base import AppendUnknown, JournalError, WrongLastSequence
from hanzo_queues.server.partition import Partition
from tests.unit.served_partition import GatedJournal, Turns, enqueue, serving, until_served, until_warned


class Refusing(MemoryCheckpoints):
    """A store that has `why` it takes nothing, while it has."""

    why: Exception | None = JournalError("no answer")

    async def append(self, part: bytes, expected_last_sequence: int, attempt: str) -> None:
        if self.why is not None:
            raise self.why
        await super().append(part, expected_last_sequence, attempt)


@pytest.fixture(autouse=True)
def without_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_outage, "DELAYS_S", (0.001,))
    monkeypatch.setattr(checkpointer, "JOURNAL_BYTES_PER_BYTE", 0)


async def recovered(partition: Partition, journal: GatedJournal, why: Exception) -> None:
    epoch = partition._epoch
    journal.fail_next = [(why, False)]
    with pytest.raises(JournalUnavailable):
        await partition.submit(enqueue("in doubt"))
    await asyncio.wait_for(until_served(partition), 10)
    assert partition._epoch == epoch + 1


async def test_a_recovery_is_no_reason_to_warn_no_more() -> None:
    """It was, until three more had failed."""
    journal, store = GatedJournal(), Refusing()
    async with serving(journal, checkpoints=store, checkpoint_bytes=1) as partition:
        assert "no answer" in await until_warned(partition)
        store.why = JournalError("no room")
        await recovered(partition, journal, AppendUnknown("no answer"))
        assert re.match(r"no checkpoint could be taken for \d+ s: ", partition.checkpoint_outage.warning)
        store.why = None
        async with asyncio.timeout(10):
            while partition.checkpoint_outage.warning:
                await partition.submit(enqueue("one more"))
                await asyncio.sleep(0.001)
        assert store.manifests


async def test_what_another_owner_met_meanwhile_nobody_knows() -> None:
    journal, store = GatedJournal(), Refusing()
    async with serving(journal, checkpoints=store, checkpoint_bytes=1 << 14, ownership=Turns()) as partition:
        assert await until_warned(partition)
        await recovered(partition, journal, WrongLastSequence("another one wrote"))
        assert partition.checkpoint_outage.warning == ""


async def test_a_bug_is_told_with_its_place_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    journal, store = GatedJournal(), Refusing()
    store.why = ValueError("not thought of")
    async with serving(journal, checkpoints=store, checkpoint_bytes=1) as partition:
        assert "they met a bug" in await until_warned(partition)
        assert "Traceback" in caplog.text
        store.why = None
        async with asyncio.timeout(10):
            while not store.manifests:
                await partition.submit(enqueue("one more"))
                await asyncio.sleep(0.001)
        assert partition.checkpoint_outage.warning == ""
