"""Two nodes want one partition: who has the lease, when the other gets it, and how a loss is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Protocol

import pytest
from nats.aio.client import Client

from hanzo_queues.server.journal.base import JournalRefused
from hanzo_queues.server.nats_connection import NatsConnection, NatsEndpoint
from hanzo_queues.server.ownership import BUCKET, OwnershipLease
from tests.nats_servers import NatsServers, running_nats_servers

TTL_S = 2.0
LONG_S = 15.0
"""Of a lease that a test does not see the end of."""
PATIENCE_S = 10.0


@pytest.fixture
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServers]:
    with running_nats_servers(tmp_path_factory.mktemp("owners"), 1) as running:
        yield running


@pytest.fixture
async def client(servers: NatsServers) -> AsyncIterator[Client]:
    """Somebody who looks, and interferes."""
    connection = NatsConnection(servers.endpoint, "test", lambda _reason: None)
    await connection.connect(PATIENCE_S)
    yield connection.client
    await connection.close()


class Node:
    def __init__(self, endpoint: NatsEndpoint, name: str, ttl_s: float) -> None:
        self.lost = asyncio.Event()
        self.lease = OwnershipLease(endpoint, partition=0, node_id=name, replicas=1, ttl_s=ttl_s, on_lost=self.lost.set)

    async def acquire(self) -> None:
        await asyncio.wait_for(self.lease.acquire(), PATIENCE_S)

    async def crash(self) -> None:
        """It renews no more and gives nothing up."""
        assert self.lease._renewing is not None
        self.lease._renewing.cancel()
        with suppress(asyncio.CancelledError):
            await self.lease._renewing


class Nodes(Protocol):
    """Makes a node of a name."""

    def __call__(self, name: str, ttl_s: float = TTL_S) -> Node: ...


@pytest.fixture
async def node(servers: NatsServers) -> AsyncIterator[Nodes]:
    made: list[Node] = []

    def make(name: str, ttl_s: float = TTL_S) -> Node:
        made.append(Node(servers.endpoint, name, ttl_s))
        return made[-1]

    yield make
    for one in made:
        await one.lease.close()


async def test_a_standby_waits_while_the_owner_renews(node: Nodes) -> None:
    owner, standby = node("a"), node("b")
    await owner.acquire()
    waiting = asyncio.create_task(standby.acquire())
    done, _ = await asyncio.wait([waiting], timeout=1.8 * TTL_S)
    assert not done
    assert not owner.lost.is_set()
    await owner.lease.release()
    await waiting
    await standby.lease.release()


async def test_a_standby_follows_a_release_at_once(node: Nodes) -> None:
    """Long before the lease would have ended."""
    owner, standby = node("a", LONG_S), node("b", LONG_S)
    await owner.acquire()
    waiting = asyncio.create_task(standby.lease.acquire())
    done, _ = await asyncio.wait([waiting], timeout=0.3)
    assert not done
    await owner.lease.release()
    await asyncio.wait_for(waiting, PATIENCE_S)
    await standby.lease.release()


async def test_a_standby_takes_over_when_the_owner_falls_silent(node: Nodes) -> None:
    owner, standby = node("a"), node("b")
    await owner.acquire()
    await owner.crash()
    await standby.acquire()
    await standby.lease.release()


async def test_the_same_node_takes_its_lease_back_at_once(node: Nodes) -> None:
    """Long before it would have ended; who had it learns of it when it would renew it."""
    before, after = node("a", LONG_S), node("a", LONG_S)
    await before.acquire()
    await after.acquire()
    await asyncio.wait_for(before.lost.wait(), 2 * PATIENCE_S)
    assert not after.lost.is_set()
    await before.lease.release()  # does not take away what is another's
    rival = node("b", LONG_S)
    waiting = asyncio.create_task(rival.acquire())
    done, _ = await asyncio.wait([waiting], timeout=0.5)
    assert not done
    await after.lease.release()
    await waiting
    await rival.lease.release()


async def test_a_lease_that_is_taken_away_is_told(node: Nodes, client: Client) -> None:
    owner = node("a")
    await owner.acquire()
    bucket = await client.jetstream().key_value(BUCKET)
    await bucket.put("p0", b'{"node": "b"}')
    await asyncio.wait_for(owner.lost.wait(), PATIENCE_S)


async def test_an_owner_that_can_not_renew_in_time_has_lost(node: Nodes, servers: NatsServers) -> None:
    owner = node("a")
    await owner.acquire()
    servers.servers[0].freeze()
    await asyncio.wait_for(owner.lost.wait(), PATIENCE_S)


async def test_a_lease_is_over_with_its_time_before_anybody_noticed(servers: NatsServers) -> None:
    """As when the process, or the machine, slept."""
    slept_ms = 0.0
    lease = OwnershipLease(
        servers.endpoint, partition=0, node_id="a", replicas=1, ttl_s=60, monotonic=lambda: slept_ms
    )
    assert not lease.lasts()
    await asyncio.wait_for(lease.acquire(), PATIENCE_S)
    slept_ms = 59_999
    assert lease.lasts()
    slept_ms = 60_000
    assert not lease.lasts()
    await lease.release()
    await lease.close()


async def test_two_servers_with_one_node_id_do_not_take_the_lease_from_each_other_for_ever(
    node: Nodes, caplog: pytest.LogCaptureFixture
) -> None:
    """As when a data directory was copied with its node's id."""
    original, copied = node("a"), node("a")
    await original.acquire()
    await copied.acquire()
    await asyncio.wait_for(original.lost.wait(), PATIENCE_S)
    waiting = asyncio.create_task(original.lease.acquire())
    done, _ = await asyncio.wait([waiting], timeout=1.8 * TTL_S)
    assert not done
    assert not copied.lost.is_set()
    assert "copied" in caplog.text
    await copied.lease.release()
    await asyncio.wait_for(waiting, PATIENCE_S)
    await original.lease.release()


async def test_a_connection_closed_for_good_is_made_again(node: Nodes, servers: NatsServers) -> None:
    """nats-py closes a client at most refusals: a changed token is one."""
    server = servers.servers[0]
    owner = node("a")
    await owner.acquire()
    client = owner.lease._client
    assert client is not None
    server.require_token("of-today")
    await asyncio.wait_for(owner.lost.wait(), PATIENCE_S)
    assert client.is_closed
    server.require_token(None)
    await owner.acquire()
    await owner.lease.release()


async def test_a_cluster_that_comes_later_is_waited_for(node: Nodes, servers: NatsServers) -> None:
    servers.kill()
    owner = node("a")
    waiting = asyncio.create_task(owner.lease.acquire())
    done, _ = await asyncio.wait([waiting], timeout=0.5)
    assert not done
    servers.start()
    await asyncio.wait_for(waiting, 2 * PATIENCE_S)
    await owner.lease.release()


async def test_a_lease_whose_renewal_was_not_answered_lasts_no_longer_than_the_bucket_keeps_it(
    node: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The renewal was stored when it was sent, not when its owner learned of it."""
    owner = node("a", 3 * TTL_S)
    await owner.acquire()
    lease = owner.lease
    bucket = await lease._opened()
    update, sent_at = bucket.update, [0.0]

    async def unanswered(key: str, value: bytes, last: int) -> int:
        sent_at[0] = lease._monotonic()
        await update(key, value, last=last)
        monkeypatch.setattr(bucket, "update", counted)
        raise TimeoutError

    async def counted(key: str, value: bytes, last: int) -> int:
        began = lease._monotonic()
        revision: int = await update(key, value, last=last)
        sent_at[0] = began
        return revision

    monkeypatch.setattr(bucket, "update", unanswered)
    before = lease._ends_ms
    async with asyncio.timeout(PATIENCE_S):
        while lease._ends_ms == before:  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0.001)
    assert lease._ends_ms - 3 * TTL_S * 1000 <= sent_at[0], "it counts from a write that there was not"
    await lease.release()


async def test_a_renewal_that_hangs_is_tried_again_while_the_lease_lasts(
    node: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while the bucket's stream elects another leader."""
    owner = node("a", 3 * TTL_S)
    await owner.acquire()
    lease = owner.lease
    bucket = await lease._opened()
    update, hung = bucket.update, asyncio.Event()

    async def hangs(key: str, value: bytes, last: int) -> int:
        hung.set()
        monkeypatch.setattr(bucket, "update", update)
        return await asyncio.Future[int]()

    monkeypatch.setattr(bucket, "update", hangs)
    await asyncio.wait_for(hung.wait(), PATIENCE_S)
    ends_ms = lease._ends_ms
    async with asyncio.timeout(PATIENCE_S):
        while lease._ends_ms == ends_ms and not owner.lost.is_set():  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0.01)
    assert not owner.lost.is_set()
    assert lease.lasts()
    await owner.lease.release()


async def test_a_release_in_the_moment_of_a_renewal_is_one(node: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    """nats-py may forget that it was cancelled."""
    owner = node("a", 3 * TTL_S)
    await owner.acquire()
    bucket = await owner.lease._opened()
    update, asked, answered = bucket.update, asyncio.Event(), asyncio.Event()

    async def answered_in_the_end(key: str, value: bytes, last: int) -> int:
        revision: int = await update(key, value, last=last)
        asked.set()
        await asyncio.wait_for(answered.wait(), PATIENCE_S)
        return revision

    monkeypatch.setattr(bucket, "update", answered_in_the_end)
    await asyncio.wait_for(asked.wait(), PATIENCE_S)
    answered.set()
    await asyncio.wait_for(owner.lease.release(), PATIENCE_S)
    assert not owner.lost.is_set()
    other = node("b", 3 * TTL_S)
    await other.acquire()
    await other.lease.release()


async def test_a_bucket_with_other_settings_is_refused_with_words(node: Nodes, servers: NatsServers) -> None:
    """As when the replicas of the journal were changed, and those of the bucket were not."""
    owner = node("a")
    await owner.acquire()
    await owner.lease.release()
    other = OwnershipLease(servers.endpoint, partition=0, node_id="b", replicas=1, ttl_s=5)
    with pytest.raises(JournalRefused, match=r"KV_HANZO_OWNERS.*max_age is 2.0, not 5.*nats stream edit"):
        await asyncio.wait_for(other.acquire(), PATIENCE_S)
    await other.close()


async def test_a_bucket_that_another_version_made_is_used(node: Nodes, client: Client) -> None:
    await client.jetstream().create_key_value(bucket=BUCKET, history=1, ttl=TTL_S, replicas=1, description="another")
    owner = node("a")
    await owner.acquire()
    await owner.lease.release()


async def test_who_stands_by_in_an_outage_says_so_once_and_when_it_is_over(
    node: Nodes, servers: NatsServers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It said so five times a second."""
    caplog.set_level(logging.INFO, "hanzo_queues.server.ownership")
    owner = node("a")
    await owner.acquire()
    await owner.lease.release()
    tried: list[bool] = []
    take = owner.lease._try_to_take

    async def counted() -> bool:
        tried.append(True)
        return await take()

    monkeypatch.setattr(owner.lease, "_try_to_take", counted)
    servers.kill()
    taking = asyncio.ensure_future(owner.lease.acquire())
    async with asyncio.timeout(PATIENCE_S):
        while len(tried) < 4:  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0.01)
    servers.start()
    await asyncio.wait_for(taking, PATIENCE_S)
    said = [message for message in caplog.messages if message.startswith("ownership of p0: ")]
    assert len(said) == len(set(said))
    assert "over, after" in said[-1]
    assert len(said) < len(tried), said
    await owner.lease.release()
