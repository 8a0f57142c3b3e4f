"""The contract of a checkpoint store, on every store: in memory, on one nats-server, on a cluster of three."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from hanzo_queues.server.checkpoints.base import CheckpointStore
from hanzo_queues.server.checkpoints.jetstream import JetStreamCheckpoints
from hanzo_queues.server.checkpoints.memory import MemoryCheckpoints
from hanzo_queues.server.journal.base import AppendRefused, JournalCorrupt, JournalError, WrongLastSequence
from hanzo_queues.server.journal.jetstream import JetStreamJournal
from hanzo_queues.server.journal.jetstream_api import JetStreamApi
from hanzo_queues.server.journal.jetstream_settings import StreamSettingsDiffer
from tests.contract.test_journal import PARTITIONS, one_server, opened, three_servers
from tests.tidy.sources import ROOT

__all__ = ["one_server", "three_servers"]


@pytest.fixture(params=["memory", "one_server", "three_servers"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[CheckpointStore]:
    made: CheckpointStore
    if request.param == "memory":
        made = MemoryCheckpoints(part_bytes_max=2_000_000)
    else:
        servers = request.getfixturevalue(request.param)
        made = JetStreamCheckpoints(servers.endpoint, partition=next(PARTITIONS), replicas=servers.replicas)
    await opened(made)
    yield made
    await made.close()


async def filled(store: CheckpointStore) -> None:
    """Parts 1 and 2, manifest 3, part 4, manifest 5, part 6."""
    for last, part in enumerate([b"1", b"2" * 100_000, b"", b"4", b"", b"6"]):
        if part:
            await store.append(part, last, "a0")
        else:
            await store.append_manifest(b"manifest %d" % (last + 1), last)


async def test_a_new_store_is_empty(store: CheckpointStore) -> None:
    extent = await store.extent()
    assert (extent.first_sequence, extent.last_sequence) == (1, 0)
    assert await store.newest_manifest() is None
    assert await store.manifest_before(5) is None


async def test_parts_and_manifests_come_back(store: CheckpointStore) -> None:
    await filled(store)
    assert await store.fetch(2) == b"2" * 100_000
    with pytest.raises(JournalCorrupt):
        await store.fetch(0)  # what lies before the first checkpoint
    assert await store.newest_manifest() == (5, b"manifest 5")
    assert await store.manifest_before(5) == (3, b"manifest 3")
    assert await store.manifest_before(3) is None
    extent = await store.extent()
    assert (extent.first_sequence, extent.last_sequence) == (1, 6)
    assert extent.byte_count > 100_000


async def test_appends_are_fenced(store: CheckpointStore) -> None:
    await filled(store)
    for expected in (0, 5, 7):
        with pytest.raises(WrongLastSequence):
            await store.append(b"stale", expected, "a0")
        with pytest.raises(WrongLastSequence):
            await store.append_manifest(b"stale", expected)
    assert await store.newest_manifest() == (5, b"manifest 5")


async def test_what_was_purged_is_gone(store: CheckpointStore) -> None:
    await filled(store)
    await store.purge(4)
    await store.purge(2)
    with pytest.raises(JournalCorrupt):
        await store.fetch(3)
    assert await store.manifest_before(5) is None
    assert await store.fetch(4) == b"4"
    extent = await store.extent()
    assert (extent.first_sequence, extent.last_sequence) == (4, 6)
    assert extent.byte_count < 10_000
    with pytest.raises(JournalError):
        await store.purge(7)


async def test_a_part_that_is_too_large_is_refused(store: CheckpointStore) -> None:
    await store.append(b"x" * store.part_bytes_max, 0, "a0")
    with pytest.raises(AppendRefused):
        await store.append(b"x" * (store.part_bytes_max + 1), 1, "a0")


async def test_the_largest_part_comes_back(store: CheckpointStore) -> None:
    part = b"x" * min(store.part_bytes_max, 4 << 20)
    await store.append(part, 0, "a0")
    assert await store.fetch(1) == part


async def test_an_only_replica_is_not_asked_for_json(request: pytest.FixtureRequest) -> None:
    servers = request.getfixturevalue("one_server")
    store = JetStreamCheckpoints(servers.endpoint, partition=next(PARTITIONS), replicas=1)
    await opened(store)
    await filled(store)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(JetStreamApi, "message", None)
        assert await store.fetch(2) == b"2" * 100_000
    await store.close()


async def test_what_came_to_nothing_is_taken_away_and_nothing_else_is(store: CheckpointStore) -> None:
    await filled(store)
    before = (await store.extent()).byte_count
    for last in range(6, 12):
        await store.append(b"7" * 500_000, last, "b1" if last % 3 else "c2")
    await store.discard("b1")
    await store.discard("d3")
    extent = await store.extent()
    assert extent.last_sequence == 12
    assert before + 1_000_000 <= extent.byte_count < before + 1_100_000
    with pytest.raises(JournalCorrupt):
        await store.fetch(12)
    assert await store.fetch(10) == b"7" * 500_000
    await store.discard("c2")
    assert (await store.extent()).byte_count <= before + 1000
    assert await store.newest_manifest() == (5, b"manifest 5")
    assert [await store.fetch(sequence) for sequence in (2, 4, 6)] == [b"2" * 100_000, b"4", b"6"]
    await store.append(b"next", 12, "e4")
    await store.append_manifest(b"manifest 14", 13)
    assert await store.newest_manifest() == (14, b"manifest 14")
    assert await store.manifest_before(14) == (5, b"manifest 5")


async def test_the_disk_of_what_came_to_nothing_comes_back(request: pytest.FixtureRequest) -> None:
    servers = request.getfixturevalue("one_server")
    partition = next(PARTITIONS)
    store = JetStreamCheckpoints(servers.endpoint, partition=partition, replicas=1)
    await opened(store)
    await filled(store)
    for last in range(6, 66):
        await store.append(b"7" * 500_000, last, "b1")
    await store.discard("b1")
    blocks = servers.directory.rglob(f"HANZO_P{partition}_CHECKPOINTS/msgs/*.blk")
    assert sum(path.stat().st_size for path in blocks) < 10_000_000, "of 30 MB"
    await store.close()


async def of_an_earlier_server(store: JetStreamJournal, partition: int, which: str) -> list[str]:
    """Makes its stream as that server did. Returns the subjects."""
    golden = (ROOT / "tests/golden/streams-v1.json").read_text()
    config = json.loads(golden.replace("_P0", f"_P{partition}").replace(".p0.", f".p{partition}."))[which]
    await store._connected()
    made = await store._api().call("STREAM.CREATE", config)
    return list(made["config"]["subjects"])


async def subjects_of(store: JetStreamJournal) -> list[str]:
    return list((await store._api().call("STREAM.INFO"))["config"]["subjects"])


async def test_a_stream_of_an_earlier_server_stays_as_it_is_until_this_one_writes(
    request: pytest.FixtureRequest,
) -> None:
    """An earlier server that starts again beside this one, or instead of it, refuses other subjects."""
    servers = request.getfixturevalue("one_server")
    partition = next(PARTITIONS)
    store = JetStreamCheckpoints(servers.endpoint, partition=partition, replicas=1)
    earlier = await of_an_earlier_server(store, partition, "checkpoints")
    await opened(store)
    await store._append(b"1", 0, store.subject)
    await store.append_manifest(b"manifest 2", 1)
    assert (await store.fetch(1), await store.newest_manifest()) == (b"1", (2, b"manifest 2"))
    await store.look()
    assert await subjects_of(store) == earlier
    await store.append(b"3", 2, "a0")
    assert await subjects_of(store) == list(store._subjects)
    await store.discard("a0")
    assert (await store.extent()).last_sequence == 3
    await opened(store)
    await store.close()


async def test_a_journal_of_an_earlier_server_is_used_as_it_is(request: pytest.FixtureRequest) -> None:
    servers = request.getfixturevalue("one_server")
    partition = next(PARTITIONS)
    journal = JetStreamJournal(servers.endpoint, partition=partition, replicas=1)
    earlier = await of_an_earlier_server(journal, partition, "journal")
    await opened(journal)
    await journal.append(b"1", 0)
    assert await subjects_of(journal) == earlier
    await journal.close()


async def test_a_stream_of_a_later_server_may_have_more_subjects_of_its_own(request: pytest.FixtureRequest) -> None:
    servers = request.getfixturevalue("one_server")
    partition = next(PARTITIONS)
    store = JetStreamCheckpoints(servers.endpoint, partition=partition, replicas=1)
    await opened(store)
    config = (await store._api().call("STREAM.INFO"))["config"]
    later = [*config["subjects"], f"hanzo.p{partition}.checkpoint.of-tomorrow"]
    await store._api().call("STREAM.UPDATE", config | {"subjects": later})
    await opened(store)
    await store.append(b"1", 0, "a0")
    assert await subjects_of(store) == later
    await store._api().call("STREAM.UPDATE", config | {"subjects": [*later, f"strange.{partition}"]})
    with pytest.raises(StreamSettingsDiffer, match="strange"):
        await store.open()
    await store.close()


async def test_a_stream_with_other_settings_is_refused(request: pytest.FixtureRequest) -> None:
    servers = request.getfixturevalue("one_server")
    partition = next(PARTITIONS)
    store = JetStreamCheckpoints(servers.endpoint, partition=partition, replicas=1)
    await opened(store)
    config = (await store._api().call("STREAM.INFO"))["config"]
    await store._api().call("STREAM.UPDATE", config | {"max_msgs_per_subject": 1})
    await store.close()
    with pytest.raises(StreamSettingsDiffer, match="max_msgs_per_subject is 1"):
        await JetStreamCheckpoints(servers.endpoint, partition=partition, replicas=1).open()
