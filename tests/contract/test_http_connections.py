"""Connections as they are in the wild: cut, endless, malformed, pipelined, silent. Raw bytes in, raw bytes out."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from dataclasses import dataclass

import orjson
import pytest
import uvloop

from hanzo_queues.server import http_protocol, progress, serve
from hanzo_queues.server.faults import PartitionRecovering
from hanzo_queues.server.journal.memory import MemoryJournal
from hanzo_queues.server.problems import KINDS
from tests.contract.http_server import BATCH_BYTES_MAX, served, until
from tests.contract.raw_http import AUTH, ENQUEUE, HOST, JSON, LIVE, POLL, Raw, answer, at_end, connected

LARGE = b"Content-Length: 90000000\r\n"
EXPECT = b"Expect: 100-continue\r\n"
LIMIT = http_protocol.HEADER_BYTES_MAX


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (ENQUEUE + JSON + LARGE, 401),
        (ENQUEUE + AUTH + JSON + LARGE, 413),
        (ENQUEUE + AUTH + LARGE, 415),
        (b"POST /nowhere HTTP/1.1\r\n" + HOST + LARGE, 404),
        (b"PUT /v1/queues/q HTTP/1.1\r\n" + HOST + AUTH + LARGE, 405),
        (ENQUEUE + AUTH + b"Transfer-Encoding: chunked\r\n", 415),
        (b"GET /health/live HTTP/1.1\r\n" + HOST + LARGE, 200),
    ],
)
@pytest.mark.parametrize("expect", [b"", EXPECT], ids=["sent", "expected"])
async def test_an_answer_before_the_body_ends_the_connection(request_head: bytes, status: int, expect: bytes) -> None:
    """Were it kept, the next request would be taken for the body."""
    async with served() as server:
        reader, writer = await connected(server, request_head + expect + b"\r\n")
        got = await answer(reader)
        assert (got.status, got.ends) == (status, True)
        assert await at_end(reader)
        writer.close()
        await until(lambda: not server.http.server_state.connections)


async def test_a_client_that_sends_on_sees_its_answer() -> None:
    """What it sends after the answer is thrown away, not refused with a reset."""
    async with served() as server:
        reader, writer = await connected(server, ENQUEUE + JSON + LARGE + b"\r\n")
        for _ in range(64):
            writer.write(b" " * 65536)
            await writer.drain()
        assert (await answer(reader)).status == 401
        assert await at_end(reader)
        writer.close()


@pytest.mark.parametrize("request_head", [ENQUEUE + JSON, ENQUEUE + AUTH, b"POST /nowhere HTTP/1.1\r\n" + HOST])
async def test_a_body_that_came_whole_keeps_the_connection(request_head: bytes) -> None:
    async with served() as server:
        reader, writer = await connected(server, request_head + b'Content-Length: 2\r\n\r\n{}' + LIVE)
        assert not (await answer(reader)).ends
        assert (await answer(reader)).status == 200
        writer.close()


OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"
MESSAGE = b'{"payload":1}'
OFFERED = ENQUEUE + AUTH + JSON + OFFER
CHUNKED = OFFERED + b"Transfer-Encoding: chunked\r\n\r\nd\r\n" + MESSAGE + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize("pause_at", [None, -1, -5, -20], ids=["whole", "late end", "late body", "late head"])
@pytest.mark.parametrize(
    "offered",
    [
        OFFERED + b"Content-Length: 13\r\n\r\n" + MESSAGE,
        CHUNKED,
        b"GET /v1/queues/q HTTP/1.1\r\n" + HOST + AUTH + OFFER + b"\r\n",
        b"POST /v1/queues/q/pause HTTP/1.1\r\n" + HOST + AUTH + OFFER + b"Content-Length: 0\r\n\r\n",
    ],
    ids=["body", "chunks", "get", "no body"],
)
async def test_an_offer_of_another_protocol_is_passed_over(
    offered: bytes, pause_at: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    """curl --http2 and Java's client make it: the body is the request's, and what follows is the next one."""
    async with served() as server:
        await server.made_queue("q")
        reader, writer = await connected(server)
        for _ in range(2):
            writer.write(offered[:pause_at])
            if pause_at is not None:
                await server.call("GET", "/health/live")  # by now that part was read
                writer.write(offered[pause_at:])
            writer.write(LIVE)
            first, second = await answer(reader), await answer(reader)
            assert (first.status, first.ends) == (201 if MESSAGE in offered else 200, False)
            assert second.body == b'{"status":"live"}'
        enqueued = 2 * offered.count(MESSAGE)
        assert (await server.call("GET", "/v1/queues/q")).json["counts"]["ready"] == enqueued
        writer.close()
    assert "pgrade" not in caplog.text


async def test_a_body_behind_an_offer_is_no_request() -> None:
    """It would be one that whoever sent the head did not write."""
    async with served() as server:
        await server.made_queue("q")
        inner = b"DELETE /v1/queues/q HTTP/1.1\r\n" + HOST + AUTH + b"\r\n"
        reader, writer = await connected(server, OFFERED + b"Content-Length: %d\r\n\r\n" % len(inner) + inner + LIVE)
        assert orjson.loads((await answer(reader)).body)["code"] == "json_invalid"
        assert (await answer(reader)).body == b'{"status":"live"}'
        assert (await server.call("GET", "/v1/queues/q")).status == 200
        writer.close()


@pytest.mark.parametrize(
    "asked",
    [
        ENQUEUE + AUTH + JSON + b"Content-Length: 13\r\n\r\n" + MESSAGE,
        POLL,
        b"GET /v1/queues/q HTTP/1.1\r\n" + HOST + AUTH + b"\r\n",
    ],
    ids=["enqueue", "receive", "get"],
)
async def test_who_stands_by_lets_its_clients_go_where_new_connections_lead(asked: bytes) -> None:
    async with served() as server:
        await server.made_queue("q")
        server.app.partition._inbox.refuse(PartitionRecovering("partition 0 is standby"))
        reader, writer = await connected(server, asked)
        refused = await answer(reader)
        assert (refused.status, orjson.loads(refused.body)["code"]) == (503, "partition_recovering")
        assert refused.ends
        assert await at_end(reader)
        writer.close()
        server.app.partition._inbox.admit()


class Stuck(MemoryJournal):
    """Appends nothing once it is stuck."""

    def __init__(self) -> None:
        super().__init__(batch_bytes_max=BATCH_BYTES_MAX)
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.appending = asyncio.Event()

    async def append(self, batch: bytes, expected_last_sequence: int) -> None:
        self.appending.set()
        await self.goes_on.wait()
        await super().append(batch, expected_last_sequence)


@pytest.mark.parametrize(
    ("request_bytes", "outcome"),
    [
        (ENQUEUE + AUTH + JSON + b'Content-Length: 13\r\n\r\n{"payload":1}', "unknown"),
        (b"DELETE /v1/queues/q HTTP/1.1\r\n" + HOST + AUTH + b"\r\n", "unknown"),
        (ENQUEUE + AUTH + JSON + b'Content-Length: 13\r\n\r\n{"payl', "none"),
        (b"GET /v1/queues/q/messages HTTP/1.1\r\n" + HOST + AUTH + b"\r\n", "none"),
    ],
    ids=["enqueue", "delete", "half a body", "receive"],
)
async def test_what_the_drain_cuts_off_is_told(
    request_bytes: bytes, outcome: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(serve, "DRAIN_S", 0.1)
    journal = Stuck()
    async with served(journal=journal) as server:
        await server.made_queue("q")
        await server.enqueued("q")
        journal.appending.clear()
        journal.goes_on.clear()
        enqueue = ENQUEUE + AUTH + JSON + b'Content-Length: 13\r\n\r\n{"payload":1}'
        first, first_writer = await connected(server, enqueue)
        await journal.appending.wait()
        reader, writer = await connected(server, request_bytes)
        await until(lambda: server.answering == 2)
        await server.stop()
        try:
            got = await answer(reader)
            assert (await answer(first)).status == got.status == 503
        finally:
            journal.goes_on.set()
            writer.close()
            first_writer.close()
        problem = orjson.loads(got.body)
        assert (problem["code"], problem["outcome"], got.ends) == ("shutting_down", outcome, True)
    assert "Traceback" not in caplog.text


def request_of(head_bytes: int) -> bytes:
    """A request whose line and headers have `head_bytes` bytes, counted as the server does: without the line's end,
    method and version."""
    path = b"/health/live"
    spent = len(path) + len(HOST) + len(b"X: \r\n")
    return b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"X: " + b"a" * (head_bytes - spent) + b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Case:
    """What is sent, and what comes back; with a code the connection ends."""

    name: str
    sent: bytes
    status: int
    code: str = ""


CASES = [
    Case("the most", request_of(LIMIT), 200),
    Case("one byte more", request_of(LIMIT + 1), 431, "headers_too_large"),
    Case("one endless header", b"GET / HTTP/1.1\r\nX: " + b"a" * 4_000_000, 431, "headers_too_large"),
    Case("endless headers", b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 600_000, 431, "headers_too_large"),
    Case("the most headers", b"GET /health/live HTTP/1.1\r\n" + b"X: 1\r\n" * 100 + b"\r\n", 200),
    Case("one header more", b"GET /health/live HTTP/1.1\r\n" + b"X: 1\r\n" * 101 + b"\r\n", 431, "headers_too_large"),
    Case("a trailer", ENQUEUE + AUTH + JSON + b"Transfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\nX: 1\r\n\r\n",
         400, "http_malformed"),
    Case("an endless path", b"GET /" + b"a" * 4_000_000, 431, "headers_too_large"),
    Case("a large head with a large body",
         ENQUEUE + b"X: " + b"a" * LIMIT + b"\r\nContent-Length: 1000000\r\n\r\n" + b" " * 1_000_000,
         431, "headers_too_large"),
    Case("many small requests in one piece", LIVE * 2000, 200),
    Case("no HTTP", b"hello\r\n\r\n", 400, "http_malformed"),
    Case("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "http_malformed"),
    Case("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "http_malformed"),
    Case("two lengths", ENQUEUE + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "http_malformed"),
    Case("a length that is none", ENQUEUE + b"Content-Length: -1\r\n\r\n", 400, "http_malformed"),
    Case("a length and chunks", ENQUEUE + AUTH + JSON + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
         "http_malformed"),
    Case("an offer, a length and chunks", OFFERED + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
         "http_malformed"),
    Case("an offer and a length that is none", OFFERED + b"Content-Length: -1\r\n\r\n", 400, "http_malformed"),
    Case("an offer and a strange coding", OFFERED + b"Transfer-Encoding: identity\r\n\r\n", 400, "http_malformed"),
    Case("an offer and a malformed chunk", OFFERED + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400,
         "http_malformed"),
    Case("a header without a name", b"GET / HTTP/1.1\r\n: x\r\n\r\n", 400, "http_malformed"),
    Case("a malformed chunk", ENQUEUE + AUTH + JSON + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400,
         "http_malformed"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_head_is_bounded_and_well_formed(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    async with served() as server:
        reader, writer = await connected(server, case.sent)
        got = await answer(reader)
        assert got.status == case.status
        assert got.ends == bool(case.code)
        if case.code:
            assert got.body == (await _problem(got, case.code))
            assert await at_end(reader)
        writer.close()
    assert "Traceback" not in caplog.text


async def _problem(got: Raw, code: str) -> bytes:
    problem = orjson.loads(got.body)
    assert (problem["code"], problem["status"]) == (code, KINDS[code].status)
    assert b"\r\ncontent-type: application/problem+json\r\n" in got.head
    assert f"\r\nx-request-id: {problem['requestId']}\r\n".encode() in got.head
    return got.body


@pytest.mark.parametrize("behind", [b"hello\r\n\r\n", request_of(LIMIT + 1)], ids=["malformed", "too large"])
async def test_what_is_refused_takes_no_answer_from_the_request_before(behind: bytes) -> None:
    async with served() as server:
        await server.made_queue("q")
        reader, writer = await connected(server, POLL)
        await until(lambda: server.app.partition._polls.parked == 1)
        writer.write(behind)
        identity = await server.enqueued("q")
        got = await answer(reader)
        assert (got.status, got.ends) == (200, True)
        assert identity.encode() in got.body
        assert await at_end(reader)
        writer.close()


@pytest.mark.parametrize(
    ("sent", "then"), [(b"", b""), (b"GET /health", b""), (LIVE + b"GET /health", b"/live"), (LIVE, b"\r\n")]
)
async def test_a_connection_without_a_request_is_closed(
    sent: bytes, then: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_TIMEOUT_S", 0.05)
    async with served() as server:
        reader, writer = await connected(server, sent)
        if LIVE in sent:
            assert (await answer(reader)).status == 200
        writer.write(then)
        assert await at_end(reader)
        writer.close()


async def test_a_poll_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The head behind it may be cut anywhere: its rest has the whole time from the poll's answer on."""
    async with served() as server:
        await server.made_queue("q")
        monkeypatch.setattr(http_protocol, "HEAD_TIMEOUT_S", 3.0)
        reader, writer = await connected(server, POLL.replace(b"=30", b"=2") + LIVE[:-4])
        assert (await answer(reader)).body == b'{"messages":[]}'
        await asyncio.sleep(1.5)  # 3.5 s after the head began
        writer.write(LIVE[-4:])
        assert (await answer(reader)).status == 200
        writer.close()


async def test_a_head_that_stays_unfinished_behind_a_poll_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served() as server:
        await server.made_queue("q")
        monkeypatch.setattr(http_protocol, "HEAD_TIMEOUT_S", 0.3)
        reader, writer = await connected(server, POLL.replace(b"=30", b"=1") + LIVE[:-4])
        assert (await answer(reader)).body == b'{"messages":[]}'
        assert await at_end(reader)
        writer.close()


def test_what_came_while_the_server_was_busy_came_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """libuv's timers ring before it reads what has come meanwhile: of a head, of a body, or the next request."""
    limit_s = 3.0
    monkeypatch.setattr(http_protocol, "HEAD_TIMEOUT_S", limit_s)
    monkeypatch.setattr(progress, "JUDGED_EVERY_S", limit_s)
    head = ENQUEUE + AUTH + JSON + b"Content-Length: 30000\r\n\r\n"
    body = b'{"payload":1' + b" " * 29_987 + b"}"

    async def served_by_a_busy_loop() -> list[int]:
        loop = asyncio.get_running_loop()
        async with served() as server:
            server.http.config.timeout_keep_alive = limit_s  # type: ignore[assignment]
            await server.made_queue("q")
            cut = {LIVE[:-4]: LIVE[-4:], head + body[:9]: body[9:], LIVE: LIVE}
            clients = [(*await connected(server, first), rest) for first, rest in cut.items()]
            assert (await answer(clients[-1][0])).status == 200
            bell, rope = socket.socketpair()

            def be_busy() -> None:
                loop.remove_reader(bell)
                for _, writer, rest in clients:
                    assert os.write(writer.get_extra_info("socket").fileno(), rest) == len(rest)
                time.sleep(limit_s + 0.1)

            loop.add_reader(bell, be_busy)
            rope.send(b"x")
            statuses = [(await answer(reader)).status for reader, _, _ in clients]
            for _, writer, _ in clients:
                writer.close()
            bell.close()
            rope.close()
            return statuses

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(served_by_a_busy_loop()) == [200, 201, 200]
