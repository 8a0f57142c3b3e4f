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
FOLLOW_EVERY_S = 0.5
COMMAND = (sys.executable, "-m", "tests.faults.small_segments")
ENVIRONMENT = {"HANZO_CHECKPOINT_EVERY": "64KiB", "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "python")])}


class Scene(ABC):
    """`async with scene:` its `server` runs, and is reached at `url`."""

    server: LocalServer
    url: str

    async def __aenter__(self) -> Scene:
        self._stack = AsyncExitStack()
        self._environment = ENVIRONMENT | await self._prepare(self._stack)
        self.server = self._new_server()
        self.url = self.server.url
        await asyncio.to_thread(self.server.start)
        return self

    def _new_server(self) -> LocalServer:
        server = LocalServer(environment=self._environment, command=COMMAND)
        self._stack.callback(server.close)
        return server

    async def __aexit__(self, *raised: Any) -> None:
        await self._stack.__aexit__(*raised)

    @abstractmethod
    async def _prepare(self, stack: AsyncExitStack) -> dict[str, str]:
        """What is there before the server; settings of it."""

    @abstractmethod
    async def strike(self, blow: str, number: int) -> None:
        """`number`: counts the blows."""

    async def stop(self) -> None:
        """Whoever serves ends in order."""
        await asyncio.to_thread(self.server.stop)

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
    """Two servers on three nats-servers, and a proxy before them that follows the one that serves, `server`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._nats: NatsServers

    async def _prepare(self, stack: AsyncExitStack) -> dict[str, str]:
        self._directory.mkdir()
        self._nats = stack.enter_context(running_nats_servers(self._directory, 3))
        return {"NATS_URL": ",".join(self._nats.endpoint.urls), "NATS_REPLICAS": "3"}

    async def __aenter__(self) -> Scene:
        await super().__aenter__()
        self._standby = self._new_server()
        self._standby.spawn()
        self._front = await self._stack.enter_async_context(OneWayProxy(self.server.port))
        self.url = f"http://127.0.0.1:{self._front.port}"
        self._following = asyncio.create_task(self._follow())
        self._stack.callback(self._following.cancel)
        return self

    async def strike(self, blow: str, number: int) -> None:
        leader, owner = await self._leader(), self.server
        match blow:
            case "leader" | "leader and server":
                leader.kill()
                if blow == "leader and server":
                    await asyncio.to_thread(owner.kill)
                    owner.spawn()
                await _start_again(leader)
            case "frozen leader":
                leader.freeze()
                await asyncio.sleep(FROZEN_S)
                leader.thaw()
            case "mute leader":
                await _fail_writes([leader.process_id])
                await self._led_by_another(leader)
                await self._ready()
                leader.kill()
                await _start_again(leader)
            case "stopped owner":
                await asyncio.to_thread(owner.stop)
                await self._ready()
                owner.spawn()
            case "frozen owner":
                await self._freeze(owner)
            case _:
                raise AssertionError(blow)
        await self._ready()
        await self._leader()

    async def stop(self) -> None:
        self._following.cancel()
        await asyncio.to_thread(self._standby.stop)
        await super().stop()

    async def _follow(self) -> None:
        """Who is connected to the other one may ask it for a while still."""
        while True:
            if not await asyncio.to_thread(self.server.is_ready) and await asyncio.to_thread(self._standby.is_ready):
                self.server, self._standby = self._standby, self.server
                self._front.server_port = self.server.port
            await asyncio.sleep(FOLLOW_EVERY_S)
            self._front.drop_others()

    async def _freeze(self, owner: LocalServer) -> None:
        """Past its lease; then it goes on, with what clients had asked it for, and what they still do."""
        assert owner.process is not None
        os.kill(owner.process.pid, signal.SIGSTOP)
        try:
            deadline = time.monotonic() + PATIENCE_S
            while self.server is owner:
                assert time.monotonic() < deadline, "nobody took over"
                await asyncio.sleep(0.05)
        finally:
            os.kill(owner.process.pid, signal.SIGCONT)

    async def _led_by_another(self, leader: NatsServer) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while await self._leader() is leader:
            assert time.monotonic() < deadline, "nobody noticed"
            await asyncio.sleep(0.1)

    async def _ready(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not await asyncio.to_thread(self.server.is_ready):
            assert time.monotonic() < deadline, f"nobody serves: {self.server.log()}\n{self._standby.log()}"
            await asyncio.sleep(0.05)

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


async def _start_again(server: NatsServer) -> None:
    server.start()
    await asyncio.to_thread(server.wait_until_ready)
