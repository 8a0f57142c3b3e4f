"""Clients that are slow or many: each costs the server a bound of time and memory, and the others nothing."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import orjson
import pytest

from hanzo_queues.server import http_protocol, progress, serve
from hanzo_queues.server.open_connections import OpenConnections
from hanzo_queues.server.progress import Progress
from tests.contract.http_server import PATIENCE_S, Served, served, until
from tests.contract.raw_http import AUTH, ENQUEUE, HOST, JSON, LIVE, POLL, answer, at_end, connected

BODY = b'{"payload": "' + b"x" * 1000 + b'"}'
DECLARED = ENQUEUE + AUTH + JSON + b"Content-Length: %d\r\n\r\n" % len(BODY)
CHUNKED = ENQUEUE + AUTH + JSON + b"Transfer-Encoding: chunked\r\n\r\n"
EXPECTED = ENQUEUE + AUTH + JSON + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY)
RECEIVE = b"GET /v1/queues/q/messages?maxMessages=8 HTTP/1.1\r\n" + HOST + AUTH + b"\r\n"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judged every 50 ms: 100 bytes must have moved."""
    monkeypatch.setattr(progress, "JUDGED_EVERY_S", 0.05)
    monkeypatch.setattr(progress, "BYTES_MIN", 100)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judged so seldom that a busy machine does not look like a slow client."""
    monkeypatch.setattr(progress, "JUDGED_EVERY_S", 0.4)


@pytest.mark.parametrize(
    "sent",
    [DECLARED, DECLARED + BODY[:500], CHUNKED, CHUNKED + b"5\r\n[1,2", CHUNKED + b"5;" + b"x" * 5000, LIVE + DECLARED],
    ids=["no body", "half a body", "no chunk", "half a chunk", "an extension of a chunk", "behind another"],
)
async def test_a_body_that_stalls_is_given_up(sent: bytes) -> None:
    async with served() as server:
        await server.made_queue("q")
        reader, writer = await connected(server, sent)
        if sent.startswith(LIVE):
            assert (await answer(reader)).status == 200
        got = await answer(reader)
        assert (got.status, orjson.loads(got.body)["code"], got.ends) == (408, "request_timeout", True)
        assert await at_end(reader)
        writer.close()
        await until(lambda: len(server.http.open_connections) <= 1)
        assert server.app.edge.bodies.taken == 0
        assert (await server.call("GET", "/v1/queues/q")).json["counts"]["ready"] == 0


async def test_a_body_that_nobody_asked_for_yet_is_waited_for() -> None:
    """The server asks for it at once; a client that then sends is answered."""
    async with served() as server:
        await server.made_queue("q")
        reader, writer = await connected(server, EXPECTED)
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(BODY)
        assert (await answer(reader)).status == 201
        writer.close()


@pytest.mark.usefixtures("patient")
async def test_a_body_that_gets_on_takes_its_time() -> None:
    async with served() as server:
        await server.made_queue("q")
        loop = asyncio.get_running_loop()
        began = loop.time()
        reader, writer = await connected(server, DECLARED)
        for start in range(0, len(BODY), 50):
            writer.write(BODY[start : start + 50])
            await asyncio.sleep(0.05)  # slower than at once, faster than given up
        assert (await answer(reader)).status == 201
        assert loop.time() - began > progress.JUDGED_EVERY_S * 2
        writer.close()


@pytest.mark.usefixtures("patient")
async def test_a_body_behind_a_poll_is_not_judged_while_it_is_not_read() -> None:
    async with served() as server:
        await server.made_queue("q")
        reader, writer = await connected(server, POLL.replace(b"=30", b"=1") + DECLARED + BODY[:10])
        assert (await answer(reader)).body == b'{"messages":[]}'
        writer.write(BODY[10:])
        assert (await answer(reader)).status == 201
        writer.close()


def connections(server: Served) -> list[Any]:
    return list(server.http.open_connections._admitted)


async def unread_client(server: Served) -> socket.socket:
    """One that reads nothing by itself."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", server.port))
    return client


async def unread(server: Served) -> socket.socket:
    """A client that asked for 8 MB and reads nothing."""
    client = await unread_client(server)
    await asyncio.get_running_loop().sock_sendall(client, RECEIVE)
    return client


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    async with served() as server:
        await server.made_queue("q", visibilityTimeout=600)
        for _ in range(8):
            await server.enqueued("q", payload="x" * 1_000_000)
        client = await unread(server)
        await until(lambda: len(server.http.open_connections) == 2)
        await until(lambda: len(server.http.open_connections) == 1)
        client.close()


class Unflushed:
    """A transport with a little left in it that its peer never reads: closing it waits for that."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        """Not before it is flushed."""


async def test_a_client_that_never_reads_its_last_answer_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "LINGER_S", 0.01)
    async with served() as server:
        _, writer = await connected(server, b"")
        await until(lambda: len(server.http.open_connections) == 1)
        [connection] = server.http.open_connections._admitted
        connection.transport = Unflushed(connection.transport)  # type: ignore[attr-defined]
        writer.write(b"nonsense\r\n\r\n")
        await until(lambda: len(server.http.open_connections) == 0)
        writer.close()


async def read_but_for_a_little(client: socket.socket, connection: Any) -> None:
    """A little: less than what would make a server stop writing."""
    while connection.flow.write_paused:
        await asyncio.get_running_loop().sock_recv(client, 2048)
    assert connection.unread_bytes() > 0


@pytest.mark.parametrize("answer_bytes", [40_000, 200_000], ids=["small", "large"])
@pytest.mark.parametrize("end", ["idle", "asked for", "of sending"])
async def test_a_little_that_is_never_read_keeps_no_place_whatever_ends_the_connection(
    end: str, answer_bytes: int
) -> None:
    """Neither kernel takes it: what is left lies in the server, and is too little to be a client that reads slowly."""
    async with served() as server:
        server.http.config.timeout_keep_alive = 0.1  # type: ignore[assignment]
        await server.made_queue("q")
        await server.enqueued("q", payload="x" * answer_bytes)
        client = await unread_client(server)
        await until(lambda: len(server.http.open_connections) == 2)
        [connection] = [one for one in connections(server) if one.client == client.getsockname()]
        connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        ends = b"Connection: close\r\n" if end == "asked for" else b""
        peek = b"GET /v1/queues/q/peek HTTP/1.1\r\n" + HOST + AUTH + ends + b"\r\n"
        await asyncio.get_running_loop().sock_sendall(client, peek)
        await until(lambda: connection.unread_bytes() > 0)
        await read_but_for_a_little(client, connection)
        if end == "of sending":
            client.shutdown(socket.SHUT_WR)
        await until(lambda: connection not in connections(server))
        client.close()


async def test_a_client_that_reads_slowly_gets_all() -> None:
    """What it has taken counts, also while nothing moves between the server and the kernel."""
    async with served() as server:
        await server.made_queue("q", visibilityTimeout=600)
        for _ in range(8):
            await server.enqueued("q", payload="x" * 1_000_000)
        client = await unread(server)
        loop, got = asyncio.get_running_loop(), bytearray()
        while piece := await loop.sock_recv(client, 65536):
            got += piece
            if got.endswith(b"]}"):
                break
            if len(got) < 400_000:
                await asyncio.sleep(0.02)
        assert len(got) > 8_000_000
        client.close()


async def test_one_connection_more_than_there_may_be_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "connections_max", lambda: 2)
    async with served() as server:
        first, second = await connected(server, LIVE), await connected(server, LIVE)
        for reader, _ in (first, second):
            assert (await answer(reader)).status == 200
        reader, writer = await connected(server, LIVE)
        got = await answer(reader)
        assert (got.status, orjson.loads(got.body)["code"], got.ends) == (503, "overloaded", True)
        assert await at_end(reader)
        writer.close()
        first[1].close()
        await until(lambda: len(server.http.open_connections) == 1)
        reader, writer = await connected(server, LIVE)
        assert (await answer(reader)).status == 200
        writer.close()


class Stalled:
    """A connection that holds `held` unread bytes."""

    def __init__(self, held: int) -> None:
        self.held = held
        self.aborted = False

    def unread_bytes(self) -> int:
        return self.held

    def abort(self) -> None:
        self.aborted = True


def test_the_one_that_stalled_first_goes_when_all_hold_too_much() -> None:
    open_connections = OpenConnections(10, 100)
    caught_up, first, second, third = (Stalled(40) for _ in range(4))
    for connection in (caught_up, first):
        open_connections.stall(connection)
    open_connections.flow(caught_up)
    open_connections.stall(second)
    assert not first.aborted
    open_connections.stall(third)
    assert (first.aborted, second.aborted, third.aborted, caught_up.aborted) == (True, False, False, False)


def test_one_alone_may_hold_more_than_all_may() -> None:
    """The largest answer is within its own limit: there is nobody it harms."""
    open_connections, large = OpenConnections(10, 100), Stalled(400)
    open_connections.stall(large)
    assert not large.aborted


async def test_what_is_stopped_is_not_judged() -> None:
    stalled: list[str] = []
    kept = Progress(asyncio.get_running_loop(), lambda: 0, lambda: stalled.append("kept"))
    stopped = Progress(asyncio.get_running_loop(), lambda: 0, lambda: stalled.append("stopped"))
    for each in (kept, stopped):
        each.start()
    stopped.stop()
    await until(lambda: bool(stalled))
    assert stalled == ["kept"]
