"""Faults of the wire, on real sockets: what broke, and whether the request may have been carried out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from examples.local_server import free_port
from hanzo_queues import AsyncQueues, errors
from hanzo_queues.client.access import find_access
from hanzo_queues.client.connection import Connection

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n{"messages": null}'


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[str]:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(once, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def exchange(url: str, within: float = 5) -> bytes:
    connection = Connection(find_access(url, "key"), "test")
    try:
        return (await connection.exchange("GET", "/v1/queues", None, within)).body
    finally:
        await connection.close()


async def test_the_key_goes_with_every_request() -> None:
    head = b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal head
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await writer.drain()

    async with serving(serve) as url:
        assert await exchange(url) == b'{"messages": null}'
    assert head.startswith(b"GET /v1/queues HTTP/1.1\r\n")
    assert b"Authorization: Bearer key\r\n" in head


async def test_nobody_listens() -> None:
    with pytest.raises(errors.ServerUnreachable, match="no connection") as caught:
        await exchange(f"http://127.0.0.1:{free_port()}")
    assert caught.value.outcome == "none"


async def test_a_connection_that_breaks_after_the_request() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with serving(serve) as url:
        with pytest.raises(errors.ServerUnreachable, match="broke") as caught:
            await exchange(url)
    assert caught.value.outcome == "unknown"


async def test_an_answer_that_breaks_off() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK[:-5])
        await writer.drain()

    async with serving(serve) as url:
        with pytest.raises(errors.ServerUnreachable) as caught:
            await exchange(url)
    assert caught.value.outcome == "unknown"


async def test_an_answer_that_never_comes() -> None:
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()

    async with serving(serve) as url:
        with pytest.raises(errors.ServerUnreachable, match=r"within 0.05 s") as caught:
            await exchange(url, within=0.05)
        over.set()
    assert caught.value.outcome == "unknown"


async def test_what_is_not_http() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail.example.org ESMTP\r\n")
        await writer.drain()

    async with serving(serve) as url:
        with pytest.raises(errors.ServerUnreachable):
            await exchange(url)


async def test_a_dropped_connection_is_survived_where_it_is_safe() -> None:
    requests = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        await reader.readexactly(length)
        requests += 1
        if requests == 2:
            body = b'{"id": "first", "duplicate": true}'
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            await writer.drain()

    async with serving(serve) as url, AsyncQueues("key", url=url) as queues:
        assert (await queues.enqueue("q", 1, dedup_id="d")).id == "first"
        with pytest.raises(errors.OutcomeUnknown, match="dedup_id"):
            await queues.enqueue("q", 1)
    assert requests == 3
