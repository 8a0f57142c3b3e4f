"""A journal on servers that are killed, frozen and cut off in the middle of an append.

What an append left open is settled as recovery does it: by appending a fence at the sequence the journal shows, until
one is accepted. Whatever lies below it then stays, and whatever does not, never appears.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pytest

from hanzo_queues.server.journal.base import AppendUnknown, JournalCorrupt, JournalError, WrongLastSequence
from hanzo_queues.server.journal.jetstream import JetStreamJournal
from hanzo_queues.server.journal.jetstream_api import STREAM_NOT_FOUND, JetStreamApi, JetStreamRefusal
from hanzo_queues.server.journal.jetstream_settings import StreamSettingsDiffer
from hanzo_queues.server.nats_connection import NatsConnection, NatsEndpoint
from tests.nats_servers import NatsServer, NatsServers, running_nats_servers

PATIENCE_S = 30.0
PARTITIONS = itertools.count(1)


@pytest.fixture(scope="module", params=[1, 3], ids=["one_server", "three_servers"])
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServers]:
    with running_nats_servers(tmp_path_factory.mktemp("nats"), request.param) as running:
        yield running


@pytest.fixture
async def journal(servers: NatsServers) -> AsyncIterator[JetStreamJournal]:
    made = journal_on(servers, next(PARTITIONS))

    async def known() -> None:
        """A cluster's servers don't all hear at once of a stream that was made."""
        with suppress(WrongLastSequence):
            await made._append(b"refused", 1 << 40, made.subject)

    hurry(made)
    await persist(made.open)
    await persist(known)
    yield patient(made)
    await made.close()


def journal_on(servers: NatsServers, partition: int) -> JetStreamJournal:
    return JetStreamJournal(
        servers.endpoint,
        partition=partition,
        replicas=servers.replicas,
        append_timeout_s=PATIENCE_S,
        call_timeout_s=PATIENCE_S,
    )


def patient(journal: JetStreamJournal) -> JetStreamJournal:
    """What is asked from now on is waited for."""
    _give(journal, PATIENCE_S)
    return journal


def hurry(journal: JetStreamJournal) -> None:
    """What is asked from now on is soon given up, when there may be nobody who answers."""
    _give(journal, 1)


def _give(journal: JetStreamJournal, timeout_s: float) -> None:
    journal._append_timeout_s = journal._call_timeout_s = timeout_s
    if journal._asking is not None:
        journal._asking._timeout_s = timeout_s


def rival_of(journal: JetStreamJournal, servers: NatsServers) -> JetStreamJournal:
    return journal_on(servers, int(journal.stream.removeprefix("HANZO_P")))


async def persist(act: Any, *arguments: Any) -> Any:
    """Tries again while the journal says that it can't now."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await act(*arguments)
            except (JournalCorrupt, WrongLastSequence):
                raise
            except JournalError:
                await asyncio.sleep(0.05)


async def delete_stream(journal: JetStreamJournal) -> None:
    """Also when it is gone already, and its answer was lost."""
    try:
        await journal._api().call("STREAM.DELETE")
    except JetStreamRefusal as refusal:
        if refusal.code != STREAM_NOT_FOUND:
            raise


async def contents(journal: JetStreamJournal) -> list[bytes]:
    return [batch async for _, batch in journal.read(1, await journal.last_sequence())]


async def fence(journal: JetStreamJournal, mark: bytes) -> int:
    """Recovery's protocol. Returns the fence's sequence."""
    hurry(journal)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(JournalError):
                before = await contents(journal)
                await journal.append(mark, len(before))
                return len(before) + 1
            await asyncio.sleep(0.05)


async def assert_settled(journal: JetStreamJournal, kept: list[bytes], doubtful: bytes) -> None:
    """After a fence, `doubtful` lies right behind what was acknowledged, or nowhere, and no later append changes it."""
    fenced = await fence(journal, b"fence")
    settled = await contents(journal)
    last = await fence(journal, b"later")
    after = await contents(journal)
    assert after[:fenced] == settled[:fenced]
    assert settled[: len(kept)] == kept
    unexplained = [batch for batch in after[len(kept) : last] if batch not in (b"fence", b"later")]
    assert unexplained in ([], [doubtful])
    assert doubtful not in after[fenced:]


async def serving(journal: JetStreamJournal, servers: NatsServers) -> NatsServer:
    """The server that leads the journal's stream."""
    info = await journal._api().call("STREAM.INFO")
    return servers.named(info["cluster"]["leader"]) if servers.replicas > 1 else servers.servers[0]


async def test_what_was_acknowledged_survives_kill_9_of_every_server(
    journal: JetStreamJournal, servers: NatsServers
) -> None:
    batches = [b"%d" % number for number in range(20)]
    for number, batch in enumerate(batches):
        await journal.append(batch, number)
    servers.kill()
    servers.start()
    hurry(journal)
    await persist(journal.last_sequence)
    await assert_settled(journal, batches, b"nothing")


async def test_a_kill_during_an_append_is_told_at_once_and_settled_by_the_fence(
    journal: JetStreamJournal, servers: NatsServers
) -> None:
    await journal.append(b"one", 0)
    for server in servers.servers:
        server.freeze()
    appending = asyncio.ensure_future(journal.append(b"doubtful", 1))
    await asyncio.sleep(0)
    servers.kill()
    with pytest.raises(AppendUnknown, match="connection"):
        await asyncio.wait_for(appending, PATIENCE_S / 3)  # long before it would be given up
    servers.start()
    await assert_settled(journal, [b"one"], b"doubtful")


async def test_a_kill_during_a_question_is_told_at_once(journal: JetStreamJournal, servers: NatsServers) -> None:
    for server in servers.servers:
        server.freeze()
    asking = asyncio.ensure_future(journal.last_sequence())
    for _ in range(3):
        await asyncio.sleep(0)
    servers.kill()
    with pytest.raises(JournalError, match="connection"):
        await asyncio.wait_for(asking, PATIENCE_S / 3)  # long before it would be given up
    servers.start()
    hurry(journal)
    await persist(journal.last_sequence)


async def test_an_append_to_a_frozen_server_is_settled_by_the_fence(
    journal: JetStreamJournal, servers: NatsServers
) -> None:
    await journal.append(b"one", 0)
    leader = await serving(journal, servers)
    leader.freeze()
    hurry(journal)
    with pytest.raises(JournalError):
        await journal.append(b"doubtful", 1)
    leader.thaw()
    rival = rival_of(journal, servers)
    hurry(rival)
    await persist(rival.open)
    await assert_settled(rival, [b"one"], b"doubtful")
    await rival.close()


async def test_a_deposed_writer_is_refused(journal: JetStreamJournal, servers: NatsServers) -> None:
    await journal.append(b"one", 0)
    rival = rival_of(journal, servers)
    await rival.open()
    await fence(rival, b"fence")
    with pytest.raises(WrongLastSequence):
        await journal.append(b"deposed", 1)
    assert await contents(rival) == [b"one", b"fence"]
    await rival.close()


async def test_the_loss_of_one_of_three_servers_is_survived(servers: NatsServers, journal: JetStreamJournal) -> None:
    if servers.replicas == 1:
        pytest.skip("one server has none to lose")
    await journal.append(b"one", 0)
    leader = await serving(journal, servers)
    leader.kill()
    try:
        await assert_settled(journal, [b"one"], b"nothing")
    finally:
        leader.start()
        leader.wait_until_ready()


async def test_a_purged_journal_is_corrupt(journal: JetStreamJournal) -> None:
    for number in range(5):
        await journal.append(b"%d" % number, number)
    await journal._api().call("STREAM.PURGE", {"seq": 3})
    await assert_becomes_corrupt(journal, 1, "no message 1")
    await journal._api().call("STREAM.PURGE")
    await assert_becomes_corrupt(journal, 4, "no message 4")


async def assert_becomes_corrupt(journal: JetStreamJournal, first: int, why: str) -> None:
    """A replica that has not purged yet may serve the read."""

    async def read_again_and_again() -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                _ = [pair async for pair in journal.read(first, 5)]

    with pytest.raises(JournalCorrupt, match=why):
        await read_again_and_again()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_age", 3_600_000_000_000),
        ("max_msgs", 10),
        ("compression", "s2"),
        ("discard", "old"),
        ("allow_direct", False),
        ("subjects", ["elsewhere"]),
    ],
)
async def test_a_stream_with_other_settings_is_no_journal(
    journal: JetStreamJournal, servers: NatsServers, name: str, value: object
) -> None:
    config = (await journal._api().call("STREAM.INFO"))["config"]
    hurry(journal)
    await persist(delete_stream, journal)
    await persist(journal._api().call, "STREAM.CREATE", config | {name: value})
    rival = rival_of(journal, servers)
    with pytest.raises(StreamSettingsDiffer, match=f"{name} is .*nats stream edit"):
        await rival.open()
    await rival.close()


async def test_other_replicas_name_the_setting(journal: JetStreamJournal, servers: NatsServers) -> None:
    other = JetStreamJournal(
        servers.endpoint, partition=int(journal.stream.removeprefix("HANZO_P")), replicas=5 - servers.replicas
    )
    with pytest.raises(StreamSettingsDiffer, match=f"NATS_REPLICAS={servers.replicas}"):
        await other.open()
    await other.close()


async def test_nobody_there_is_told_in_time() -> None:
    journal = JetStreamJournal(NatsEndpoint(("nats://127.0.0.1:1",)), partition=0, replicas=1, call_timeout_s=0.5)
    with pytest.raises(JournalError, match="no nats-server could be reached"):
        await journal.open()


async def test_a_vanished_stream_is_corrupt(journal: JetStreamJournal, servers: NatsServers) -> None:
    connection = NatsConnection(servers.endpoint, "test", lambda _reason: None)
    await connection.connect(PATIENCE_S)
    await JetStreamApi(connection.client, journal.stream, PATIENCE_S).call("STREAM.DELETE")
    await connection.close()
    with pytest.raises(JournalCorrupt, match="gone"):
        await journal.last_sequence()
