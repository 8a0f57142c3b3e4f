"""The server, or its store, is gone before, after or in the middle of every single operation of a mixed workload on
journal and checkpoints: then recovery, the rest of the work, and the ledgers.

The server's own code (partition, writer, checkpoints, trimming, recovery), on a journal and a checkpoint store in
memory. A small workload by default; `make crashes` has a large one (CRASH_MESSAGES=n for each of three producers).
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from functools import partial

import pytest

from hanzo_queues._core import Engine, describe_batch
from hanzo_queues.server import checkpointer
from hanzo_queues.server.recovery import recover
from tests.faults.crash_disk import CrashPoint, Disk, Side, Victim
from tests.faults.forked_disk import Choose, ForkedDisk, Outcome
from tests.faults.mixed_load import MixedLoad
from tests.faults.mortal_server import MortalServer
from tests.unhurried import UnhurriedLoop

MESSAGES = int(os.environ.get("CRASH_MESSAGES", "6"))
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
    disk = Disk(crashes)
    with asyncio.Runner(loop_factory=UnhurriedLoop) as runner:
        runner.run(outlive(disk))
    return disk


def outlived_each(choose: Choose) -> list[Outcome]:
    """Of the same with every crash that is chosen, one after the other, and without any, which is the last."""
    disk = ForkedDisk(choose)
    failed: BaseException | None = None
    try:
        with asyncio.Runner(loop_factory=UnhurriedLoop) as runner:
            runner.run(outlive(disk))
    except BaseException as error:
        failed = error
    return disk.finish(failed)


async def outlive(disk: Disk) -> None:
    server = MortalServer(disk)
    load = MixedLoad(server.ask, server.now_s, MESSAGES)
    async with asyncio.timeout(HOURS_S):
        working = asyncio.ensure_future(load.run())
        await server.live_until(working)
        await working
    assert load.faults() == []
    await assert_recovered_whole(disk)


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


def crashes_of(victim: Victim, part: int) -> Choose:
    """One in `PARTS` of all there are. Behind that of a server a second one hits one of the first things that the next
    server does."""

    def choose(happened: tuple[CrashPoint, ...], operation: int) -> list[CrashPoint]:
        if not happened:
            is_one = operation % PARTS == part
        else:
            is_one = happened[1:] == () and operation == second_after(happened[0])
        return [CrashPoint(operation, side, victim) for side in Side] if is_one else []

    return choose


def second_after(first: CrashPoint) -> int | None:
    if first.victim is not Victim.SERVER or first.operation % SECOND_EVERY:
        return None
    return first.operation + 1 + first.operation // SECOND_EVERY % 4


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("victim", Victim)
@pytest.mark.timeout(100 * MESSAGES)
def test_nothing_is_lost_whatever_crashes_when(victim: Victim, part: int) -> None:
    *crashed, whole = outlived_each(crashes_of(victim, part))
    assert whole.error == ""
    wrong = [outcome for outcome in crashed if outcome.error]
    assert not wrong, f"{len(wrong)} of {len(crashed)}, the first as outlived({wrong[0].crashes}): {wrong[0].error}"
    once = [outcome.crashes[0] for outcome in crashed if len(outcome.crashes) == 1]
    assert once == [
        CrashPoint(operation, side, victim) for operation in range(part, whole.operations, PARTS) for side in Side
    ]
    # Unless there is little left to do when a server has crashed, it comes to the second crash.
    again = sum(len(outcome.crashes) == 2 for outcome in crashed)
    assert again >= 0.9 * len(Side) * sum(second_after(first) is not None for first in once)
