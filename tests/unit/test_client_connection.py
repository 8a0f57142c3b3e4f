"""Faults of the wire, on real sockets: what broke, and whether the request may have been carried out."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from examples.local_server import free_port
from hanzo_queues import AsyncQueues, errors
from hanzo_queues.client import connection as connections
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


class Scripted:
    """A server that answers what it is told; `heads` are the requests' heads, connection by connection."""

    def __init__(self, *answers: bytes, ends: bool = False) -> None:
        self._answers = list(answers)
        self._ends = ends
        self.heads: list[list[bytes]] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append([])
        while True:
            try:
                self.heads[-1].append(await reader.readuntil(b"\r\n\r\n"))
            except asyncio.IncompleteReadError:
                return
            writer.write(self._answers.pop(0))
            await writer.drain()
            if self._ends:
                return


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfir\r\n2\r\nst\r\n0\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
FIRST = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Request-Id: r\r\n\r\nfirst"
LAST = FIRST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
OLD = b"HTTP/1.0 200 OK\r\n\r\nfirst"


async def asked_twice(server: Scripted) -> list[bytes]:
    async with serving(server) as url:
        connection = Connection(find_access(url + "/base", "key"), "test")
        try:
            return [(await connection.exchange("GET", "/x?y=1", None, 5)).body for _ in range(2)]
        finally:
            await connection.close()


@pytest.mark.parametrize("first", [FIRST, CHUNKED, INTERIM + FIRST])
async def test_a_connection_is_used_again(first: bytes) -> None:
    server = Scripted(first, FIRST)
    assert await asked_twice(server) == [b"first", b"first"]
    assert [len(heads) for heads in server.heads] == [2]
    assert server.heads[0][0].startswith(b"GET /base/x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:")


@pytest.mark.parametrize(("first", "ends"), [(LAST, False), (OLD, True), (FIRST + FIRST, False)])
async def test_a_connection_that_is_over_is_not_used_again(first: bytes, ends: bool) -> None:
    """Also one that brought more than was asked for: what comes next would be taken for an answer."""
    server = Scripted(first, first, ends=ends)
    assert await asked_twice(server) == [b"first", b"first"]
    assert [len(heads) for heads in server.heads] == [1, 1]


async def test_an_idle_connection_is_not_trusted_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "KEEPALIVE", 0.0)
    server = Scripted(FIRST, FIRST)
    assert await asked_twice(server) == [b"first", b"first"]
    assert [len(heads) for heads in server.heads] == [1, 1]


async def test_headers_are_found_by_their_names() -> None:
    server = Scripted(b"HTTP/1.1 429 No\r\nretry-AFTER: 3\r\ncontent-length: 2\r\n\r\n{}")
    async with serving(server) as url:
        connection = Connection(find_access(url, "key"), "test")
        got = await connection.exchange("POST", "/x", b"{}", 5)
        await connection.close()
    assert (got.status, got.headers["Retry-After"]) == (429, "3")
    assert b"Content-Type: application/json\r\nContent-Length: 2\r\n" in server.heads[0][0]


async def test_who_is_cancelled_leaves_no_answer_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, over = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"GET /slow"):
            asked.set()
            await over.wait()
        writer.write(FIRST if head.startswith(b"GET /slow") else OK)
        await writer.drain()

    async with serving(serve) as url:
        connection = Connection(find_access(url, "key"), "test")
        slow = asyncio.create_task(connection.exchange("GET", "/slow", None, 5))
        await asked.wait()
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        over.set()
        assert (await connection.exchange("GET", "/fast", None, 5)).body == b'{"messages": null}'
        await connection.close()


async def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """As localhost is two addresses on many machines, and a server listens on one."""
    server = Scripted(FIRST)
    async with serving(server) as url:
        port = int(url.rpartition(":")[2])
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        found = [(*kind, ("127.0.0.1", free_port())), (*kind, ("127.0.0.1", port))]

        async def getaddrinfo(*_: object, **__: object) -> list[object]:
            return list(found)

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        connection = Connection(find_access(f"http://queues.example:{port}", "key"), "test")
        assert (await connection.exchange("GET", "/x", None, 5)).body == b"first"
        await connection.close()
    assert b"\r\nHost: queues.example:" in server.heads[0][0]


async def test_an_address_that_does_not_answer_costs_no_more_than_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", never)
    with pytest.raises(errors.ServerUnreachable, match="no connection") as caught:
        await exchange("http://127.0.0.1:1", within=0.05)
    assert caught.value.outcome == "none"


async def test_tls_names_the_server_and_checks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", *files, *subject]
    made = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    assert await made.wait() == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    serve = Scripted(FIRST)

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(once, "127.0.0.1", 0, ssl=context)
    url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
    with pytest.raises(errors.ServerUnreachable, match="certificate") as caught:
        await exchange(url)
    assert caught.value.outcome == "none"
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert await exchange(url) == b"first"
    server.close()


def test_a_server_that_refuses_before_it_is_asked_leaves_no_doubt() -> None:
    refusal = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    tries = 30

    def refuse(listener: socket.socket) -> None:
        for _ in range(tries):
            accepted, _ = listener.accept()
            accepted.sendall(refusal)
            accepted.shutdown(socket.SHUT_WR)

    async def ask(url: str) -> list[str]:
        outcomes: list[str] = []
        for _ in range(tries):
            try:
                await exchange(url)
            except errors.ServerUnreachable as error:
                outcomes.append(error.outcome)
        return outcomes

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=refuse, args=(listener,), daemon=True).start()
        outcomes = uvloop.run(ask(f"http://127.0.0.1:{listener.getsockname()[1]}"))
    assert set(outcomes) <= {"none"}


async def test_more_than_an_answer_ends_the_connection_that_brought_it() -> None:
    surplus = OK.replace(b"messages", b"surpluss")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + surplus[:-3])
        await reader.read(1)
        writer.write(surplus[-3:])

    async with serving(serve) as url:
        connection = Connection(find_access(url, "key"), "test")
        answers = [(await connection.exchange("GET", "/v1/queues", None, 5)).body for _ in range(2)]
        await connection.close()
    assert answers == [b'{"messages": null}'] * 2


async def test_a_connection_that_comes_about_after_the_close_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(1):
            asked.set()

    async with serving(serve) as url:
        connection = Connection(find_access(url, "key"), "test")
        loop = asyncio.get_running_loop()
        connect, connecting, closed = loop.create_connection, asyncio.Event(), asyncio.Event()

        async def slowly(*arguments: object, **options: object) -> object:
            made = await connect(*arguments, **options)  # type: ignore[call-overload]
            connecting.set()
            await closed.wait()
            return made

        monkeypatch.setattr(loop, "create_connection", slowly)
        exchanging = asyncio.create_task(connection.exchange("GET", "/v1/queues", None, 5))
        await connecting.wait()
        await connection.close()
        closed.set()
        with pytest.raises(errors.ServerUnreachable) as raised:
            await exchanging
    assert raised.value.outcome == "none"
    assert not asked.is_set()
