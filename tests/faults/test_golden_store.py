"""Stores of every format load for ever: a journal that was trimmed, with its checkpoints, as a server left them when it
died, answers as it answered when it was recorded.

`HANZO_RECORD=1 pytest tests/faults/test_golden_store.py` records one in the formats of today when there is none; an
existing recording is never written again.
"""

from __future__ import annotations

import asyncio
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hanzo_queues._core import Command, Engine
from hanzo_queues.server import checkpointer
from hanzo_queues.server.checkpoints.memory import MemoryCheckpoints
from hanzo_queues.server.journal.base import JournalCorrupt
from hanzo_queues.server.journal.memory import MemoryJournal
from hanzo_queues.server.recovery import Recovered, recover
from tests.faults import golden_store
from tests.faults.crash_disk import CrashPoint, Disk, Side, Victim
from tests.faults.mixed_load import FILL, PARSER, MixedLoad
from tests.faults.mortal_server import MortalServer
from tests.tidy.sources import ROOT
from tests.unhurried import UnhurriedLoop

GOLDEN = ROOT / "tests/golden"
STATES = ("ready", "blocked", "delayed", "leased", "dead")
DIES_AT = 60


async def left_behind() -> Disk:
    """What is on the disk of a server that died at work."""
    disk = Disk((CrashPoint(DIES_AT, Side.BEFORE, Victim.SERVER),))
    server = MortalServer(disk)
    load = asyncio.ensure_future(MixedLoad(server.ask, server.now_s, 6).run())
    serving = asyncio.ensure_future(server.live_until(load))
    while len(disk.operations) <= DIES_AT:  # noqa: ASYNC110 - the disk has no event of it
        await asyncio.sleep(0.01)
    for ended in (load, serving):
        ended.cancel()
    await asyncio.gather(load, serving, return_exceptions=True)
    return disk


def format_of(data: bytes) -> int:
    """Batches, blocks and manifests have their version behind four bytes of magic."""
    return int.from_bytes(data[4:6], "little")


@pytest.fixture(scope="module", autouse=True)
def newest() -> Path:
    """The recording in the formats of today."""
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner(loop_factory=UnhurriedLoop) as runner:
        patch.setattr(checkpointer, "JOURNAL_BYTES_PER_BYTE", 0)
        disk = runner.run(left_behind())
    batch = disk.journal_store.batches[disk.journal_store.last_sequence]
    manifest = disk.checkpoints.parts[max(disk.checkpoints.manifests & disk.checkpoints.parts.keys())]
    path = GOLDEN / f"store-v{format_of(batch)}-v{format_of(manifest)}.bin"
    if "HANZO_RECORD" in os.environ and not path.exists():
        golden_store.write(path, disk.journal_store, disk.checkpoints)
        told = asyncio.run(account(*golden_store.read(path)))
        path.with_suffix(".json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    return path


async def recovered(journal: MemoryJournal, checkpoints: MemoryCheckpoints) -> Recovered:
    return await recover(partial(Engine, 0), journal, lambda lsn, batch: None, checkpoints)


async def account(journal: MemoryJournal, checkpoints: MemoryCheckpoints) -> list[Any]:
    """What a server that starts on it answers."""
    begun = await recovered(journal, checkpoints)
    engine, start = begun.engine, begun.start
    assert start is not None
    engine.fence(engine.now_ms, bytes(32))
    batches = journal.store.batches

    def ask(command: Command) -> Any:
        (reply,) = engine.step(engine.now_ms, [command]).replies
        assert reply.rejection is None
        return json.loads(reply.render({lsn: batches[lsn] for lsn in reply.lsns}))

    told = [ask(PARSER.list_queues(None, 9)), ask(PARSER.get_group("next", "audit"))]
    for queue in ("work", "dead", "next"):
        told.append(ask(PARSER.get_queue(queue)))
        for state in STATES:
            told.append(ask(PARSER.peek(queue, state=state, after=None, limit=50)))
    for number in (number for number in range(18) if number % 3):
        fields = {"payload": {"key": f"m{number}", "fill": FILL}, "dedupId": f"m{number}"}
        fields["orderingKey"] = f"lane{number % 3}"
        answer = ask(PARSER.enqueue("work", json.dumps(fields).encode()))
        told.append(answer if answer["duplicate"] else "new")
    return [start.lsn, engine.epoch, *told]


def says(today: Any, then: Any) -> bool:
    """Whether today's answer says what it said then, and maybe more."""
    if isinstance(then, dict):
        return isinstance(today, dict) and all(name in today and says(today[name], then[name]) for name in then)
    if isinstance(then, list):
        return len(today) == len(then) and all(map(says, today, then))
    return bool(today == then)


def test_the_formats_of_today_have_a_recording(newest: Path) -> None:
    assert newest.exists(), "see the module's text"
    journal, checkpoints = golden_store.read(newest)
    assert journal.store.first_sequence > 1, "it was trimmed"
    assert len(checkpoints.manifests) > 1


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("store-*.bin")), ids=lambda path: path.stem)
async def test_it_answers_as_it_answered(path: Path) -> None:
    today = await account(*golden_store.read(path))
    then = json.loads(path.with_suffix(".json").read_text())
    for one, other in zip(today, then, strict=True):
        assert says(one, other), (one, other)


def newer(data: bytes) -> bytes:
    return data[:4] + (99).to_bytes(2, "little") + data[6:]


@pytest.mark.parametrize("what", ["batch", "manifest", "block"])
async def test_a_newer_one_is_refused_politely(newest: Path, what: str) -> None:
    journal, checkpoints = golden_store.read(newest)
    if what == "batch":
        batches = journal.store.batches
        batches[max(batches)] = newer(batches[max(batches)])
    else:
        for sequence, part in checkpoints.parts.items():
            if (sequence in checkpoints.manifests) == (what == "manifest"):
                checkpoints.parts[sequence] = newer(part)
    with pytest.raises(JournalCorrupt, match=r"format 99, written by a newer server.*Start the newer server") as told:
        await recovered(journal, checkpoints)
    assert "estore" not in str(told.value), "there is nothing to restore"
