"""Raw bytes to a server, and its answers as they come."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from tests.contract.http_server import KEY, PATIENCE_S, Served

HOST = b"Host: x\r\n"
AUTH = f"Authorization: Bearer {KEY}\r\n".encode()
JSON = b"Content-Type: application/json\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\n" + HOST + b"\r\n"
ENQUEUE = b"POST /v1/queues/q/messages HTTP/1.1\r\n" + HOST
POLL = b"GET /v1/queues/q/messages?waitTime=30 HTTP/1.1\r\n" + HOST + AUTH + b"\r\n"

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connected(server: Served, sent: bytes = b"") -> Connection:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    return reader, writer


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer as it came."""

    status: int
    head: bytes
    body: bytes

    @property
    def ends(self) -> bool:
        return b"\r\nconnection: close\r\n" in self.head


async def answer(reader: asyncio.StreamReader) -> Raw:
    async with asyncio.timeout(PATIENCE_S):
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        assert length is not None, head
        return Raw(int(head.split()[1]), head, await reader.readexactly(int(length[1])))


async def at_end(reader: asyncio.StreamReader) -> bool:
    """Whether nothing comes any more, in an orderly way."""
    async with asyncio.timeout(PATIENCE_S):
        return await reader.read() == b""
