"""The server, or its store, is gone before, after or in the middle of every single operation of a mixed workload on
journal and checkpoints: then recovery, the rest of the work, and the ledgers.

The server's own code (partition, writer, checkpoints, trimming, recovery), on a journal and a checkpoint store in
memory. A small workload by default; `make crashes` has a large one (CRASH_MESSAGES=n for each of three producers).
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from functools import partial

import pytest

from hanzo_queues._core import Engine, describe_batch
from hanzo_queues.server import checkpointer
from hanzo_queues.server.recovery import recover
from tests.faults.crash_disk import CrashPoint, Disk, Side, Victim
from tests.faults.mixed_load import MixedLoad
from tests.faults.mortal_server import MortalServer
from tests.unhurried import UnhurriedLoop

MESSAGES = int(os.environ.get("CRASH_MESSAGES", "5"))
PARTS = 4
HOURS_S = 86_400
SECOND_EVERY = 9 if MESSAGES < 20 else 1


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints, trimming and moves of a workload of a few kilobytes."""
    monkeypatch.setattr(checkpointer, "JOURNAL_BYTES_PER_BYTE", 0)
    monkeypatch.setattr(checkpointer, "WASTE_BYTES_MAX", 0)


def outlived(crashes: tuple[CrashPoint, ...]) -> Disk:
    """The disk after the whole workload, whatever crashed in it; and the ledgers are balanced."""
    with asyncio.Runner(loop_factory=UnhurriedLoop) as runner:
        return runner.run(_outlived(crashes))


async def _outlived(crashes: tuple[CrashPoint, ...]) -> Disk:
    disk = Disk(crashes)
    server = MortalServer(disk)
    load = MixedLoad(server.ask, server.now_s, MESSAGES)
    async with asyncio.timeout(HOURS_S):
        working = asyncio.ensure_future(load.run())
        await server.live_until(working)
        await working
    assert load.faults() == [], crashes
    await assert_recovered_whole(disk)
    return disk


async def assert_recovered_whole(disk: Disk) -> None:
    """A start from the checkpoint and what was not trimmed is as a replay of all there ever was."""
    journal, checkpoints = disk.mount()
    new_engine = partial(Engine, 0)
    engine = (await recover(new_engine, journal, lambda lsn, batch: None, checkpoints)).engine
    whole = new_engine()
    for sequence, batch in sorted(disk.batches.items()):
        whole.replay(sequence, batch)
    assert engine.state_hash() == whole.state_hash()


def test_the_workload_is_mixed() -> None:
    disk = outlived(())
    operations = Counter(disk.operations)
    assert operations["append"] > 40
    assert operations["block"] > operations["manifest"] > 1
    assert min(operations["purge"], operations["trim"]) > 0
    kinds = {text.split("(")[0].split(" ")[0] for batch in disk.batches.values() for text in records_of(batch)}
    assert kinds > {"Enqueued", "Leased", "Acked", "Completed", "FollowedUp", "Retried", "DeadLettered", "Moved"}
    assert sum("Moved" in text for batch in disk.batches.values() for text in records_of(batch)) > 1


def records_of(batch: bytes) -> list[str]:
    return describe_batch(batch).records


def crash_points(victim: Victim, part: int) -> Iterator[CrashPoint]:
    """One in `PARTS` of all there are."""
    count = len(outlived(()).operations)
    for operation in range(part, count, PARTS):
        for side in Side:
            yield CrashPoint(operation, side, victim)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("victim", Victim)
@pytest.mark.timeout(100 * MESSAGES)
def test_nothing_is_lost_whatever_crashes_when(victim: Victim, part: int) -> None:
    for crash in crash_points(victim, part):
        disk = outlived((crash,))
        assert len(disk.operations) > crash.operation, "it did not come to that"


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.timeout(100 * MESSAGES)
def test_nothing_is_lost_when_recovery_crashes_too(part: int) -> None:
    """The second crash hits one of the first things that the next server does, unless there is little left to do."""
    crashed_again: list[bool] = []
    for crash in crash_points(Victim.SERVER, part):
        if crash.operation % SECOND_EVERY == 0:
            for side in Side:
                again = CrashPoint(crash.operation + 1 + crash.operation // SECOND_EVERY % 4, side, Victim.SERVER)
                crashed_again.append(len(outlived((crash, again)).operations) > again.operation)
    assert crashed_again.count(False) * 10 < len(crashed_again)
