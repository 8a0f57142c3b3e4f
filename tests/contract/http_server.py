"""A server as clients meet it: uvicorn on a free port of this machine, the real partition, a memory journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from hanzo_queues.server.app import App
from hanzo_queues.server.auth import ApiKeys
from hanzo_queues.server.journal.base import Journal
from hanzo_queues.server.journal.memory import MemoryJournal
from hanzo_queues.server.serve import HttpServer, listen, url_of
from hanzo_queues.server.settings import Settings

KEY = "test-api-key"
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
JSON = {"Content-Type": "application/json"}
BATCH_BYTES_MAX = 8 * 1024 * 1024
PATIENCE_S = 10


@dataclass(slots=True)
class Reply:
    """An answer, read whole."""

    status: int
    headers: dict[str, str]
    text: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.text)


@dataclass(slots=True)
class Served:
    """A running server, and a client of it."""

    app: App
    http: HttpServer
    url: str
    session: aiohttp.ClientSession

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def answering(self) -> int:
        """How many connections wait for an answer."""
        connections: Any = self.http.server_state.connections
        return sum(connection._is_answering() for connection in connections)

    async def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, key: bool = True
    ) -> Reply:
        """One request. `body`: bytes go as they are, anything else as JSON."""
        sent = {**(AUTHORIZED if key else {}), **({} if body is None else JSON), **(headers or {})}
        data = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        async with self.session.request(method, self.url + path, data=data, headers=sent) as response:
            lowered = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status, lowered, await response.read())

    async def made_queue(self, name: str, **config: Any) -> str:
        """Creates a queue."""
        assert (await self.call("POST", "/v1/queues", {"name": name, "config": config})).status == 201
        return name

    async def enqueued(self, queue: str, **message: Any) -> str:
        """Enqueues a message; its id."""
        reply = await self.call("POST", f"/v1/queues/{queue}/messages", {"payload": 1, **message})
        assert reply.status == 201, reply.text
        identity: str = reply.json["id"]
        return identity

    async def received(self, queue: str, query: str = "") -> list[dict[str, Any]]:
        """What a receive hands out."""
        reply = await self.call("GET", f"/v1/queues/{queue}/messages{query}")
        assert reply.status == 200, reply.text
        messages: list[dict[str, Any]] = reply.json["messages"]
        return messages

    async def stop(self) -> None:
        """Stops as after SIGTERM."""
        self.http.should_exit = True


async def until(condition: Callable[[], bool]) -> None:
    """Returns once `condition` holds: for states of a library that has no event for them."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


@asynccontextmanager
async def served(settings: Settings | None = None, journal: Journal | None = None) -> AsyncIterator[Served]:
    """A server for the length of a block."""
    app = App(
        settings or Settings(),
        journal or MemoryJournal(batch_bytes_max=BATCH_BYTES_MAX),
        ApiKeys([KEY, "another-api-key"]),
    )
    listening = listen("127.0.0.1", 0)
    http = HttpServer(app)
    app.start()
    serving = asyncio.create_task(http.serve(sockets=[listening]))
    await until(lambda: http.started)
    async with aiohttp.ClientSession() as session:
        try:
            yield Served(app, http, url_of(listening), session)
        finally:
            await session.close()
            http.should_exit = True
            await serving
            await app.close()
