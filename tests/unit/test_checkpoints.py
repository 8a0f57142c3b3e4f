"""Checkpoints beside a writer, and starts from them: the state is that of a full replay, whatever is damaged; or
nothing is served."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from functools import partial

import pytest

from hanzo_queues._core import Engine, Manifest
from hanzo_queues.server import checkpointer as module
from hanzo_queues.server.checkpointer import Checkpointer, Deposed, byte_count_of
from hanzo_queues.server.checkpoints.memory import MemoryCheckpoints
from hanzo_queues.server.clock import Clock
from hanzo_queues.server.faults import PartitionRecovering
from hanzo_queues.server.journal.base import AppendUnknown, JournalCorrupt, JournalFull
from hanzo_queues.server.journal.memory import MemoryJournal
from hanzo_queues.server.partition import Partition
from hanzo_queues.server.payloads import Payloads
from hanzo_queues.server.recovery import Recovered, recover, take_over
from tests.unit.core_journal import CoreJournal
from tests.unit.served_partition import enqueue, payloads, receive, serving

PARTS = 3000
"""Bytes of a part: small, so that blocks have several."""


class Kept(CoreJournal):
    """An engine whose batches and checkpoints are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.journal = MemoryJournal()
        self.store = MemoryCheckpoints(part_bytes_max=PARTS)
        self.horizons: list[int] = []
        self.checkpointer = self.new_checkpointer()
        self.create("mail")
        self.random = random.Random(5)

    def new_checkpointer(self) -> Checkpointer:
        return Checkpointer(self.engine, self.store, [], on_horizon=self.horizons.append)

    def work(self, steps: int = 30) -> None:
        for _ in range(steps):
            for number in range(self.random.randrange(60)):
                self.enqueue("mail", number, orderingKey=f"k{number % 7}", dedupId=str(self.random.random()))
            for message in self.receive("mail", self.random.randrange(1, 40)):
                if self.random.random() < 0.8:
                    self.ask(self.parser.ack(message["id"], b'{"receipt": "%b"}' % message["receipt"].encode()))

    async def take(self) -> None:
        for lsn, batch in self.batches.items():
            if lsn > self.journal.store.last_sequence:
                await self.journal.append(batch, lsn - 1)
                self.checkpointer.durable(lsn, len(batch))
        await self.checkpointer.take()

    async def empty(self) -> None:
        """Nothing of what was before is needed: neither messages, nor the checkpoints of then."""
        self.ask(self.parser.purge_queue("mail"))
        while self.engine.message_count > 0:
            self.keep(self.engine.step(self.now_ms, []))
        await self.take()
        self.enqueue("mail", "one")
        await self.take()

    async def flush(self) -> None:
        for lsn, batch in self.batches.items():
            if lsn > self.journal.store.last_sequence:
                await self.journal.append(batch, lsn - 1)

    async def recovered(self) -> Recovered:
        await self.flush()
        found = await recover(partial(Engine, 0), self.journal, lambda lsn, batch: None, self.store)
        assert found.engine.state_hash() == self.replayed().state_hash()
        return found


@pytest.fixture
async def kept() -> Kept:
    """With two checkpoints, and work behind the last."""
    kept = Kept()
    for _ in range(2):
        kept.work()
        await kept.take()
    kept.work(5)
    return kept


async def test_a_start_from_a_checkpoint_is_as_a_full_replay(kept: Kept) -> None:
    start = (await kept.recovered()).start
    assert start is not None
    assert start.lsn == Manifest(kept.store.parts[max(kept.store.manifests)]).lsn
    assert any(block.extent[1] > 1 for block in start.blocks)


async def test_only_what_changed_is_written_and_what_nothing_needs_goes(kept: Kept) -> None:
    before = await kept.store.extent()
    await kept.take()
    kept.enqueue("mail", "one more")
    await kept.take()
    after = await kept.store.extent()
    assert after.last_sequence - before.last_sequence < before.last_sequence / 2 + 40
    assert len(kept.store.manifests & kept.store.parts.keys()) >= 2
    await kept.recovered()
    for _ in range(30):
        kept.work(3)
        await kept.take()
    extent = await kept.store.extent()
    assert extent.first_sequence > 1
    assert len(kept.store.parts) < extent.last_sequence
    assert sorted(kept.horizons) == kept.horizons
    await kept.recovered()


async def test_the_journal_may_be_trimmed_up_to_the_horizon(kept: Kept) -> None:
    await kept.empty()
    await kept.journal.purge(kept.horizons[-1])
    await kept.recovered()
    del kept.store.parts[max(kept.store.manifests)]
    start = (await kept.recovered()).start
    assert start is not None
    assert start.lsn == kept.horizons[-1]


async def test_a_journal_that_lost_what_is_needed_of_its_beginning_is_refused(kept: Kept) -> None:
    await kept.flush()
    needed = kept.engine.first_needed_lsn()
    await kept.journal.purge(needed)
    await kept.recovered()
    await kept.journal.purge(needed + 1)
    with pytest.raises(JournalCorrupt, match=f"from batch {needed} on: its beginning is lost"):
        await kept.recovered()


@pytest.mark.parametrize("damage", ["changed block", "missing block", "changed manifest", "missing manifest"])
async def test_damage_is_passed_over_loudly(kept: Kept, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    newest = max(kept.store.manifests)
    manifest = Manifest(kept.store.parts[newest])
    sequence = manifest.blocks[0].extent[0] if "block" in damage else newest
    if "missing" in damage:
        del kept.store.parts[sequence]
    else:
        part = kept.store.parts[sequence]
        kept.store.parts[sequence] = part[:-1] + bytes([part[-1] ^ 4])
    start = (await kept.recovered()).start
    assert start is not None
    assert start.lsn < manifest.lsn
    if damage != "missing manifest":
        assert "can't be used" in caplog.text
    await kept.journal.purge(manifest.lsn)
    with pytest.raises(JournalCorrupt, match="no checkpoint that could be trusted"):
        await kept.recovered()


async def test_without_a_checkpoint_all_of_the_journal_is_replayed(kept: Kept) -> None:
    kept.store = MemoryCheckpoints()
    assert (await kept.recovered()).start is None


async def test_a_journal_older_than_its_checkpoint_is_refused(kept: Kept) -> None:
    lsn = Manifest(kept.store.parts[max(kept.store.manifests)]).lsn
    older = MemoryJournal()
    for number in range(1, lsn):
        await older.append(kept.batches[number], number - 1)
    kept.journal = older
    with pytest.raises(JournalCorrupt, match=f"ends with batch {lsn - 1}, but a checkpoint was taken at batch {lsn}"):
        await recover(partial(Engine, 0), older, lambda lsn, batch: None, kept.store)
    older.store.append(kept.batches[lsn], lsn - 1)
    await kept.recovered()


async def test_another_journal_than_the_checkpoints_is_refused(kept: Kept) -> None:
    other = Kept()
    other.random = random.Random(6)
    other.work(100)
    await other.flush()
    with pytest.raises(JournalCorrupt, match="not the one that a checkpoint was taken at"):
        await recover(partial(Engine, 0), other.journal, lambda lsn, batch: None, kept.store)


async def test_restored_checkpoints_that_are_older_than_the_journal_are_good(kept: Kept) -> None:
    backup = dict(kept.store.parts), set(kept.store.manifests)
    kept.work()
    await kept.take()
    kept.store.parts, kept.store.manifests = backup
    await kept.recovered()


@pytest.mark.parametrize("fault", [AppendUnknown("no answer"), JournalFull("no room")])
@pytest.mark.parametrize("at", [0, 1, 5, -1])
async def test_a_checkpoint_that_fails_is_made_up_for(kept: Kept, fault: Exception, at: int) -> None:
    kept.work()
    probe = await kept.store.extent()
    if at == -1:  # its manifest
        kept.store.append_manifest, whole = raising(fault), kept.store.append_manifest  # type: ignore[method-assign]
    else:
        kept.store.faults.extend([None] * at + [fault])
    with pytest.raises(type(fault)):
        await kept.take()
    kept.engine.abandon_checkpoint()
    if at == -1:
        kept.store.append_manifest = whole  # type: ignore[method-assign]
    await kept.recovered()
    kept.store.faults.clear()
    kept.work(3)
    await kept.take()
    assert (await kept.store.extent()).last_sequence > probe.last_sequence
    start = (await kept.recovered()).start
    assert start is not None
    assert start.lsn == kept.engine.lsn


def raising(error: Exception):  # type: ignore[no-untyped-def]
    async def append(part: bytes, expected_last_sequence: int) -> None:
        raise error

    return append


async def test_a_manifest_whose_answer_was_lost_harms_nothing(kept: Kept) -> None:
    whole = kept.store.append_manifest

    async def lost(manifest: bytes, expected_last_sequence: int) -> None:
        await whole(manifest, expected_last_sequence)
        raise AppendUnknown("no answer")

    kept.store.append_manifest = lost  # type: ignore[method-assign]
    kept.work()
    with pytest.raises(AppendUnknown):
        await kept.take()
    kept.engine.abandon_checkpoint()
    kept.store.append_manifest = whole  # type: ignore[method-assign]
    await kept.recovered()
    for _ in range(3):
        kept.work(2)
        await kept.take()
    await kept.recovered()


async def test_a_deposed_owner_takes_no_checkpoint(kept: Kept) -> None:
    await kept.flush()
    journal = kept.journal
    payloads_read = Payloads(journal, 1 << 20)
    successor = await take_over(partial(Engine, 0), journal, payloads_read, Clock(), checkpoints=kept.store)
    theirs = Checkpointer(successor.engine, kept.store, successor.kept)
    await theirs.take()
    with pytest.raises(Deposed):
        await kept.take()


async def test_a_successor_goes_on_from_the_checkpoint_it_began_with(kept: Kept) -> None:
    await kept.take()
    before = (await kept.store.extent()).last_sequence
    journal = kept.journal
    payloads_read = Payloads(journal, 1 << 20)
    successor = await take_over(partial(Engine, 0), journal, payloads_read, Clock(), checkpoints=kept.store)
    await Checkpointer(successor.engine, kept.store, successor.kept).take()
    written = (await kept.store.extent()).last_sequence - before
    assert written <= 2, "a fence changes next to nothing"
    found = await recover(partial(Engine, 0), journal, lambda lsn, batch: None, kept.store)
    assert found.start is not None
    assert found.start.lsn == successor.engine.lsn
    assert found.engine.state_hash() == successor.engine.state_hash()


async def test_disk_comes_back_when_most_of_the_log_is_old(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WASTE_BYTES_MAX", 0)
    sizes = []
    for _ in range(60):
        kept.enqueue("mail", 1)
        await kept.take()
        sizes.append((await kept.store.extent()).byte_count)
    live = byte_count_of(Manifest(kept.store.parts[max(kept.store.manifests)]).blocks)
    assert sizes[-1] < 4 * live + 20_000
    await kept.recovered()


async def test_no_manifest_is_written_before_its_batch_is_durable(kept: Kept) -> None:
    before = await kept.store.newest_manifest()
    taking = asyncio.ensure_future(kept.checkpointer.take())
    for _ in range(300):
        await asyncio.sleep(0)
    assert await kept.store.newest_manifest() == before
    assert not taking.done()
    await kept.flush()
    kept.checkpointer.durable(kept.engine.lsn, 1)
    await asyncio.wait_for(taking, 5)
    assert await kept.store.newest_manifest() != before
    await kept.recovered()


class Refusing(MemoryJournal):
    """A journal that trims itself while it is read."""

    trimmed = False

    async def read(self, first_sequence: int, last_sequence: int) -> AsyncIterator[tuple[int, bytes]]:
        if not self.trimmed and last_sequence > first_sequence:
            self.trimmed = True
            await self.purge(last_sequence - 1)
        async for pair in super().read(first_sequence, last_sequence):
            yield pair


async def test_a_journal_trimmed_while_it_is_replayed_is_begun_anew(kept: Kept) -> None:
    """As by another owner, who has also taken a newer checkpoint."""
    await kept.flush()
    older = dict(kept.store.parts), set(kept.store.manifests)
    await kept.empty()
    kept.enqueue("mail", "last")
    await kept.flush()
    newer = dict(kept.store.parts), set(kept.store.manifests)
    refusing = Refusing(kept.journal.store)
    kept.store.parts, kept.store.manifests = older
    first_read = refusing.read

    def read(first_sequence: int, last_sequence: int) -> AsyncIterator[tuple[int, bytes]]:
        if last_sequence > first_sequence:
            kept.store.parts, kept.store.manifests = newer
        return first_read(first_sequence, last_sequence)

    refusing.read = read  # type: ignore[method-assign]
    found = await recover(partial(Engine, 0), refusing, lambda lsn, batch: None, kept.store)
    assert found.engine.state_hash() == kept.replayed().state_hash()
    assert refusing.trimmed


async def served_again(journal: MemoryJournal, store: MemoryCheckpoints) -> None:
    async with serving(journal, checkpoints=store) as partition:
        await ask_until_served(partition)


async def ask_until_served(partition: Partition) -> None:
    while True:
        try:
            await partition.submit(enqueue("after"))
            return
        except PartitionRecovering:
            await asyncio.sleep(0.01)


async def test_a_served_partition_takes_checkpoints_by_itself() -> None:
    journal, store = MemoryJournal(), MemoryCheckpoints()
    async with serving(journal, checkpoints=store, checkpoint_bytes=20_000) as partition:
        async with asyncio.timeout(20):
            while len(store.manifests) < 3:
                await partition.submit(enqueue("x" * 5000))
        served = len(payloads(await partition.submit(receive(100))))
    assert served > 10
    newest = Manifest(store.parts[max(store.manifests & store.parts.keys())])
    await served_again(journal, store)
    assert newest.lsn > 5


async def test_what_a_start_replayed_counts_towards_the_next_checkpoint() -> None:
    """Else a server that is started anew again and again takes none, and each start takes longer."""
    journal, store = MemoryJournal(), MemoryCheckpoints()
    for starts in range(10):
        async with serving(journal, checkpoints=store, checkpoint_bytes=20_000) as partition:
            await partition.submit(enqueue("x" * 5000))
            await asyncio.sleep(0)
            assert not store.manifests or starts > 2, "so early there is too little"
            if store.manifests:
                break
    assert store.manifests


async def test_checkpoints_that_fail_do_not_harm_the_writer(caplog: pytest.LogCaptureFixture) -> None:
    journal, store = MemoryJournal(), MemoryCheckpoints()
    store.faults.extend([JournalFull("no room")])
    async with serving(journal, checkpoints=store, checkpoint_bytes=20_000) as partition:
        for _ in range(50):
            await partition.submit(enqueue("x" * 5000))
    assert "no checkpoint was taken: no room" in caplog.text
    assert not store.manifests
    await served_again(journal, store)
