"""A server that answers what a vector says, over real HTTP, and a connection in place of one that breaks as it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
from aiohttp import web

from hanzo_queues.client.http_stream import Answer
from hanzo_queues.errors import ServerUnreachable


@dataclass(frozen=True)
class Asked:
    """A request as it was sent."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes | None

    def told(self) -> dict[str, Any]:
        """As the vectors say it."""
        parts = urlsplit(self.target)
        said: dict[str, Any] = {"method": self.method, "path": parts.path}
        if parts.query:
            said["query"] = dict(parse_qsl(parts.query, keep_blank_values=True))
        if self.body is not None:
            said["body"] = orjson.loads(self.body)
        return said


def body_of(response: dict[str, Any]) -> bytes:
    return str(response["text"]).encode() if "text" in response else orjson.dumps(response["body"])


CONNECTIONS = {
    "refused": ServerUnreachable("refused", outcome="none"),
    "broken": ServerUnreachable("broke", outcome="unknown"),
    "timeout": ServerUnreachable("no answer in time", outcome="unknown"),
}


class CannedConnection:
    """In place of a connection: gives each response once."""

    def __init__(self, responses: list[dict[str, Any]]) -> None:
        self._responses = list(responses)
        self.asked: list[Asked] = []
        self.held: asyncio.Event | None = None
        """When given: the first request waits for it."""

    async def exchange(self, method: str, target: str, body: bytes | None, within: float) -> Answer:
        self.asked.append(Asked(method, target, {}, body))
        assert self._responses, f"one request too many: {method} {target}"
        response = self._responses.pop(0)
        if self.held is not None and len(self.asked) == 1:
            await self.held.wait()
        if "connection" in response:
            error = CONNECTIONS[response["connection"]]
            raise ServerUnreachable(str(error), outcome=error.outcome)
        return Answer(response["status"], response.get("headers", {}), body_of(response))

    def asked_bytes(self) -> list[tuple[str, str, bytes | None]]:
        """What was sent, attempt by attempt."""
        return [(asked.method, asked.target, asked.body) for asked in self.asked]

    def abandon(self) -> None: ...

    async def close(self) -> None:
        assert not self._responses, f"not asked for: {self._responses}"


@asynccontextmanager
async def canned_server(responses: list[dict[str, Any]]) -> AsyncIterator[tuple[str, list[Asked]]]:
    """A URL, and the requests that came so far."""
    left, asked = list(responses), list[Asked]()

    async def answer(request: web.BaseRequest) -> web.Response:
        body = await request.read()
        asked.append(Asked(request.method, request.raw_path, dict(request.headers), body if body else None))
        if not left:
            return web.Response(status=418, text="one request too many")
        response = left.pop(0)
        return web.Response(
            status=response["status"],
            headers={"Content-Type": "application/json", **response.get("headers", {})},
            body=body_of(response),
        )

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0]
        yield f"http://{host}:{port}", asked
    finally:
        await runner.cleanup()
