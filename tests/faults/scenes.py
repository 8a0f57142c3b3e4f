"""Servers, what they run on, and the blows that can befall them there.

Every scene's server has small segments, so that it takes checkpoints and trims all the time. A blow is over when the
server is ready again.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
import time
from abc import ABC, abstractmethod
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from examples.local_server import LocalServer
from hanzo_queues.server.journal.base import JournalError
from hanzo_queues.server.journal.jetstream_api import JetStreamApi
from hanzo_queues.server.nats_connection import NatsConnection, NatsUnreachable
from tests.faults.one_way_proxy import OneWayProxy
from tests.faults.processes import kill, nats_servers_of
from tests.nats_servers import NatsServer, NatsServers, running_nats_servers
from tests.tidy.sources import ROOT

STREAM = "HANZO_P0"
PATIENCE_S = 60.0
CUT_S = (0.5, 7.0)
"""Shorter and longer than it takes the server's connection to notice."""
FROZEN_S = 3.0
WRITES_FAIL_S = 0.3
COMMAND = (sys.executable, "-m", "tests.faults.small_segments")
ENVIRONMENT = {"HANZO_CHECKPOINT_EVERY": "64KiB", "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "python")])}


class Scene(ABC):
    """`async with scene:` its `server` runs."""

    server: LocalServer

    async def __aenter__(self) -> Scene:
        self._stack = AsyncExitStack()
        environment = await self._prepare(self._stack)
        self.server = LocalServer(environment=ENVIRONMENT | environment, command=COMMAND)
        self._stack.callback(self.server.close)
        await asyncio.to_thread(self.server.start)
        return self

    async def __aexit__(self, *raised: Any) -> None:
        await self._stack.__aexit__(*raised)

    @abstractmethod
    async def _prepare(self, stack: AsyncExitStack) -> dict[str, str]:
        """What is there before the server; settings of it."""

    @abstractmethod
    async def strike(self, blow: str, number: int) -> None:
        """`number`: counts the blows."""

    async def _ready(self) -> None:
        await asyncio.to_thread(self.server.wait_ready)


class Embedded(Scene):
    """One with its own nats-server."""

    async def _prepare(self, stack: AsyncExitStack) -> dict[str, str]:
        return {}

    async def strike(self, blow: str, number: int) -> None:
        children = await asyncio.to_thread(nats_servers_of, self.server)
        match blow:
            case "server" | "nats-server" | "both":
                await asyncio.to_thread(kill, self.server, blow)
            case "frozen nats-server":
                for child in children:
                    os.kill(child, signal.SIGSTOP)
                await self._replaced(children)
            case "mute nats-server":
                await _fail_writes(children)
                await self._replaced(children)
            case _:
                raise AssertionError(blow)

    async def _replaced(self, children: list[int]) -> None:
        """The server notices, and starts another."""
        deadline = time.monotonic() + PATIENCE_S
        while await asyncio.to_thread(nats_servers_of, self.server) in (children, []):
            assert time.monotonic() < deadline, "nobody noticed"
            await asyncio.sleep(0.1)
        await self._ready()


async def _fail_writes(processes: list[int]) -> None:
    """No file of theirs grows for a moment."""
    for process in processes:
        before = resource.prlimit(process, resource.RLIMIT_FSIZE)
        resource.prlimit(process, resource.RLIMIT_FSIZE, (1, before[1]))
        await asyncio.sleep(WRITES_FAIL_S)
        resource.prlimit(process, resource.RLIMIT_FSIZE, before)


class CutOff(Scene):
    """One whose nats-server is behind a network that loses one direction."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def _prepare(self, stack: AsyncExitStack) -> dict[str, str]:
        self._directory.mkdir()
        servers = stack.enter_context(running_nats_servers(self._directory, 1))
        self._proxy = await stack.enter_async_context(OneWayProxy(servers.servers[0].port))
        return {"NATS_URL": f"nats://127.0.0.1:{self._proxy.port}", "NATS_REPLICAS": "1"}

    async def strike(self, blow: str, number: int) -> None:
        cut = {"cut off to nats-server": self._proxy.to_server, "cut off from nats-server": self._proxy.from_server}
        cut[blow].clear()
        await asyncio.sleep(CUT_S[number % 2])
        cut[blow].set()
        await self._ready()


class Cluster(Scene):
    """One on three nats-servers."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._nats: NatsServers

    async def _prepare(self, stack: AsyncExitStack) -> dict[str, str]:
        self._directory.mkdir()
        self._nats = stack.enter_context(running_nats_servers(self._directory, 3))
        return {"NATS_URL": ",".join(self._nats.endpoint.urls), "NATS_REPLICAS": "3"}

    async def strike(self, blow: str, number: int) -> None:
        leader = await self._leader()
        match blow:
            case "leader" | "leader and server":
                leader.kill()
                if blow == "leader and server":
                    await asyncio.to_thread(self.server.kill)
                    self.server.spawn()
                leader.start()
                await asyncio.to_thread(leader.wait_until_ready)
            case "frozen leader":
                leader.freeze()
                await asyncio.sleep(FROZEN_S)
                leader.thaw()
            case _:
                raise AssertionError(blow)
        await self._ready()
        await self._leader()

    async def _leader(self) -> NatsServer:
        """Of the journal's stream, when there is one."""
        connection = NatsConnection(self._nats.endpoint, "test", lambda _reason: None)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    await connection.connect(5)
                    info = await JetStreamApi(connection.client, STREAM, 5).call("STREAM.INFO")
                    if leader := info["cluster"].get("leader"):
                        return self._nats.named(leader)
                except (NatsUnreachable, JournalError):
                    await asyncio.sleep(0.2)
                finally:
                    await connection.close()
                    connection = NatsConnection(self._nats.endpoint, "test", lambda _reason: None)
