"""What the edge refuses: each case says the request, and the status and code it gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from hanzo_queues.server.byte_budget import ByteBudget
from hanzo_queues.server.faults import Fault, JournalUnavailable, Overloaded
from hanzo_queues.server.inbox import Waiter
from hanzo_queues.server.journal.base import Journal
from hanzo_queues.server.journal.memory import MemoryJournal
from hanzo_queues.server.problems import KINDS
from hanzo_queues.server.settings import Settings
from hanzo_queues.server.whole_request import WholeRequests
from tests.contract.http_server import AUTHORIZED, BATCH_BYTES_MAX, PATIENCE_S, Reply, Served, served, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

MESSAGES = "/v1/queues/q/messages"
ABSENT_MESSAGE = "/v1/messages/00000000000g0000000g"
SMALL = 500_000  # bytes of a journal batch
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Served]:
    async with served(Settings(payload_bytes_max=4096)) as running:
        await running.made_queue("q")
        yield running


@dataclass(frozen=True, slots=True)
class Case:
    """A request that is refused."""

    name: str
    code: str
    method: str
    path: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    key: bool = True
    says: str = ""
    pointer: str | None = None


CASES = [
    Case("no key", "unauthorized", "GET", "/v1/queues", key=False, says="missing"),
    Case("no key, no such queue", "unauthorized", "GET", "/v1/queues/absent/messages", key=False),
    Case("basic", "unauthorized", "GET", "/v1/queues", headers={"Authorization": "Basic dGVzdA=="}, key=False),
    Case("empty key", "unauthorized", "GET", "/v1/queues", headers={"Authorization": "Bearer "}, key=False),
    Case("wrong key", "unauthorized", "GET", "/v1/queues", headers={"Authorization": "Bearer test-api-kez"}, key=False),
    Case("contract without key", "unauthorized", "GET", "/openapi.json", key=False),
    Case("no such path", "route_not_found", "GET", "/v1/nothing"),
    Case("root", "route_not_found", "GET", "/"),
    Case("trailing slash", "route_not_found", "GET", "/v1/queues/", says="/v1/queues/"),
    Case("line break", "route_not_found", "GET", "/health/live%0A"),
    Case("line break after queues", "route_not_found", "GET", "/v1/queues%0A"),
    Case("no version", "route_not_found", "POST", "/queues", body={}),
    Case("queue name with a slash", "route_not_found", "GET", "/v1/queues/a%2Fb/peeks"),
    Case("queue name with a slash inside", "queue_name_invalid", "GET", "/v1/queues/a%2Fb/peek"),
    Case("queue name with a slash of its own", "queue_name_invalid", "GET", "/v1/queues/%2f"),
    Case("put", "method_not_allowed", "PUT", "/v1/queues/q", body={}),
    Case("get on ack", "method_not_allowed", "GET", f"{ABSENT_MESSAGE}/ack"),
    Case("post on health", "method_not_allowed", "POST", "/health/live", body={}),
    Case("options", "method_not_allowed", "OPTIONS", MESSAGES),
    Case("form", "unsupported_media_type", "POST", MESSAGES, body=b"{}", headers=FORM, says="x-www-form-urlencoded"),
    Case("latin-1", "unsupported_media_type", "POST", MESSAGES, body=b"{}",
         headers={"Content-Type": "application/json; charset=latin-1"}, says="UTF-8"),
    Case("gzip", "unsupported_media_type", "POST", MESSAGES, body=b"{}",
         headers={"Content-Encoding": "gzip"}, says="gzip"),
    Case("not JSON", "json_invalid", "POST", MESSAGES, body=b"{"),
    Case("no body", "json_invalid", "POST", MESSAGES, body=b""),
    Case("not UTF-8", "json_invalid", "POST", MESSAGES, body=b'{"payload": "\xff"}'),
    Case("no payload", "request_invalid", "POST", MESSAGES, body={}, pointer="/payload"),
    Case("unknown field", "request_invalid", "POST", MESSAGES, body={"payload": 1, "prioritee": 1},
         pointer="/prioritee"),
    Case("priority 256", "request_invalid", "POST", MESSAGES, body={"payload": 1, "priority": 256},
         pointer="/priority"),
    Case("unknown parameter", "request_invalid", "GET", f"{MESSAGES}?maxMesages=1", pointer="?maxMesages"),
    Case("parameter on enqueue", "request_invalid", "POST", f"{MESSAGES}?a=1", body={"payload": 1}, pointer="?a"),
    Case("repeated", "request_invalid", "GET", f"{MESSAGES}?waitTime=1&waitTime=2", pointer="?waitTime"),
    Case("malformed number", "request_invalid", "GET", f"{MESSAGES}?maxMessages=ten", pointer="?maxMessages"),
    Case("negative", "request_invalid", "GET", f"{MESSAGES}?maxMessages=-1", pointer="?maxMessages"),
    Case("fine time", "request_invalid", "GET", f"{MESSAGES}?waitTime=0.0001", pointer="?waitTime"),
    Case("long wait", "request_invalid", "GET", f"{MESSAGES}?waitTime=30.001", pointer="?waitTime", says="waitTime"),
    Case("empty text", "request_invalid", "GET", f"{MESSAGES}?consumerId=", pointer="?consumerId"),
    Case("too many parameters", "request_invalid", "GET", f"{MESSAGES}?{'a=1&' * 40}a=1"),
    Case("not UTF-8 in a query", "request_invalid", "GET", f"{MESSAGES}?attemptId=%ff", says="UTF-8"),
    Case("half a surrogate pair in a query", "request_invalid", "GET", f"{MESSAGES}?consumerId=%ED%A0%80"),
    Case("no messages wanted", "request_invalid", "GET", f"{MESSAGES}?maxMessages=0"),
    Case("bad state", "request_invalid", "GET", "/v1/queues/q/peek?state=asleep"),
    Case("bad queue name", "queue_name_invalid", "POST", "/v1/queues", body={"name": "no spaces"}),
    Case("bad queue name in path", "queue_name_invalid", "GET", "/v1/queues/-q"),
    Case("own dead letters", "dead_letter_queue_invalid", "POST", "/v1/queues",
         body={"name": "self", "config": {"deadLetterQueue": "self"}}),
    Case("bad message id", "message_id_invalid", "GET", "/v1/messages/abc"),
    Case("message id to ack", "message_id_invalid", "POST", "/v1/messages/ABC/ack", body={"receipt": "x"}),
    Case("bad receipt", "receipt_invalid", "POST", f"{ABSENT_MESSAGE}/ack", body={"receipt": "x"}),
    Case("message of another partition", "message_not_found", "GET", "/v1/messages/vvvvvvvvvvvvvvvvvvvg"),
    Case("absent message", "message_not_found", "GET", ABSENT_MESSAGE),
    Case("absent queue", "queue_not_found", "POST", "/v1/queues/absent/messages", body={"payload": 1}),
    Case("absent queue to receive", "queue_not_found", "GET", "/v1/queues/absent/messages?waitTime=5"),
    Case("absent group", "group_not_found", "GET", f"{MESSAGES}?consumerGroup=absent"),
    Case("other settings", "queue_conflict", "POST", "/v1/queues", body={"name": "q", "config": {"maxRetries": 9}}),
    Case("large payload", "payload_too_large", "POST", MESSAGES, body={"payload": "x" * 5000}, says="4096"),
    Case("long batch", "batch_too_large", "POST", f"{MESSAGES}/batch", body={"messages": [{"payload": 1}] * 101},
         says="100"),
    Case("large request", "request_too_large", "POST", MESSAGES, body=b" " * (8 * 1024 * 1024),
         says="request_bytes_max"),
]  # fmt: skip


def check_problem(reply: Reply, code: str) -> dict[str, Any]:
    problem: dict[str, Any] = reply.json
    kind = KINDS[code]
    assert problem["code"] == code, problem
    assert reply.status == problem["status"] == kind.status
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["x-request-id"] == problem["requestId"]
    assert (problem["title"], problem["retryable"], problem["outcome"]) == (kind.title, kind.retryable, kind.outcome)
    return problem


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_request_is_refused(server: Served, case: Case) -> None:
    reply = await server.call(case.method, case.path, case.body, case.headers, case.key)
    problem = check_problem(reply, case.code)
    assert case.says in problem["detail"]
    if case.pointer is not None:
        assert [error["pointer"] for error in problem["errors"]] == [case.pointer]
        assert all(error["detail"] for error in problem["errors"])


async def test_a_request_without_key_is_told_how(server: Served) -> None:
    reply = await server.call("GET", "/v1/queues", key=False)
    assert reply.headers["www-authenticate"].startswith("Bearer")


async def test_another_key_and_any_case_of_bearer_are_let_in(server: Served) -> None:
    for value in ("Bearer another-api-key", "bearer test-api-key"):
        assert (await server.call("GET", "/v1/queues", headers={"Authorization": value}, key=False)).status == 200


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (MESSAGES, "GET, POST"),
        ("/v1/queues/q", "DELETE, GET, HEAD, PATCH"),
        (f"{ABSENT_MESSAGE}/ack", "POST"),
        ("/health/ready", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(server: Served, path: str, allowed: str) -> None:
    reply = await server.call("PUT", path, {})
    check_problem(reply, "method_not_allowed")
    assert reply.headers["allow"] == allowed


async def test_head_never_leases(server: Served) -> None:
    assert (await server.call("HEAD", MESSAGES)).status == 405
    assert (await server.call("HEAD", "/v1/queues/q")).status == 200


async def test_an_undeclared_body_is_bounded_while_it_is_read(server: Served) -> None:
    """The answer comes although the body never ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = (
        f"POST {MESSAGES} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer test-api-key\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    writer.write(head.encode() + b"%x\r\n%b\r\n" % (9_000_000, b" " * 9_000_000))
    assert (await asyncio.wait_for(reader.readline(), PATIENCE_S)).startswith(b"HTTP/1.1 413 ")
    writer.close()


async def test_a_chunked_body_is_read_whole(server: Served) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"payl'
        yield b'oad": [1, 2'
        yield b"]}"

    headers = {**AUTHORIZED, "Content-Type": "application/json"}
    async with server.session.post(server.url + MESSAGES, data=pieces(), headers=headers) as response:
        assert response.status == 201


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'])
async def test_json_in_utf_8_may_be_declared_at_length(server: Served, media_type: str) -> None:
    reply = await server.call("POST", MESSAGES, b'{"payload": 1}', {"Content-Type": media_type})
    assert reply.status == 201


async def test_a_large_body_is_refused_before_it_is_sent(server: Served) -> None:
    """The declared length is enough; the client waits for 100 Continue and never gets it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = (
        f"POST {MESSAGES} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer test-api-key\r\n"
        "Content-Type: application/json\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"
    )
    writer.write(head.encode())
    assert (await asyncio.wait_for(reader.readline(), PATIENCE_S)).startswith(b"HTTP/1.1 413 ")
    writer.close()


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("order-7:2/a", True), ("x" * 128, True), ("x" * 129, False), ("two words", False), ("é", False), ("", False)],
)
async def test_a_sane_request_id_is_kept(server: Served, sent: str, kept: bool) -> None:
    for path in ("/v1/queues", "/health/live", "/nowhere"):
        reply = await server.call("GET", path, headers={"X-Request-Id": sent})
        assert (reply.headers["x-request-id"] == sent) == kept


async def test_made_request_ids_are_unique(server: Served) -> None:
    replies = [await server.call("GET", "/health/live") for _ in range(20)]
    assert len({reply.headers["x-request-id"] for reply in replies}) == 20


def go(way: str, error: Exception, server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the partition meets `error`, and requests go this way only."""

    async def submit(command: object) -> None:
        raise error

    def submit_for(waiter: Waiter, command: object) -> None:
        if not isinstance(error, Fault):
            raise error
        waiter.set_exception(error)

    monkeypatch.setattr(server.app.partition, "submit", submit)
    monkeypatch.setattr(server.app.partition, "submit_for", submit_for)
    if way == "asgi":
        monkeypatch.setattr(WholeRequests, "take", lambda *_: None)


@pytest.mark.parametrize("way", ["whole", "asgi"])
async def test_an_unforeseen_exception_is_logged_and_not_shown(
    way: str, server: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    go(way, RuntimeError("a secret of the inside"), server, monkeypatch)
    reply = await server.call("POST", MESSAGES, {"payload": 1}, {"X-Request-Id": "find-me"})
    check_problem(reply, "internal_error")
    assert b"secret" not in reply.text
    assert "find-me" in caplog.text
    assert "a secret of the inside" in caplog.text


@pytest.mark.parametrize(
    "fault",
    [
        Overloaded("too many requests are waiting", retry_after_s=2.5),
        JournalUnavailable("no answer", retry_after_s=1.0),
    ],
    ids=lambda fault: fault.code,
)
@pytest.mark.parametrize("way", ["whole", "asgi"])
async def test_a_fault_says_when_to_come_back(
    way: str, server: Served, monkeypatch: pytest.MonkeyPatch, fault: Overloaded | JournalUnavailable
) -> None:
    go(way, fault, server, monkeypatch)
    reply = await server.call("POST", MESSAGES, {"payload": 1})
    problem = check_problem(reply, fault.code)
    assert problem["retryAfter"] == fault.retry_after_s
    assert reply.headers["retry-after"] == {2.5: "3", 1.0: "1"}[problem["retryAfter"]]


class SlowToOpen(MemoryJournal):
    """Opens when it is told to."""

    def __init__(self) -> None:
        super().__init__(batch_bytes_max=BATCH_BYTES_MAX)
        self.may_open = asyncio.Event()

    async def open(self) -> None:
        await self.may_open.wait()
        await super().open()


async def test_until_the_journal_is_open_requests_are_told_to_come_back() -> None:
    journal: Journal = (slow := SlowToOpen())
    async with served(journal=journal) as server:
        assert (await server.call("GET", "/health/live", key=False)).status == 200
        ready = await server.call("GET", "/health/ready", key=False)
        assert ready.status == 503
        assert ready.json["status"] in ("standby", "recovering")
        problem = check_problem(await server.call("GET", "/v1/queues"), "partition_recovering")
        assert problem["retryAfter"] == 1
        slow.may_open.set()
        await until(lambda: server.app.partition.state == "serving")
        assert (await server.call("GET", "/health/ready", key=False)).status == 200
        assert (await server.call("GET", "/v1/queues")).status == 200


async def test_a_closed_partition_is_shutting_down() -> None:
    async with served() as server:
        await server.made_queue("q")
        await server.app.partition.close()
        check_problem(await server.call("POST", MESSAGES, {"payload": 1}), "shutting_down")
        assert (await server.call("GET", "/health/ready", key=False)).json["status"] == "closed"
        assert (await server.call("GET", "/health/live", key=False)).status == 200


async def test_a_small_journal_bounds_payloads_and_requests() -> None:
    async with served(journal=MemoryJournal(batch_bytes_max=SMALL)) as server:
        await server.made_queue("q")
        payload_bytes_max = server.app.edge.limits["payload_bytes_max"]
        assert 100_000 < payload_bytes_max < SMALL
        reply = await server.call("POST", MESSAGES, {"payload": "x" * payload_bytes_max})
        assert "the nats-server's max_payload" in check_problem(reply, "payload_too_large")["detail"]
        assert (await server.call("POST", MESSAGES, {"payload": "x" * (payload_bytes_max - 2)})).status == 201
        batch = {"messages": [{"payload": "x" * (payload_bytes_max // 2)}] * 4}
        check_problem(await server.call("POST", f"{MESSAGES}/batch", batch), "request_too_large")


async def test_a_request_whose_records_fill_a_batch_is_refused() -> None:
    """Small in bytes, large in the journal: thousands of messages of one digit."""
    settings = Settings(batch_entries_max=10_000)
    async with served(settings, MemoryJournal(batch_bytes_max=SMALL)) as server:
        await server.made_queue("q")
        batch = {"messages": [{"payload": 1}] * 10_000}
        problem = check_problem(await server.call("POST", f"{MESSAGES}/batch", batch), "request_too_large")
        assert "journal batch" in problem["detail"]
        assert (await server.call("GET", "/v1/queues/q")).json["counts"]["ready"] == 0


async def test_a_journal_too_small_for_any_message_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async with served(journal=MemoryJournal(batch_bytes_max=100_000)):
        await until(lambda: "max_payload" in caplog.text)


PIECES = [b'{"payload": "', b"x" * 600, b'"}']


async def sent_in_pieces(server: Served, declared: bool) -> int:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in PIECES:
            yield piece

    length = {"Content-Length": str(sum(map(len, PIECES)))} if declared else {}
    headers = {**AUTHORIZED, "Content-Type": "application/json", **length}
    async with server.session.post(server.url + MESSAGES, data=pieces(), headers=headers) as response:
        return response.status


@pytest.mark.parametrize("declared", [True, False])
async def test_bodies_in_flight_share_a_budget_of_bytes(server: Served, declared: bool) -> None:
    bodies = ByteBudget(1000)
    server.app.edge.bodies, whole = bodies, server.app.edge.bodies
    try:
        bodies.take(500)  # another request's
        assert await sent_in_pieces(server, declared) == 503
        reply = await server.call("POST", MESSAGES, {"payload": "x" * 500})
        assert "inflight_bytes_max" in check_problem(reply, "overloaded")["detail"]
        assert bodies.taken == 500
        bodies.give_back(500)
        assert await sent_in_pieces(server, declared) == 201
        assert bodies.taken == 0
    finally:
        server.app.edge.bodies = whole


async def test_the_budget_is_given_back_however_a_request_ends(server: Served) -> None:
    for body in ({"payload": 1}, {"payload": "x" * 5000}, b"{", {}):
        await server.call("POST", MESSAGES, body)
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = f"POST {MESSAGES} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer test-api-key\r\n"
    writer.write(head.encode() + b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    await until(lambda: server.app.edge.bodies.taken == 100)
    writer.transport.abort()
    await until(lambda: server.app.edge.bodies.taken == 0)
