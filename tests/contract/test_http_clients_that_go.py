"""Clients that go while they wait, or before they read what they were given: it comes to others at once."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from tests.contract.http_server import served, until
from tests.contract.raw_http import AUTH, HOST, LIVE, POLL, answer, connected


async def test_a_poll_ends_with_its_client_whatever_was_sent_behind_it() -> None:
    async with served() as server:
        await server.made_queue("q")
        polls = server.app.partition._polls
        _, writer = await connected(server, POLL + LIVE)
        await until(lambda: polls.parked == 1)
        writer.write(LIVE)
        await server.call("GET", "/health/live")  # by now the other was read
        writer.transport.abort()
        await until(lambda: polls.parked == 0)
        await server.enqueued("q")
        (message,) = await server.received("q")
        assert message["deliveries"] == 1


async def test_leases_are_given_back_when_the_client_never_read_so_far() -> None:
    """The answer waits for a client that does not read the one before it, and then goes."""
    async with served() as server:
        await server.made_queue("big")
        await server.made_queue("q")
        for _ in range(8):
            await server.enqueued("big", payload="x" * 900_000)
        identity = await server.enqueued("q")
        peek = b"GET /v1/queues/big/peek?limit=8 HTTP/1.1\r\n" + HOST + AUTH + b"\r\n"
        receive = b"GET /v1/queues/q/messages HTTP/1.1\r\n" + HOST + AUTH + b"\r\n"
        _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1000)
        writer.write(peek + receive)
        while (await server.call("GET", f"/v1/messages/{identity}")).json["state"] != "leased":
            pass
        writer.transport.abort()
        (message,) = await server.received("q", "?waitTime=5")
        assert (message["deliveries"], message["attempts"]) == (2, 0)


@pytest.mark.parametrize("query", [b"maxMessages=8", b"maxMessages=8&waitTime=5%2E0"], ids=["whole", "asgi"])
async def test_leases_are_given_back_when_the_client_went_before_the_end(query: bytes) -> None:
    """Of an answer that the kernel has not taken yet, so that nobody can have read all of it."""
    async with served() as server:
        await server.made_queue("big")
        for _ in range(8):
            await server.enqueued("big", payload="x" * 900_000)
        receive = b"GET /v1/queues/big/messages?" + query + b" HTTP/1.1\r\n" + HOST + AUTH + b"\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1000)
        writer.write(receive)
        await reader.readexactly(100)
        writer.transport.abort()
        received = await server.received("big", "?maxMessages=8&waitTime=5")
        assert [(message["deliveries"], message["attempts"]) for message in received] == [(2, 0)] * 8


async def test_leases_of_an_answer_that_was_read_stay() -> None:
    """Whatever large answer the client leaves unread behind it."""
    async with served() as server:
        await server.made_queue("big")
        for _ in range(8):
            await server.enqueued("big", payload="x" * 900_000)
        receive = b"GET /v1/queues/big/messages HTTP/1.1\r\n" + HOST + AUTH + b"\r\n"
        reader, writer = await connected(server, receive)
        (message,) = orjson.loads((await answer(reader)).body)["messages"]
        writer.write(b"GET /v1/queues/big/peek?limit=7 HTTP/1.1\r\n" + HOST + AUTH + b"\r\n")
        await reader.readexactly(100)
        writer.transport.abort()
        await until(lambda: len(server.http.server_state.connections) == 1)
        assert (await server.call("GET", f"/v1/messages/{message['id']}")).json["state"] == "leased"
