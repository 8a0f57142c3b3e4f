"""Looking at a journal that a server goes on with: what it trims meanwhile is no damage."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from types import SimpleNamespace
from typing import cast

import pytest

from hanzo_queues.server import journal_commands
from hanzo_queues.server.checkpointer import Checkpointer
from hanzo_queues.server.checkpoints.memory import MemoryCheckpoints
from hanzo_queues.server.journal.base import JournalCorrupt, JournalError
from hanzo_queues.server.journal.memory import MemoryJournal, MemoryStore
from hanzo_queues.server.storage import Storage
from tests.unit.core_journal import CoreJournal


class Trimmed(MemoryJournal):
    """A server trims before a read: as often as there are `trims`."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.trims: list[Callable[[], None]] = []

    async def read(self, first_sequence: int, last_sequence: int) -> AsyncIterator[tuple[int, bytes]]:
        if self.trims:
            self.trims.pop(0)()
        async for batch in super().read(first_sequence, last_sequence):
            yield batch


async def left(settings: int = 30) -> tuple[Trimmed, Storage]:
    """A journal that nothing but its last batch is needed of, with a checkpoint of that."""
    core, checkpoints, store = CoreJournal(), MemoryCheckpoints(), MemoryStore()
    core.create("mails")
    for number in range(settings):
        core.create(f"more{number}")
    await Checkpointer(core.engine, checkpoints, []).take()
    core.create("last")
    for lsn, batch in core.batches.items():
        store.append(batch, lsn - 1)
    journal = Trimmed(store)
    return journal, cast(Storage, SimpleNamespace(journal=journal, checkpoints=checkpoints, ownership=None))


async def test_verify_starts_over_when_a_server_trims(capsys: pytest.CaptureFixture[str]) -> None:
    journal, storage = await left()
    last = journal.store.last_sequence
    journal.trims = [lambda: None, *(partial(journal.store.purge, first) for first in (5, 9, last - 1))]
    await journal_commands.verify(storage)
    assert capsys.readouterr().out.startswith("good: 2 batches of ")


async def test_verify_says_when_it_never_comes_to_an_end() -> None:
    journal, storage = await left(100)
    journal.trims = [partial(journal.store.purge, first) for first in range(2, 100)]
    with pytest.raises(JournalError, match="nothing is known to be wrong") as told:
        await journal_commands.verify(storage)
    assert not isinstance(told.value, JournalCorrupt)


async def test_what_is_missing_for_good_is_told() -> None:
    journal, storage = await left()
    del journal.store.batches[5]
    with pytest.raises(JournalCorrupt, match="batch 5 is missing"):
        await journal_commands.verify(storage)


async def test_dump_passes_over_what_a_server_trims(capsys: pytest.CaptureFixture[str]) -> None:
    journal, storage = await left()
    journal.trims = [lambda: journal.store.purge(10)]
    await journal_commands.dump(1, 12, records=False)(storage)
    assert [json.loads(line)["lsn"] for line in capsys.readouterr().out.splitlines()] == [10, 11, 12]
    del journal.store.batches[20]
    with pytest.raises(JournalCorrupt, match="batch 20 is missing"):
        await journal_commands.dump(1, None, records=False)(storage)
