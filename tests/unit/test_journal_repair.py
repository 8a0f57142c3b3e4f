"""`hanzo-queues journal repair`: what it writes, when, and as whom. What it does to a server's own store is tested in
tests/faults."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hanzo_queues._core import Engine
from hanzo_queues.server import journal_commands, journal_repair
from hanzo_queues.server.checkpointer import Checkpointer, Deposed
from hanzo_queues.server.checkpoints.memory import MemoryCheckpoints
from hanzo_queues.server.journal.base import JournalCorrupt, JournalError
from hanzo_queues.server.journal.marked import MarkedJournal
from hanzo_queues.server.journal.memory import MemoryJournal, MemoryStore
from hanzo_queues.server.recovery import recover
from hanzo_queues.server.settings import Settings
from hanzo_queues.server.storage import MARK_FILE, Storage
from tests.unit.core_journal import CoreJournal
from tests.unit.served_partition import Turns


class Owned(Turns):
    """Whether somebody owns the journal now, and how often somebody did."""

    def __init__(self) -> None:
        super().__init__()
        self.is_held = False
        self.count = 0

    async def acquire(self) -> None:
        await super().acquire()
        self.is_held = True
        self.count += 1

    async def release(self) -> None:
        await super().release()
        self.is_held = False


class OwnedJournal(MemoryJournal):
    """Nobody writes it but its owner."""

    def __init__(self, store: MemoryStore, ownership: Owned) -> None:
        super().__init__(store)
        self._ownership = ownership

    async def append(self, batch: bytes, expected_last_sequence: int) -> None:
        assert self._ownership.is_held
        await super().append(batch, expected_last_sequence)


class OwnedCheckpoints(MemoryCheckpoints):
    """As the journal."""

    def __init__(self) -> None:
        super().__init__()
        self.ownership: Owned | None = None

    async def append(self, part: bytes, expected_last_sequence: int, attempt: str) -> None:
        assert self.ownership is None or self.ownership.is_held
        await super().append(part, expected_last_sequence, attempt)


class Left:
    """What a server of a cluster left behind: three messages, two checkpoints and a mark."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.core = CoreJournal()
        self.store, self.checkpoints = MemoryStore(), OwnedCheckpoints()
        self.core.create("mails")
        self.ids = [self.core.enqueue("mails", number)["id"] for number in range(3)]
        self.lost = self.core.engine.lsn
        self.mark = directory / MARK_FILE
        self.ownership = Owned()

    async def end(self) -> None:
        """Its last work, with checkpoints, all of which is durable."""
        checkpointer = Checkpointer(self.core.engine, self.checkpoints, [])
        await checkpointer.take()
        self.core.create("later")
        checkpointer.durable(self.core.engine.lsn, 1)
        await checkpointer.take()
        self.core.create("last")
        for lsn, batch in self.core.batches.items():
            self.store.append(batch, lsn - 1)

    def marked_at(self, lsn: int) -> None:
        self.mark.write_text(f"batch {lsn} hash {self.core.batches.get(lsn, bytes(16))[-16:].hex()}\n")

    async def repair(self, *, accept_loss: bool = True) -> None:
        """Raises JournalError."""
        self.checkpoints.ownership = self.ownership
        journal = MarkedJournal(OwnedJournal(self.store, self.ownership), self.mark)
        directory = SimpleNamespace(path=self.directory)
        storage = SimpleNamespace(
            directory=directory, journal=journal, checkpoints=self.checkpoints, ownership=self.ownership
        )
        try:
            await journal_repair.repair(accept_loss, Settings())(cast(Storage, storage))
        finally:
            await journal.close()

    async def recovered(self) -> Engine:
        """As a start does. Raises JournalCorrupt."""
        journal = MarkedJournal(MemoryJournal(self.store), self.mark)
        return (await recover(partial(Engine, 0), journal, lambda lsn, batch: None, self.checkpoints)).engine


@pytest.fixture
async def left(tmp_path: Path) -> Left:
    left = Left(tmp_path)
    await left.end()
    return left


@pytest.fixture
def replays(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A number for each replay."""
    counted: list[int] = []

    async def counting(*args: Any, **kwargs: Any) -> Any:
        counted.append(1)
        return await recover(*args, **kwargs)

    monkeypatch.setattr(journal_repair, "recover", counting)
    return counted


def loses_its_beginning(left: Left) -> None:
    left.store.purge(left.lost + 1)


def loses_its_end(left: Left) -> None:
    """That of all checkpoints, too."""
    for lsn in range(left.lost, left.store.last_sequence + 1):
        del left.store.batches[lsn]
    left.store.last_sequence = left.lost - 1


@pytest.mark.parametrize("accept_loss", [True, False])
async def test_what_is_right_is_left_alone_and_needs_no_ownership(
    left: Left, replays: list[int], capsys: pytest.CaptureFixture[str], accept_loss: bool
) -> None:
    before = left.store.last_sequence, (await left.checkpoints.extent()).last_sequence
    left.ownership.granted.clear()
    await left.repair(accept_loss=accept_loss)
    assert "nothing to repair" in capsys.readouterr().out
    assert (left.store.last_sequence, (await left.checkpoints.extent()).last_sequence) == before
    assert len(replays) == 1


@pytest.mark.parametrize("at", [0, 1, -1])
async def test_a_mark_that_agrees_with_the_journal_stays(
    left: Left, capsys: pytest.CaptureFixture[str], at: int
) -> None:
    """At the journal's end; before that; and where its beginning was trimmed."""
    left.marked_at(left.store.last_sequence - at if at >= 0 else 1)
    if at < 0:
        left.store.purge(2)
    mark = left.mark.read_text()
    await left.repair()
    assert "nothing to repair" in capsys.readouterr().out
    assert left.mark.read_text() == mark
    assert [path.name for path in left.directory.iterdir()] == [MARK_FILE]


async def test_a_mark_of_another_journal_is_set_aside(left: Left, capsys: pytest.CaptureFixture[str]) -> None:
    left.mark.write_text(f"batch {left.store.last_sequence} hash {'7' * 32}\n")
    await left.repair()
    said = capsys.readouterr().out
    assert "the mark of how far the journal reached was moved" in said
    assert "nothing to repair" not in said
    assert not left.mark.exists()


async def test_a_mark_alone_needs_no_ownership_and_is_set_aside(left: Left, capsys: pytest.CaptureFixture[str]) -> None:
    left.marked_at(left.store.last_sequence + 1)
    with pytest.raises(JournalCorrupt, match="its end is lost"):
        await left.repair(accept_loss=False)
    left.ownership.granted.clear()
    await left.repair()
    assert "the mark of how far the journal reached was moved" in capsys.readouterr().out
    assert len(list(left.directory.glob(f"repair-*/{MARK_FILE}"))) == 1
    assert (await left.recovered()).message_count == 3


@pytest.mark.parametrize(("loses", "count"), [(loses_its_beginning, 0), (loses_its_end, 2)])
async def test_what_is_accepted_is_repaired_by_the_owner_after_one_replay(
    left: Left, replays: list[int], loses: Callable[[Left], None], count: int
) -> None:
    left.marked_at(left.store.last_sequence)
    loses(left)
    with pytest.raises(JournalCorrupt):
        await left.recovered()
    await left.repair()
    assert (left.ownership.count, left.ownership.is_held) == (1, False)
    assert len(replays) == 1 + (loses is loses_its_end), "one that contradicts its checkpoints isn't replayed"
    assert (await left.recovered()).message_count == count
    kept_at = next(left.directory.glob("repair-*"))
    kept = {MARK_FILE, "checkpoints"} if loses is loses_its_end else {"lost-messages"}
    assert {path.name for path in kept_at.iterdir()} == kept
    if loses is loses_its_beginning:
        assert left.mark.read_text().startswith(f"batch {left.store.last_sequence} hash "), "it agreed, and goes on"
    await left.repair()
    assert left.ownership.count == 1, "it is right"


async def test_a_refused_loss_keeps_the_mark(left: Left) -> None:
    left.marked_at(left.store.last_sequence)
    mark = left.mark.read_text()
    loses_its_end(left)
    left.store.purge(2)
    for _ in range(2):
        with pytest.raises(JournalCorrupt, match="no checkpoint is of it"):
            await left.repair()
        assert left.mark.read_text() == mark
        assert [path.name for path in left.directory.iterdir()] == [MARK_FILE]


async def test_what_is_taken_away_must_be_sound_otherwise(left: Left) -> None:
    """Of a batch before the checkpoints payloads are needed alone: no replay reads it."""
    left.marked_at(left.store.last_sequence)
    mark, last = left.mark.read_text(), left.store.last_sequence
    left.store.purge(left.lost - 1)
    damaged = bytearray(left.store.batches[left.lost - 1])
    damaged[-20] ^= 1
    left.store.batches[left.lost - 1] = bytes(damaged)
    with pytest.raises(JournalCorrupt, match=f"{left.lost - 1} of {last}"):
        await left.repair()
    assert (left.mark.read_text(), left.store.last_sequence, left.ownership.count) == (mark, last, 0)


async def test_it_says_what_it_waits_for_and_looks_again_when_somebody_wrote_meanwhile(
    left: Left, replays: list[int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_repair, "SAYS_AFTER_S", 0.01)
    loses_its_beginning(left)
    left.ownership.granted.clear()
    repairing = asyncio.create_task(left.repair())
    said = ""
    async with asyncio.timeout(5):
        while "waiting until no server owns the journal" not in said:
            await asyncio.sleep(0.005)
            said += capsys.readouterr().out
    left.core.create("newest")
    left.store.append(left.core.batches[left.core.engine.lsn], left.core.engine.lsn - 1)
    left.ownership.granted.set()
    await repairing
    assert len(replays) == 2
    engine = await left.recovered()
    assert (engine.message_count, engine.queue_count) == (0, 4)


async def test_what_somebody_wrote_meanwhile_must_be_sound_too(left: Left) -> None:
    left.store.purge(left.lost)
    left.ownership.granted.clear()
    repairing = asyncio.create_task(left.repair())
    async with asyncio.timeout(5):
        await left.ownership.asked.wait()
    for name in ("newer", "newest"):
        left.core.create(name)
        left.store.append(left.core.batches[left.core.engine.lsn], left.core.engine.lsn - 1)
    damaged = bytearray(left.store.batches[left.lost])
    damaged[-20] ^= 1
    left.store.batches[left.lost] = bytes(damaged)
    last = left.store.last_sequence
    left.ownership.granted.set()
    with pytest.raises(JournalCorrupt, match=f"batch {left.lost} of {last}"):
        await repairing
    assert left.store.last_sequence == last
    assert not left.ownership.is_held


async def test_without_room_for_what_is_saved_nothing_is_taken_away(
    left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    left.marked_at(left.store.last_sequence)
    loses_its_end(left)
    mark, parts = left.mark.read_text(), dict(left.checkpoints.parts)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            await left.repair()
    assert (left.mark.read_text(), left.checkpoints.parts) == (mark, parts)
    for path in left.directory.glob("repair-*"):
        path.rename(path.with_name("earlier"))
    await left.repair()
    assert (await left.recovered()).message_count == 2


def test_a_disk_without_room_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/repair-1/checkpoints")

    monkeypatch.setattr(journal_commands, "_run", full)
    assert journal_commands.run(journal_repair.repair(True, Settings()), Settings()) == 1
    assert capsys.readouterr().err == "hanzo-queues: /data/repair-1/checkpoints: No space left on device\n"


async def test_an_owner_that_was_deposed_meanwhile_is_told_so(left: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    async def deposed(_: Checkpointer) -> None:
        raise Deposed("epoch 3 wrote one; this is epoch 2")

    monkeypatch.setattr(Checkpointer, "take", deposed)
    loses_its_beginning(left)
    with pytest.raises(JournalError, match="epoch 3 wrote one"):
        await left.repair()
    assert not left.ownership.is_held
