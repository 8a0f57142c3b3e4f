"""Two nodes want one partition: who has the lease, when the other gets it, and how a loss is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest
from nats.aio.client import Client

from hanzo_queues.server.nats_connection import NatsConnection
from hanzo_queues.server.ownership import BUCKET, Ownership
from tests.nats_servers import NatsServers, running_nats_servers

TTL_S = 0.9
PATIENCE_S = 10.0


@pytest.fixture
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServers]:
    with running_nats_servers(tmp_path_factory.mktemp("owners"), 1) as running:
        yield running


@pytest.fixture
async def client(servers: NatsServers) -> AsyncIterator[Client]:
    connection = NatsConnection(servers.endpoint, "test", lambda _reason: None)
    await connection.connect(PATIENCE_S)
    yield connection.client
    await connection.close()


class Node:
    def __init__(self, client: Client, name: str) -> None:
        self.lost = asyncio.Event()
        self.claim = Ownership(client, partition=0, node_id=name, replicas=1, ttl_s=TTL_S, on_lost=self.lost.set)

    async def acquire(self) -> None:
        await asyncio.wait_for(self.claim.acquire(), PATIENCE_S)

    async def crash(self) -> None:
        """It renews no more and gives nothing up."""
        assert self.claim._renewing is not None
        self.claim._renewing.cancel()
        with suppress(asyncio.CancelledError):
            await self.claim._renewing


async def test_a_standby_waits_while_the_owner_renews_and_follows_its_release_at_once(client: Client) -> None:
    owner, standby = Node(client, "a"), Node(client, "b")
    await owner.acquire()
    waiting = asyncio.create_task(standby.acquire())
    done, _ = await asyncio.wait([waiting], timeout=2.5 * TTL_S)
    assert not done
    assert not owner.lost.is_set()
    released = asyncio.get_running_loop().time()
    await owner.claim.release()
    await waiting
    assert asyncio.get_running_loop().time() - released < TTL_S / 2
    await standby.claim.release()


async def test_a_standby_takes_over_when_the_owner_falls_silent(client: Client) -> None:
    owner, standby = Node(client, "a"), Node(client, "b")
    await owner.acquire()
    await owner.crash()
    await standby.acquire()
    await standby.claim.release()


async def test_the_same_node_takes_its_lease_back_at_once(client: Client) -> None:
    before, after = Node(client, "a"), Node(client, "a")
    await before.acquire()
    started = asyncio.get_running_loop().time()
    await after.acquire()
    assert asyncio.get_running_loop().time() - started < TTL_S / 2
    await asyncio.wait_for(before.lost.wait(), PATIENCE_S)
    assert not after.lost.is_set()
    await before.claim.release()  # does not take away what is another's
    rival = Node(client, "b")
    waiting = asyncio.create_task(rival.acquire())
    done, _ = await asyncio.wait([waiting], timeout=TTL_S / 2)
    assert not done
    await after.claim.release()
    await waiting
    await rival.claim.release()


async def test_a_lease_that_is_taken_away_is_told(client: Client) -> None:
    owner = Node(client, "a")
    await owner.acquire()
    bucket = await client.jetstream().key_value(BUCKET)
    await bucket.put("p0", b'{"node": "b"}')
    await asyncio.wait_for(owner.lost.wait(), PATIENCE_S)


async def test_an_owner_that_can_not_renew_in_time_has_lost(client: Client, servers: NatsServers) -> None:
    owner = Node(client, "a")
    await owner.acquire()
    servers.servers[0].freeze()
    await asyncio.wait_for(owner.lost.wait(), 3 * TTL_S)
