"""What is compared: a server in one durability, and what drives it. Contestants of one server share it in a run."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal

from bench.generator import Run, generate, run_generator
from bench.peers import servers
from bench.peers.installed import PYTHON, environment
from bench.processes import hanzo_server, nats_server, noop_server

Durability = Literal["fsync", "page cache", "none"]
QUEUE = "bench"
API_KEY = "your-api-key"


@dataclass(frozen=True)
class Server:
    """`start` gives its address. `name` tells which contestants share it."""

    name: str
    start: Callable[[], AbstractAsyncContextManager[str]]


@dataclass(frozen=True)
class Contestant:
    """`fsync`: synced before each answer; `page cache`: within a second (Redis) or minutes; `none`: stores nothing."""

    name: str
    durability: Durability
    server: Server
    driver: str
    """A module of bench.peers.drivers, or `http` for hanzo-load, or `noop` for it and the route that does nothing."""

    async def prepare(self, address: str) -> None:
        """Makes the queue."""
        if self.driver != "noop":
            driver = "hanzo" if self.driver == "http" else self.driver
            await self._drive(driver, "prepare", address, {})

    async def send(
        self, address: str, tasks: int, seconds: float, payload_bytes: int, batch: int, most: int = sys.maxsize
    ) -> Run:
        """A round of messages in, `most` at most; single calls with `batch` 1."""
        options: dict[str, object] = {"seconds": seconds, "payload_bytes": payload_bytes, "most": most}
        if self.driver in ("http", "noop"):
            mode = "noop-post" if self.driver == "noop" else "enqueue" if batch == 1 else "enqueue-batch"
            return await self._load(mode, address, tasks, batch, **options)
        mode = "send" if batch == 1 else "send-batch"
        return await self._drive(self.driver, mode, address, {**options, "tasks": tasks, "batch": batch})

    async def take(self, address: str, tasks: int, batch: int, expected: int) -> Run:
        """Receives and acknowledges the `expected` messages that are there."""
        if self.driver == "http":
            return await self._load("drain", address, tasks, batch)
        return await self._drive(self.driver, "take", address, {"tasks": tasks, "batch": batch, "expected": expected})

    async def _load(self, mode: str, address: str, connections: int, batch: int, **options: object) -> Run:
        where = address.removeprefix("http://")
        return await generate(mode, where, key=API_KEY, queue=QUEUE, connections=connections, batch=batch, **options)

    async def _drive(self, driver: str, mode: str, address: str, options: dict[str, object]) -> Run:
        own = driver in ("hanzo", "jetstream")  # its client is in the development environment
        words = [sys.executable if own else str(PYTHON), "-m", "bench.peers.drive", driver, mode, "--address", address]
        return await run_generator(words, options, environment())


@asynccontextmanager
async def _hanzo(*, fsync: bool) -> AsyncIterator[str]:
    async with hanzo_server(fsync=fsync) as server:
        yield server.url


HANZO = Server("hanzo", partial(_hanzo, fsync=True))
HANZO_RELAXED = Server("hanzo-relaxed", partial(_hanzo, fsync=False))
NATS = Server("nats", nats_server)
NATS_RELAXED = Server("nats-relaxed", partial(nats_server, fsync=False))
REDIS = Server("redis", partial(servers.redis, fsync=True))
REDIS_RELAXED = Server("redis-relaxed", partial(servers.redis, fsync=False))
RABBITMQ = Server("rabbitmq", servers.rabbitmq)
POSTGRES = Server("postgres", servers.postgres)

NOOP = Contestant("a route that does nothing, HTTP", "none", Server("noop", noop_server), "noop")
HANZO_HTTP = Contestant("Hanzo Queues, HTTP", "fsync", HANZO, "http")
HANZO_SDK = Contestant("Hanzo Queues, Python SDK", "fsync", HANZO, "hanzo")
HANZO_RELAXED_HTTP = Contestant("Hanzo Queues, HTTP", "page cache", HANZO_RELAXED, "http")
HANZO_RELAXED_SDK = Contestant("Hanzo Queues, Python SDK", "page cache", HANZO_RELAXED, "hanzo")
JETSTREAM = Contestant("JetStream", "fsync", NATS, "jetstream")
JETSTREAM_RELAXED = Contestant("JetStream", "page cache", NATS_RELAXED, "jetstream")
REDIS_STREAMS = Contestant("Redis Streams (always)", "fsync", REDIS, "redis_streams")
REDIS_STREAMS_RELAXED = Contestant("Redis Streams (everysec)", "page cache", REDIS_RELAXED, "redis_streams")
RABBITMQ_QUORUM = Contestant("RabbitMQ quorum queue", "fsync", RABBITMQ, "rabbitmq")
PGMQ = Contestant("PGMQ on PostgreSQL", "fsync", POSTGRES, "pgmq")

STORING = (
    HANZO_HTTP,
    HANZO_SDK,
    JETSTREAM,
    REDIS_STREAMS,
    RABBITMQ_QUORUM,
    PGMQ,
    HANZO_RELAXED_HTTP,
    HANZO_RELAXED_SDK,
    JETSTREAM_RELAXED,
    REDIS_STREAMS_RELAXED,
)
"""Everything that stores messages."""

