"""A nats-server that refuses what is appended where it says that a stream ends, as one does that has met damage: it is
started anew, once, if it is ours; whoever runs another one is told what is wrong and what to do."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from types import SimpleNamespace
from typing import cast

import pytest

from hanzo_queues.server import checkpoint_outage
from hanzo_queues.server import checkpointer as module
from hanzo_queues.server.call import Call
from hanzo_queues.server.checkpoints.memory import MemoryCheckpoints
from hanzo_queues.server.edge import Edge
from hanzo_queues.server.faults import PartitionRecovering
from hanzo_queues.server.journal.base import Extent, JournalCorrupt, StoreContradicts, WrongLastSequence
from hanzo_queues.server.journal.memory import MemoryJournal
from hanzo_queues.server.journal.refusals import Refusals
from hanzo_queues.server.partition import Partition
from hanzo_queues.server.routes import health
from tests.unit.served_partition import created, enqueue, payloads, ready, receive, serving, until_served, until_warned

WRONG = "JetStream: wrong last sequence: 7 (10071)"


class Checkpoints(MemoryCheckpoints):
    """Whose nats-server contradicts itself, until it is started anew, if that `mends` it."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses = True
        self.restarts = 0
        self.mends = True
        self.refused = 0

    async def append(self, part: bytes, expected_last_sequence: int, attempt: str) -> None:
        if self.refuses:
            self.refused += 1
            raise WrongLastSequence(WRONG)
        await super().append(part, expected_last_sequence, attempt)

    async def restart(self) -> None:
        self.restarts += 1
        self.refuses = not self.mends


@pytest.fixture(autouse=True)
def without_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_outage, "DELAYS_S", (0.001,))
    monkeypatch.setattr("hanzo_queues.server.journal.refusals.PATIENCE_S", 0.0)
    monkeypatch.setattr(module, "JOURNAL_BYTES_PER_BYTE", 0)


async def until_taken(store: MemoryCheckpoints, partition: Partition, count: int) -> None:
    """Writes until so many manifests are there."""
    async with asyncio.timeout(10):
        while len(store.manifests) < count:
            await partition.submit(enqueue("one more"))
            await asyncio.sleep(0.001)


async def test_our_own_is_started_anew_once_and_no_client_learns_of_it() -> None:
    store, journal = Checkpoints(), MemoryJournal()
    async with serving(journal, checkpoints=store, checkpoint_bytes=1, restart=store.restart) as partition:
        await until_taken(store, partition, 2)  # none of its requests failed
        assert store.restarts == 1
        store.refuses = True  # another damage, and a checkpoint was taken in between
        async with asyncio.timeout(10):
            while store.restarts == 1:
                await partition.submit(enqueue("one more"))
                await asyncio.sleep(0.001)
        await until_taken(store, partition, len(store.manifests) + 1)
        assert store.restarts == 2
        assert partition.checkpoint_outage.warning == ""


async def test_who_waits_for_a_nats_server_that_is_started_anew_is_told_of_a_recovery(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was told that the partition serves, and so was readiness; and polls ended."""
    store, journal = Checkpoints(), MemoryJournal()
    began, reads = asyncio.Event(), asyncio.Event()

    async def slowly() -> None:
        began.set()
        await reads.wait()
        await store.restart()

    async with serving(journal, checkpoints=store, checkpoint_bytes=1, restart=slowly) as partition:
        monkeypatch.setattr("hanzo_queues.server.partition.PATIENCE_S", 0.01)
        await created(partition, "other")
        polling = asyncio.ensure_future(partition.receive("other", receive(queue="other"), 30))
        stored = 0
        async with asyncio.timeout(10):
            while not began.is_set():
                with suppress(PartitionRecovering):  # what came just before may be told already
                    await partition.submit(enqueue("one more"))
                    stored += 1
                await asyncio.sleep(0.001)
        with pytest.raises(PartitionRecovering, match="partition 0 is recovering: nats-server says"):
            await partition.submit(enqueue("too long"))
        edge = SimpleNamespace(router=SimpleNamespace(partitions=[partition]))
        page = await health.ready(cast(Edge, edge), cast(Call, None))
        assert (page.status, json.loads(page.body)["status"]) == (503, "recovering")
        reads.set()
        assert await asyncio.wait_for(until_served(partition), 10) == stored
        await partition.submit(enqueue("comes", "other"))
        assert payloads(await asyncio.wait_for(polling, 10)) == ["comes"]


async def test_what_a_restart_does_not_mend_is_told_and_harms_no_writer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    store, journal = Checkpoints(), MemoryJournal()
    store.mends = False
    async with serving(journal, checkpoints=store, checkpoint_bytes=1, restart=store.restart) as partition:
        await until_warned(partition)
        epoch = partition._epoch
        for _ in range(3):
            await partition.submit(enqueue("goes on"))
        assert (store.restarts, partition.state, partition._epoch) == (1, "serving", epoch)
        store.refuses = False
        await until_taken(store, partition, 1)
        assert partition.checkpoint_outage.warning == ""
    assert "no checkpoint was taken: over" in caplog.text


async def test_what_failed_is_tried_again_though_nothing_more_is_written() -> None:
    """It was due: it does not wait until as much is written again."""
    store, journal = Checkpoints(), MemoryJournal()
    async with serving(journal, checkpoints=store, checkpoint_bytes=1 << 14) as partition:
        async with asyncio.timeout(10):
            while store.refused == 0:
                await partition.submit(enqueue("x" * 1000))
        store.refuses = False
        async with asyncio.timeout(10):
            while not store.manifests:  # noqa: ASYNC110 - no event tells it
                await asyncio.sleep(0.005)


async def test_who_runs_another_one_is_told_what_is_wrong_and_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    store, journal = Checkpoints(), MemoryJournal()
    async with serving(journal, checkpoints=store, checkpoint_bytes=1) as partition:
        edge = SimpleNamespace(router=SimpleNamespace(partitions=[partition]))
        assert json.loads((await health.ready(cast(Edge, edge), cast(Call, None))).body) == {"status": "ready"}
        warning = await until_warned(partition)
        page = await health.ready(cast(Edge, edge), cast(Call, None))
        assert (page.status, json.loads(page.body)) == (
            200, {"status": "ready", "warnings": [{"partition": 0, "warning": warning}]},
        )  # fmt: skip
        for said in ("no checkpoint could be taken", WRONG, "restart the nats-server", "the disk fills"):
            assert said in warning
            assert said in caplog.text
        told = len(caplog.records)
        refused = store.refused
        async with asyncio.timeout(10):
            while store.refused < refused + 2:
                await partition.submit(enqueue("one more"))
                await asyncio.sleep(0.001)
        assert len(caplog.records) == told, "it is told once"
        store.refuses = False
        await until_taken(store, partition, 1)
        assert json.loads((await health.ready(cast(Edge, edge), cast(Call, None))).body) == {"status": "ready"}


class Contradicting(MemoryJournal):
    """The journal itself."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses = self.mends = False
        self.restarts = 0

    async def append(self, batch: bytes, expected_last_sequence: int) -> None:
        if self.refuses:
            raise WrongLastSequence(WRONG)
        await super().append(batch, expected_last_sequence)

    async def restart(self) -> None:
        self.restarts += 1
        self.refuses = not self.mends


async def test_a_journal_that_contradicts_itself_is_not_replayed_without_an_end() -> None:
    journal = Contradicting()
    async with serving(journal, restart=journal.restart) as partition:
        journal.refuses = True
        asked = asyncio.ensure_future(partition.submit(enqueue("refused")))
        async with asyncio.timeout(10):
            # A line for people is no event.
            while journal.restarts == 0 or "has met damage" not in partition._trouble:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        await asyncio.gather(asked, return_exceptions=True)
        journal.refuses = False
        await asyncio.wait_for(until_served(partition), 10)
        assert journal.restarts == 1, "once, as no checkpoint was taken since"


async def test_a_journal_whose_nats_server_is_started_anew_serves_again() -> None:
    journal = Contradicting()
    journal.mends = True
    async with serving(journal, restart=journal.restart) as partition:
        journal.refuses = True
        await asyncio.gather(partition.submit(enqueue("refused")), return_exceptions=True)
        assert await asyncio.wait_for(until_served(partition), 10) == 0
        await partition.submit(enqueue("after"))
        assert (await ready(partition), journal.restarts) == (1, 1)


def test_who_was_refused_because_of_another_writer_is_not_told_of_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    refusals, refusal = Refusals("the journal"), WrongLastSequence(WRONG)
    for expected in (7, 8, 7, 9):
        refusals.note(refusal, expected)
    monkeypatch.setattr("hanzo_queues.server.journal.refusals.PATIENCE_S", 60.0)
    refusals.note(refusal, 9)  # what another writer proposed may not be told yet
    monkeypatch.setattr("hanzo_queues.server.journal.refusals.PATIENCE_S", 0.0)
    with pytest.raises(StoreContradicts):
        refusals.note(refusal, 9)


class Shorter(MemoryJournal):
    """Its end is lost, as the mark beside it tells, when the test says so."""

    is_lost = False

    async def extent(self) -> Extent:
        if self.is_lost:
            raise JournalCorrupt("its end is lost")
        return await super().extent()


async def test_what_a_trim_finds_lost_is_no_reason_to_go_on() -> None:
    why: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    journal = Shorter()
    async with serving(journal, on_failed=why.set_result) as partition:
        journal.is_lost = True
        partition.trimmer.reached(1)
        assert await asyncio.wait_for(why, 10) == "its end is lost"
        assert partition.state == "failed"
