"""A journal that got shorter, or another, is noticed by its mark."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from hanzo_queues.server.journal import marked
from hanzo_queues.server.journal.base import Extent, JournalCorrupt
from hanzo_queues.server.journal.marked import MarkedJournal
from hanzo_queues.server.journal.memory import MemoryJournal, MemoryStore
from tests.contract.http_server import until

BATCHES = [bytes([number]) * 40 for number in range(1, 6)]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal-mark"


async def filled(store: MemoryStore, path: Path, batches: list[bytes] = BATCHES) -> MarkedJournal:
    journal = MarkedJournal(MemoryJournal(store), path)
    await journal.open()
    for number, batch in enumerate(batches):
        await journal.append(batch, number)
    return journal


async def contents(journal: MarkedJournal) -> list[bytes]:
    return [batch async for _, batch in journal.read(1, await journal.last_sequence())]


def mark(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def shorten(store: MemoryStore) -> None:
    del store.batches[store.last_sequence]
    store.last_sequence -= 1


async def test_what_was_acknowledged_is_there(store: MemoryStore, path: Path) -> None:
    await (await filled(store, path)).close()
    assert mark(path) == f"batch 5 hash {BATCHES[4][:16].hex()}\n"
    journal = MarkedJournal(MemoryJournal(store), path)
    assert await contents(journal) == BATCHES
    await journal.append(b"6" * 40, 5)
    assert len(await contents(journal)) == 6


async def test_a_lost_end_is_noticed_by_the_process_and_by_the_next(store: MemoryStore, path: Path) -> None:
    journal = await filled(store, path)
    shorten(store)
    with pytest.raises(JournalCorrupt, match="ends with batch 4, but batch 5 was acknowledged"):
        await journal.last_sequence()
    await journal.close()
    with pytest.raises(JournalCorrupt, match="its end is lost"):
        await MarkedJournal(MemoryJournal(store), path).last_sequence()
    assert await contents(MarkedJournal(MemoryJournal(store), path.with_name("none"))) == BATCHES[:4]


class Slow(MemoryJournal):
    """What becomes durable while it is asked where it ends is told before it answers."""

    marked: MarkedJournal

    async def last_sequence(self) -> int:
        return (await self.extent()).last_sequence

    async def extent(self) -> Extent:
        extent = await super().extent()
        await self.marked.append(b"meanwhile" * 8, extent.last_sequence)
        return extent


async def test_what_becomes_durable_while_it_is_asked_is_not_missed(store: MemoryStore, path: Path) -> None:
    slow = Slow(store)
    journal = slow.marked = MarkedJournal(slow, path)
    for last in range(3):
        assert await journal.last_sequence() == 2 * last
        assert (await journal.extent()).last_sequence == 2 * last + 1
    shorten(store)
    with pytest.raises(JournalCorrupt, match="its end is lost"):
        await journal.extent()
    await journal.close()


async def test_sequences_that_are_used_again_are_noticed(store: MemoryStore, path: Path) -> None:
    await (await filled(store, path)).close()
    shorten(store)
    store.append(b"other" * 8, 4)
    store.append(b"further" * 8, 5)
    with pytest.raises(JournalCorrupt, match="batch 5 is not the one that was acknowledged"):
        await contents(MarkedJournal(MemoryJournal(store), path))


async def test_other_writers_go_on_behind_the_mark(store: MemoryStore, path: Path) -> None:
    await (await filled(store, path)).close()
    store.append(b"another node's", 5)
    assert len(await contents(MarkedJournal(MemoryJournal(store), path))) == 6


async def test_the_mark_is_there_when_the_writer_learns_that_its_batch_is_durable(
    store: MemoryStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marked, "WRITTEN_EVERY_S", 0.05)
    journal = await filled(store, path)
    assert mark(path).startswith("batch 1 "), "others come too soon"
    await until(lambda: mark(path).startswith("batch 5 "))
    await until(lambda: journal._rest is None)
    await journal.append(b"6" * 40, 5)
    assert mark(path).startswith("batch 6 ")
    await journal.append(b"7" * 40, 6)
    assert mark(path).startswith("batch 6 ")
    await journal.close()
    assert mark(path).startswith("batch 7 ")


@pytest.fixture
def garbled(path: Path) -> Path:
    path.write_bytes(b"batch \xff\n")
    return path


@pytest.fixture
def blocked(path: Path) -> Path:
    path.mkdir()
    return path


def free(blocked: Path) -> None:
    blocked.rmdir()


async def test_a_mark_that_makes_no_sense_marks_nothing(
    store: MemoryStore, garbled: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = garbled
    journal = await filled(store, path)
    assert "can't be understood" in caplog.text
    await journal.close()
    assert mark(path).startswith("batch 5 ")


async def test_a_mark_that_cannot_be_kept_stops_nothing(
    store: MemoryStore, blocked: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        journal = await filled(store, blocked)
        await journal.close()
    assert "can't be read" in caplog.text
    assert caplog.text.count("can't be written") == 1
    free(blocked)
    await journal.open()
    await journal.append(b"6" * 40, 5)
    assert mark(blocked).startswith("batch 6 ")
    assert store.last_sequence == 6
