"""Long polls: they wait, they end with their client, and a stopping server answers them."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.contract.http_server import KEY, PATIENCE_S, Served, served, until

pytestmark = pytest.mark.usefixtures("way")


async def parked(server: Served, count: int = 1) -> None:
    """Returns when `count` polls wait."""
    await until(lambda: server.app.partition._polls.parked == count)


def poll(server: Served, query: str = "?waitTime=30") -> asyncio.Task[list[dict[str, object]]]:
    return asyncio.create_task(server.received("q", query))


async def raw_poll(server: Served, wait_s: float = 30) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A poll whose connection is ours to close."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    path = f"/v1/queues/q/messages?waitTime={wait_s:g}"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode())
    return reader, writer


async def test_a_poll_waits_for_a_message() -> None:
    async with served() as server:
        await server.made_queue("q")
        polling = poll(server)
        await parked(server)
        identity = await server.enqueued("q")
        assert [message["id"] for message in await polling] == [identity]


async def test_a_poll_ends_empty_with_its_time() -> None:
    async with served() as server:
        await server.made_queue("q")
        began = time.monotonic()
        assert await server.received("q", "?waitTime=0.2") == []
        assert 0.2 <= time.monotonic() - began < PATIENCE_S


async def test_a_poll_ends_with_its_client() -> None:
    async with served() as server:
        await server.made_queue("q")
        _, writer = await raw_poll(server)
        await parked(server)
        writer.close()
        await parked(server, 0)
        await server.enqueued("q")
        (message,) = await server.received("q")
        assert message["deliveries"] == 1


@pytest.mark.parametrize("wait_s", [0, 30])
async def test_leases_that_nobody_will_see_are_given_back(wait_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client goes while its answer is being made durable."""
    async with served() as server:
        await server.made_queue("q")
        await server.enqueued("q")
        appending, gone = asyncio.Event(), asyncio.Event()
        append = server.app._journal.append

        async def held(batch: bytes, expected_last_sequence: int) -> None:
            appending.set()
            await gone.wait()
            await append(batch, expected_last_sequence)

        monkeypatch.setattr(server.app._journal, "append", held)
        _, writer = await raw_poll(server, wait_s)
        await appending.wait()
        writer.close()
        await until(lambda: len(server.http.server_state.connections) == 1)  # the one of `call` is left
        gone.set()
        (message,) = await server.received("q", "?waitTime=5")
        assert (message["deliveries"], message["attempts"]) == (2, 0)


async def test_a_stopping_server_answers_every_poll() -> None:
    async with served() as server:
        await server.made_queue("q")
        polls = [poll(server) for _ in range(20)]
        await parked(server, 20)
        began = time.monotonic()
        await server.stop()
        assert await asyncio.gather(*polls) == [[]] * 20
        assert time.monotonic() - began < PATIENCE_S


async def test_a_poll_of_a_server_that_stops_does_not_wait() -> None:
    async with served() as server:
        await server.made_queue("q")
        server.app.stop_parking()
        async with asyncio.timeout(PATIENCE_S):
            assert await server.received("q", "?waitTime=30") == []


async def test_many_polls_share_what_comes() -> None:
    async with served() as server:
        await server.made_queue("q")
        polls = [poll(server) for _ in range(10)]
        await parked(server, 10)
        sent = {await server.enqueued("q") for _ in range(10)}
        got = [message["id"] for messages in await asyncio.gather(*polls) for message in messages]
        assert sorted(got) == sorted(sent)  # type: ignore[type-var]
