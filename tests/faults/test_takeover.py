"""Two servers on one cluster of three nats-servers: one serves, the other stands by and takes over."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.local_server import LocalServer
from hanzo_queues import AsyncQueues
from tests.nats_servers import NatsServers, running_nats_servers

PATIENCE_S = 30


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[NatsServers]:
    with running_nats_servers(tmp_path, 3) as servers:
        yield servers


@pytest.fixture
def nodes(cluster: NatsServers) -> Iterator[list[LocalServer]]:
    """Two servers; the first one serves."""
    environment = {"NATS_URL": ",".join(cluster.endpoint.urls), "NATS_REPLICAS": "3"}
    servers = [LocalServer(environment=environment) for _ in range(2)]
    try:
        servers[0].start()
        servers[1].spawn()
        yield servers
    finally:
        for server in servers:
            server.close()


async def until_ready(server: LocalServer) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(server.is_ready):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


async def enqueue(server: LocalServer, numbers: range) -> None:
    async with AsyncQueues(server.api_key, url=server.url) as queues:
        await queues.create(name="orders")
        await asyncio.gather(*(queues.enqueue("orders", {"n": n}, dedup_id=str(n)) for n in numbers))


async def drained(server: LocalServer) -> list[int]:
    """Every message of the queue, acknowledged, in the order of delivery."""
    seen: list[int] = []
    async with AsyncQueues(server.api_key, url=server.url) as queues:
        while messages := await queues.receive("orders", max_messages=100, wait_time=0.2):
            seen += [message.payload["n"] for message in messages]
            await asyncio.gather(*(queues.ack(message) for message in messages))
    return seen


async def test_a_standby_takes_over_when_the_owner_stops(nodes: list[LocalServer]) -> None:
    await enqueue(nodes[0], range(50))
    assert not nodes[1].is_ready()
    assert await asyncio.to_thread(nodes[0].stop) == 0
    await until_ready(nodes[1])
    assert await drained(nodes[1]) == list(range(50))


async def test_a_standby_takes_over_when_the_owner_is_killed(nodes: list[LocalServer]) -> None:
    await enqueue(nodes[0], range(50))
    nodes[0].kill()
    await until_ready(nodes[1])
    assert await drained(nodes[1]) == list(range(50))


async def test_an_owner_that_was_frozen_past_its_lease_does_no_harm(nodes: list[LocalServer]) -> None:
    await enqueue(nodes[0], range(50))
    assert nodes[0].process is not None
    os.kill(nodes[0].process.pid, signal.SIGSTOP)
    await until_ready(nodes[1])
    await enqueue(nodes[1], range(50, 60))
    os.kill(nodes[0].process.pid, signal.SIGCONT)
    await enqueue(nodes[1], range(60, 70))
    assert await drained(nodes[1]) == list(range(70))
    assert not nodes[0].is_ready()


async def test_a_leader_of_three_nats_servers_is_killed_under_load(
    cluster: NatsServers, nodes: list[LocalServer]
) -> None:
    server = nodes[0]
    async with AsyncQueues(server.api_key, url=server.url) as queues:
        await queues.create(name="orders")
        kept: list[int] = []

        async def write(numbers: range) -> None:
            for n in numbers:
                await queues.enqueue("orders", {"n": n}, dedup_id=str(n))
                kept.append(n)

        writers = [asyncio.create_task(write(range(start, 400, 8))) for start in range(8)]
        for number, victim in enumerate(cluster.servers):
            while len(kept) < 100 * number:
                await asyncio.wait(writers, timeout=0.01, return_when=asyncio.FIRST_COMPLETED)
            victim.kill()
            victim.start()
            victim.wait_until_ready()
        await asyncio.wait_for(asyncio.gather(*writers), 60)
    assert sorted(await drained(server)) == sorted(kept) == list(range(400))
