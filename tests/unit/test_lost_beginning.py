"""Going on with a journal that lost its beginning: all that refers to it goes, and all that goes is told of, however
often the repair is cut short."""

from __future__ import annotations

import asyncio
import itertools
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hanzo_queues._core import Engine
from hanzo_queues.server import lost_beginning
from hanzo_queues.server.checkpointer import Checkpointer
from hanzo_queues.server.checkpoints.memory import MemoryCheckpoints
from hanzo_queues.server.clock import Clock
from hanzo_queues.server.journal.memory import MemoryJournal, MemoryStore
from hanzo_queues.server.lost_beginning import LOST_FILE, drop_what_was_lost
from hanzo_queues.server.recovery import recover
from tests.unit.core_journal import NOW_MS, CoreJournal, receipt_body

COUNT = 2500  # more than two steps look at
NEW_ENGINE = partial(Engine, 0)


class Killed(Exception):
    """The end of a process, right behind an append."""


class MortalJournal(MemoryJournal):
    def __init__(self, store: MemoryStore, appends_max: int | None) -> None:
        super().__init__(store)
        self._appends_left = appends_max

    async def append(self, batch: bytes, expected_last_sequence: int) -> None:
        await super().append(batch, expected_last_sequence)
        if self._appends_left is not None:
            self._appends_left -= 1
            if self._appends_left == 0:
                raise Killed


class Lost:
    """What a server left behind whose journal then lost all batches of `core` so far."""

    def __init__(self, core: CoreJournal) -> None:
        self.store, self.checkpoints = MemoryStore(), MemoryCheckpoints()
        lost = core.engine.lsn
        core.create("kept")
        self._append(core, 1)
        asyncio.run(Checkpointer(core.engine, self.checkpoints, []).take())
        core.create("later")
        self._append(core, core.engine.lsn)
        self.store.purge(lost + 1)

    def _append(self, core: CoreJournal, first: int) -> None:
        for lsn in range(first, core.engine.lsn + 1):
            self.store.append(core.batches[lsn], lsn - 1)

    def repair(self, kept_at: Path, appends_max: int | None = None) -> list[dict[str, Any]]:
        """What it tells of. Raises Killed behind so many appends."""
        journal = MortalJournal(self.store, appends_max)
        asyncio.run(drop_what_was_lost(journal, self.recovered(lost_beginning=True), kept_at))
        return told(kept_at)

    def recovered(self, *, lost_beginning: bool = False) -> Engine:
        """What a start begins with: it refuses if anything that is lost is needed."""
        journal, checkpoints = MemoryJournal(self.store), self.checkpoints
        found = recover(NEW_ENGINE, journal, lambda lsn, batch: None, checkpoints, lost_beginning=lost_beginning)
        return asyncio.run(found).engine


def told(kept_at: Path) -> list[dict[str, Any]]:
    path = kept_at / LOST_FILE
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is repaired in the instant in which it was written."""
    monkeypatch.setattr(lost_beginning, "Clock", partial(Clock, wall=lambda: float(NOW_MS), monotonic=lambda: 0.0))


def enqueued(core: CoreJournal, **fields: Any) -> list[str]:
    body = json.dumps({"messages": [{"payload": number, **fields} for number in range(100)]}).encode()
    answers = [core.ask(core.parser.enqueue_batch("mails", body)) for _ in range(COUNT // 100)]
    return [result["id"] for answer in answers for result in answer["results"]]


def test_what_moved_because_it_was_due_goes_as_well(tmp_path: Path) -> None:
    """A message that dies takes its lost envelope to a place that was looked at, under another id."""
    core = CoreJournal()
    core.create("mails", deadLetterQueue="letters")
    enqueued(core, ttl=1)
    lost = Lost(core)
    assert len(lost.repair(tmp_path / "kept")) == COUNT
    assert lost.recovered().message_count == 0


def test_whatever_is_gone_was_told_of_wherever_it_is_cut_short(tmp_path: Path) -> None:
    for appends_max in itertools.count(1):
        core = CoreJournal()
        core.create("mails")
        ids = set(enqueued(core))
        lost = Lost(core)
        first, second = tmp_path / f"{appends_max}-first", tmp_path / f"{appends_max}-second"
        try:
            lost.repair(first, appends_max)
        except Killed:
            pass
        else:
            break
        lost.repair(second)
        assert {message["id"] for message in told(first) + told(second)} == ids
        assert lost.recovered().message_count == 0
    assert appends_max > COUNT // 1024


@pytest.mark.usefixtures("at_once")
def test_a_message_is_told_of_once_with_its_queue_and_its_state_in_each_group(tmp_path: Path) -> None:
    core = CoreJournal()
    core.create("mails")
    core.create("shared")
    core.ask(core.parser.create_group("shared", b'{"name": "audit"}'))
    alone, *both = [core.enqueue(queue, 1)["id"] for queue in ("mails", "shared", "shared")]
    (held,) = core.receive("mails")
    done = core.receive("shared", 1)[0]
    assert (held["id"], done["id"]) == (alone, both[0])
    core.ask(core.parser.ack(done["id"], receipt_body(done)))
    assert Lost(core).repair(tmp_path / "kept") == [
        {"id": alone, "queue": "mails", "state": "leased"},
        {"id": both[0], "queue": "shared", "state": "ready", "groups": {"default": "done", "audit": "ready"}},
        {"id": both[1], "queue": "shared", "state": "ready", "groups": {"default": "ready", "audit": "ready"}},
    ]


@pytest.mark.usefixtures("at_once")
def test_what_is_lost_can_be_sent_again_within_its_dedup_window_also_after_another_start(tmp_path: Path) -> None:
    core = CoreJournal()
    core.create("mails")
    acked = core.enqueue("mails", 1, dedupId="acked")
    (held,) = core.receive("mails")
    core.ask(core.parser.ack(held["id"], receipt_body(held)))
    gone = core.enqueue("mails", 2, dedupId="lost")
    lost = Lost(core)
    assert [message["id"] for message in lost.repair(tmp_path / "kept")] == [gone["id"]]
    core.engine = lost.recovered()
    core.batches = dict.fromkeys(range(1, core.engine.lsn + 1), b"")
    again = core.enqueue("mails", 1, dedupId="acked")
    assert (again["duplicate"], again["id"]) == (True, acked["id"])
    assert not core.enqueue("mails", 2, dedupId="lost")["duplicate"]
    assert core.enqueue("mails", 2, dedupId="lost")["duplicate"], "it guards the new one"
