"""The partition's end, while nobody serves: whatever waits then may not notice that it is cancelled."""

from __future__ import annotations

import asyncio

import pytest

from hanzo_queues.server import ending
from hanzo_queues.server.faults import Fault
from hanzo_queues.server.journal.memory import MemoryJournal
from hanzo_queues.server.partition import Partition
from tests.unit.served_partition import GatedJournal, enqueue, serving


class Forgetful:
    """Waits for an ownership; forgets `times` that it was cancelled, as `asyncio.wait_for` does when what it waits for
    comes in the same turn, and then `acquires` it or waits on."""

    def __init__(self, times: int, *, acquires: bool) -> None:
        self.times, self.acquires = times, acquires
        self.waiting = asyncio.Event()
        self.is_ours = False

    async def acquire(self) -> None:
        while True:
            self.waiting.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.times -= 1
                if self.times < 0:
                    raise
                if self.acquires:
                    self.is_ours = True
                    return

    def lasts(self) -> bool:
        return self.is_ours

    async def release(self) -> None:
        self.is_ours = False


@pytest.mark.parametrize("acquires", [False, True])
async def test_who_stands_by_ends_though_it_forgets_that_it_was_cancelled(
    acquires: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "AGAIN_S", 0.01)
    journal, ownership = MemoryJournal(), Forgetful(1, acquires=acquires)
    await journal.open()
    partition = Partition(0, journal, payload_memory_bytes=1 << 20, requests_max=10, polls_max=10, ownership=ownership)
    partition.start()
    await ownership.waiting.wait()
    async with asyncio.timeout(20):
        await partition.close()
    assert partition.state == "closed"
    assert not ownership.is_ours, "another node may have it"
    assert await journal.last_sequence() == 0, "it did not begin an epoch"


async def test_an_append_that_fails_at_once_is_told_and_recovered_from(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = GatedJournal()
    async with serving(journal) as partition:
        append, calls = journal.append, iter([RuntimeError("broken")])

        def broken(batch: bytes, expected_last_sequence: int) -> object:
            for error in calls:
                raise error
            return append(batch, expected_last_sequence)

        monkeypatch.setattr(journal, "append", broken)
        async with asyncio.timeout(20):
            with pytest.raises(Fault) as told:
                await partition.submit(enqueue(1))
            assert told.value.outcome == "unknown"
            await partition.submit(enqueue(2))
