"""The contract of a journal, on every journal: in memory, on one nats-server, on a cluster of three."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import pytest

from hanzo_queues.server.checkpoints.base import CheckpointStore
from hanzo_queues.server.journal.base import (
    AppendRefused,
    AppendUnknown,
    Journal,
    JournalCorrupt,
    JournalError,
    WrongLastSequence,
)
from hanzo_queues.server.journal.jetstream import JetStreamJournal
from hanzo_queues.server.journal.jetstream_api import JetStreamApi
from hanzo_queues.server.journal.marked import MarkedJournal
from hanzo_queues.server.journal.memory import MemoryJournal, MemoryStore
from hanzo_queues.server.nats_connection import NatsConnection
from tests.nats_servers import NatsServers, running_nats_servers

PATIENCE_S = 20.0
PARTITIONS = itertools.count(1)  # a stream of its own for every test


class Place(Protocol):
    """Where journals are kept: every journal it makes is a further client of the same one."""

    def journal(self) -> Journal: ...

    async def lose(self, sequence: int) -> None:
        """One batch vanishes from the middle."""


class MemoryPlace:
    def __init__(self) -> None:
        self.store = MemoryStore()

    def journal(self) -> Journal:
        return MemoryJournal(self.store, batch_bytes_max=2_000_000)

    async def lose(self, sequence: int) -> None:
        del self.store.batches[sequence]


class MarkedPlace(MemoryPlace):
    """A mark of its own for every journal, as every node has one."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._marks = (directory / f"mark-{number}" for number in itertools.count())

    def journal(self) -> Journal:
        return MarkedJournal(super().journal(), next(self._marks))


class JetStreamPlace:
    def __init__(self, servers: NatsServers) -> None:
        self._servers = servers
        self._partition = next(PARTITIONS)

    def journal(self) -> JetStreamJournal:
        return JetStreamJournal(
            self._servers.endpoint, partition=self._partition, replicas=self._servers.replicas, append_timeout_s=5
        )

    async def lose(self, sequence: int) -> None:
        """A journal can't lose one, so its stream is made again without that protection, and filled again."""
        journal = self.journal()
        await opened(journal)
        batches = [batch async for _, batch in journal.read(1, await journal.last_sequence())]
        connection = NatsConnection(self._servers.endpoint, "test", lambda _reason: None)
        await connection.connect(PATIENCE_S)
        api = JetStreamApi(connection.client, journal.stream, PATIENCE_S)
        config = (await api.call("STREAM.INFO"))["config"] | {"deny_delete": False}
        await api.call("STREAM.DELETE")
        await api.call("STREAM.CREATE", config)
        await led(api)
        await heard_of(journal)
        for number, batch in enumerate(batches):
            await journal.append(batch, number)
        await api.call("STREAM.MSG.DELETE", {"seq": sequence})
        await connection.close()
        await journal.close()


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServers]:
    with running_nats_servers(tmp_path_factory.mktemp("one"), 1) as servers:
        yield servers


@pytest.fixture(scope="module")
def three_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServers]:
    with running_nats_servers(tmp_path_factory.mktemp("three"), 3) as servers:
        yield servers


@pytest.fixture(params=["memory", "marked", "one_server", "three_servers"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "memory":
        return MemoryPlace()
    if request.param == "marked":
        return MarkedPlace(tmp_path)
    return JetStreamPlace(request.getfixturevalue(request.param))


@pytest.fixture
async def journal(place: Place) -> AsyncIterator[Journal]:
    made = place.journal()
    await opened(made)
    yield made
    await made.close()


async def opened(journal: Journal | CheckpointStore) -> None:
    """A cluster that was just started has no leader yet, and says so."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await journal.open()
            except JournalCorrupt:
                raise
            except JournalError:
                await asyncio.sleep(0.05)
            else:
                break
    if isinstance(journal, JetStreamJournal):
        await heard_of(journal)


async def heard_of(journal: JetStreamJournal) -> None:
    """A cluster's servers don't all hear at once of a stream that was made: until they do, nobody answers what is
    appended through them."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await journal._append(b"refused", 1 << 40, journal.subject)
            except WrongLastSequence:
                return
            except JournalError:
                await asyncio.sleep(0.05)


async def led(api: JetStreamApi) -> None:
    """A stream that was just made has no leader yet, and nobody answers for it."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            info = await api.call("STREAM.INFO")
            if "cluster" not in info or info["cluster"].get("leader"):
                return
            await asyncio.sleep(0.05)


async def contents(journal: Journal, first: int = 1) -> list[bytes]:
    read = [pair async for pair in journal.read(first, await journal.last_sequence())]
    assert [sequence for sequence, _ in read] == list(range(first, first + len(read)))
    return [batch for _, batch in read]


async def append_all(journal: Journal, batches: list[bytes]) -> None:
    for number, batch in enumerate(batches):
        await journal.append(batch, number)


async def test_a_new_journal_is_empty(journal: Journal) -> None:
    assert await journal.last_sequence() == 0
    assert await contents(journal) == []


async def test_batches_come_back_in_order_and_unchanged(journal: Journal) -> None:
    batches = [bytes([number]) * number + b"\r\n\0MSG " for number in range(50)]
    await append_all(journal, batches)
    assert await journal.last_sequence() == 50
    assert await contents(journal) == batches
    assert await contents(journal, 31) == batches[30:]
    assert await journal.fetch(17) == batches[16]


async def test_reading_stops_where_it_was_told(journal: Journal) -> None:
    await append_all(journal, [b"one", b"two", b"three"])
    assert [pair async for pair in journal.read(2, 2)] == [(2, b"two")]


async def test_every_client_sees_what_one_appended(place: Place, journal: Journal) -> None:
    await journal.append(b"one", 0)
    other = place.journal()
    await other.open()
    await other.append(b"two", 1)
    assert await contents(journal) == await contents(other) == [b"one", b"two"]
    await other.close()


@pytest.mark.parametrize("expected", [0, 1, 3, 4])
async def test_a_wrong_sequence_is_refused(journal: Journal, expected: int) -> None:
    await append_all(journal, [b"one", b"two"])
    with pytest.raises(WrongLastSequence):
        await journal.append(b"stale", expected)
    assert await contents(journal) == [b"one", b"two"]
    await journal.append(b"three", 2)


async def test_of_two_racing_writers_one_wins_each_sequence(place: Place, journal: Journal) -> None:
    rival = place.journal()
    await rival.open()
    won: list[bytes] = []
    for number in range(30):
        results = await asyncio.gather(
            journal.append(b"a%d" % number, number), rival.append(b"b%d" % number, number), return_exceptions=True
        )
        assert sorted(map(type, results), key=str) == sorted([type(None), WrongLastSequence], key=str)
        won.append(b"%b%d" % (b"a" if results[0] is None else b"b", number))
    assert await contents(journal) == won
    await rival.close()


async def test_the_largest_batch_fits_and_a_larger_one_is_refused(journal: Journal) -> None:
    largest = b"x" * journal.batch_bytes_max
    await journal.append(largest, 0)
    with pytest.raises(AppendRefused):
        await journal.append(largest + b"x", 1)
    await journal.append(b"after", 1)
    assert await contents(journal) == [largest, b"after"]


async def test_a_hole_is_never_skipped(place: Place, journal: Journal) -> None:
    await append_all(journal, [b"%d" % number for number in range(1, 6)])
    await place.lose(3)
    read: list[int] = []

    async def read_again_and_again() -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:  # a replica that has not lost it yet may serve the read
                read.clear()
                async for sequence, _ in journal.read(1, 5):
                    read.append(sequence)

    with pytest.raises(JournalCorrupt, match=r"(message|batch) 3\b"):
        await read_again_and_again()
    assert read == [1, 2]
    assert await journal.fetch(4) == b"4"


async def test_what_was_purged_is_gone_and_the_rest_stays_as_it_was(place: Place, journal: Journal) -> None:
    assert await journal.first_sequence() == 1
    await append_all(journal, [b"%d" % number * 1000 for number in range(1, 10)])
    before = (await journal.extent()).byte_count
    assert before >= 9000
    await journal.purge(1)
    await journal.purge(5)
    await journal.purge(3)
    assert (await journal.first_sequence(), await journal.last_sequence()) == (5, 9)
    assert before - (await journal.extent()).byte_count >= 4000
    with pytest.raises(JournalError):
        await journal.fetch(4)
    with pytest.raises(JournalCorrupt):
        await contents(journal)
    assert await contents(journal, 5) == [b"%d" % number * 1000 for number in range(5, 10)]
    await journal.append(b"ten", 9)
    other = place.journal()
    await opened(other)
    assert (await other.first_sequence(), await other.last_sequence()) == (5, 10)
    await other.close()


async def test_the_last_batch_is_never_purged(journal: Journal) -> None:
    await append_all(journal, [b"one", b"two"])
    for before_sequence in (3, 4):
        with pytest.raises(JournalError):
            await journal.purge(before_sequence)
    await journal.purge(2)
    assert await contents(journal, 2) == [b"two"]


async def test_what_is_not_there_is_not_fetched(journal: Journal) -> None:
    await journal.append(b"one", 0)
    with pytest.raises(JournalCorrupt, match="2"):
        await journal.fetch(2)


async def test_a_run_is_fetched_at_one_request(place: Place, journal: Journal) -> None:
    batches = [b"%d" % number * 1000 for number in range(1, 10)]
    await append_all(journal, batches)
    stored = list(enumerate(batches, 1))
    async with asyncio.timeout(PATIENCE_S):
        # A replica that lags behind has fewer.
        while await journal.fetch_run(3, 9, 1 << 20) != stored[2:]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert await journal.fetch_run(3, 6, 1 << 20) == stored[2:6]
    assert await journal.fetch_run(3, 9, 2500) == stored[2:5], "one comes to the bound, and is the last"
    assert await journal.fetch_run(8, 20, 1 << 20) == stored[7:]
    assert await journal.fetch_run(10, 20, 1 << 20) == []
    await journal.purge(3)
    assert await journal.fetch_run(1, 9, 1 << 20) == []


async def test_a_run_ends_where_a_batch_is_missing(place: Place, journal: Journal) -> None:
    await append_all(journal, [b"%d" % number for number in range(1, 6)])
    await place.lose(3)
    async with asyncio.timeout(PATIENCE_S):
        # A replica may not have lost it yet.
        while await journal.fetch_run(1, 5, 1 << 20) != [(1, b"1"), (2, b"2")]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_closed_journal_refuses_and_opens_again(journal: Journal) -> None:
    await journal.append(b"one", 0)
    await journal.close()
    with pytest.raises(AppendRefused):
        await journal.append(b"lost", 1)
    await journal.open()
    await journal.append(b"two", 1)
    assert await contents(journal) == [b"one", b"two"]


async def test_closing_ends_the_append_under_way(journal: Journal) -> None:
    appending = asyncio.ensure_future(journal.append(b"open", 0))
    await asyncio.sleep(0)
    await journal.close()
    with suppress(AppendUnknown):
        await asyncio.wait_for(appending, PATIENCE_S / 10)
    await journal.open()
    assert await contents(journal) in ([], [b"open"])


@pytest.mark.parametrize("servers", ["one_server", "three_servers"])
async def test_reading_keeps_up_with_large_and_many(servers: str, request: pytest.FixtureRequest) -> None:
    journal = JetStreamPlace(request.getfixturevalue(servers)).journal()
    await opened(journal)
    batches = [b"%d " % number * size for number, size in enumerate([100] * 300 + [200_000] * 20 + [1] * 300)]
    await append_all(journal, batches)
    assert await contents(journal) == batches
    await journal.close()
