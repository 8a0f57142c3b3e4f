"""A request that comes whole gets the answer that ASGI's way gives it, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hanzo_queues.server.routes import OPERATIONS
from hanzo_queues.server.routes.endpoint import Operation
from hanzo_queues.server.whole_request import WholeReceive, WholeRequest, WholeRequests
from tests.contract.http_server import Served, served, until
from tests.contract.raw_http import AUTH, ENQUEUE, HOST, JSON, LIVE, answer, connected
from tests.contract.test_http_connections import Stuck

HOT = ("/v1/queues/{queue}/messages", "/v1/queues/{queue}/messages/batch", "/v1/queues/{queue}/settle",
       "/v1/messages/{message}/ack")  # fmt: skip
ONE = ENQUEUE + AUTH + JSON + b'Content-Length: 13\r\n\r\n{"payload":1}'

RECEIVE = b"GET /v1/queues/q/messages?maxMessages=1 HTTP/1.1\r\n" + HOST + AUTH + b"\r\n"


@asynccontextmanager
async def counted(
    monkeypatch: pytest.MonkeyPatch, *, whole: bool = True, journal: Any = None
) -> AsyncIterator[tuple[Served, list[bytes]]]:
    """A server with the queue q, and the requests it took whole; with `whole=False` it takes none."""
    taken: list[bytes] = []
    take = WholeRequests.take

    def counting(self: WholeRequests, data: bytes, connection: Any) -> WholeRequest | None:
        request = take(self, data, connection) if whole else None
        if request is not None:
            taken.append(data)
        return request

    monkeypatch.setattr(WholeRequests, "take", counting)
    async with served(journal=journal) as server:
        await server.made_queue("q", maxMessages=3)
        yield server, taken
        assert server.app.edge.bodies.taken == 0


STORY: list[tuple[str, Any, dict[str, str]]] = [
    ("/v1/queues/q/messages", {"payload": {"a": [1.0, None]}, "dedupId": "d"}, {}),
    ("/v1/queues/q/messages", {"payload": {"a": [1.0, None]}, "dedupId": "d"}, {}),
    ("/v1/queues/q/messages", {"payload": 2, "dedupId": "d"}, {}),
    ("/v1/queues/q/messages/batch", {"messages": [{"payload": 1}, {"payload": 2}, {"payload": 3}]}, {}),
    ("/v1/queues/q/messages/batch", {"messages": [{"payload": 1}], "atomic": True}, {}),
    ("/v1/queues/q/messages", {"payload": 4}, {}),
    ("/v1/queues/absent/messages", {"payload": 1}, {}),
    ("/v1/queues/q/messages", {"payload": 1, "priority": 300}, {}),
    ("/v1/queues/q/messages", b"{", {}),
    ("/v1/queues/q/messages", {"payload": 1}, {"Authorization": "Bearer wrong"}),
    ("/v1/queues/q/messages", {"payload": 1}, {"Content-Type": "text/plain"}),
    ("/v1/queues/q/messages", {"payload": 1}, {"X-Request-Id": "not plain"}),
    ("/v1/queues/q/settle", {"acks": [{"id": "none", "receipt": "none"}]}, {}),
    ("/v1/messages/none/ack", {"receipt": "none"}, {}),
]  # fmt: skip


async def told(server: Served) -> list[Any]:
    """Status, headers and JSON of every answer of the story, and of acks of what it enqueued."""
    told: list[Any] = []

    async def ask(path: str, body: Any, headers: dict[str, str]) -> None:
        got = await server.call("POST", path, body, {"X-Request-Id": "same", **headers})
        named = got.headers["x-request-id"] == "same"
        headers = {**got.headers, "date": "", "x-request-id": str(named)}
        told.append((path, got.status, headers, {**got.json, "requestId": ""}))

    for path, body, headers in STORY:
        await ask(path, body, headers)
    messages = await server.received("q", "?maxMessages=3")
    first, second, third = ({"id": one["id"], "receipt": one["receipt"]} for one in messages)
    for _ in range(2):  # the second one finds it done
        await ask(f"/v1/messages/{first['id']}/ack", {"receipt": first["receipt"], "result": [1]}, {})
    await ask("/v1/queues/q/messages", {"payload": {"a": [1.0, None]}, "dedupId": "d"}, {})  # tells the result
    await ask("/v1/queues/q/settle", {"acks": [second, first], "releases": [third]}, {})
    told[-1][3]["releases"][0].pop("dueAt")
    return told


async def test_both_ways_tell_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    async with counted(monkeypatch) as (server, taken):
        whole = await told(server)
        assert len(taken) == len(STORY) - 5 + 5  # the five that are not plain go the other way, to be told why
    monkeypatch.undo()
    async with counted(monkeypatch, whole=False) as (server, taken):
        assert whole == await told(server)
        assert taken == []


RECEIVES: list[tuple[str, dict[str, str]]] = [
    ("q/messages", {}),
    ("q/messages?maxMessages=2&visibilityTimeout=20.5&attemptId=a", {}),
    ("q/messages?maxMessages=2&visibilityTimeout=20.5&attemptId=a", {}),  # the same leases
    ("q/messages?consumerGroup=default&consumerId=c", {}),
    ("q/messages?consumerGroup=g&consumerId=c&maxMessages=3", {}),
    ("q/messages?", {"Content-Length": "0", "Content-Type": "application/json"}),
    ("q/messages?waitTime=0.01", {}),
    ("held/messages", {}),
    ("absent/messages", {}),
    ("no.queue!/messages", {}),
    ("q/messages?consumerGroup=absent", {}),
]
ODD_RECEIVES: list[tuple[str, dict[str, str]]] = [
    ("q/messages?maxMessages=0", {}),
    ("q/messages?maxMessages=", {}),
    ("q/messages?maxMessages=1&maxMessages=1", {}),
    ("q/messages?waitTime=0.0001", {}),
    ("q/messages?waitTime=31", {}),
    ("q/messages?visibilityTimeout=0", {}),
    ("q/messages?consumerId=a%20b", {}),
    ("q/messages?unknown=1", {}),
    ("q/messages", {"Authorization": "Bearer wrong"}),
]
TOLD_ANEW = {"id": str, "receipt": str, "enqueuedAt": str, "leasedUntil": str, "requestId": str}


def blanked(value: Any) -> Any:
    """What does not depend on when, and by whom, it was asked."""
    if isinstance(value, dict):
        return {name: TOLD_ANEW.get(name) or blanked(one) for name, one in value.items()}
    return [blanked(one) for one in value] if isinstance(value, list) else value


async def received(server: Served) -> list[Any]:
    """Status, headers and JSON of the answers to all kinds of receives."""
    answers = []
    assert (await server.call("POST", "/v1/queues/q/groups", {"name": "g"})).status == 201
    await server.made_queue("held", rateLimit={"requests": 1, "per": "hour"})
    for one in ({"a": [1.0, None]}, "\u00e4", 3):
        await server.enqueued("q", payload=one, metadata={"m": one}, priority=7, orderingKey=f"key {one}")
    for _ in range(2):
        await server.enqueued("held")
    await server.received("held", "?attemptId=a")
    for path, headers in RECEIVES + ODD_RECEIVES:
        got = await server.call("GET", f"/v1/queues/{path}", headers={"X-Request-Id": "same", **headers})
        retry_after = got.json.pop("retryAfter", None) if got.status == 200 else None
        told_anew = {"date": ""} if retry_after is None else {"date": "", "content-length": ""}
        answers.append((path, got.status, got.headers | told_anew, blanked({**got.json, "retryAfter": None})))
        assert retry_after is None or 3500 < retry_after <= 3600
    return answers


async def test_both_ways_receive_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    async with counted(monkeypatch) as (server, taken):
        whole = await received(server)
        taken_here = sum(data.startswith(b"GET ") for data in taken)
        assert taken_here == 1 + len(RECEIVES) - 1  # that a name is none, the other way tells
    monkeypatch.undo()
    async with counted(monkeypatch, whole=False) as (server, taken):
        assert whole == await received(server)
        assert taken == []
    assert [status for _, status, _, _ in whole[: len(RECEIVES)]] == [200] * 8 + [404, 400, 404]
    assert whole[1] == whole[2]
    assert len(whole[1][3]["messages"]) == 2


async def test_what_must_be_read_back_is_given_back_when_its_client_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    async with counted(monkeypatch) as (server, taken):
        await server.enqueued("q")
        payloads: Any = server.app.partition._payloads
        payloads.clear()
        reading, goes_on = asyncio.Event(), asyncio.Event()
        fetch = server.app._journal.fetch

        async def stuck(sequence: int) -> bytes:
            reading.set()
            await goes_on.wait()
            return await fetch(sequence)

        monkeypatch.setattr(server.app._journal, "fetch", stuck)
        _, writer = await connected(server, RECEIVE)
        await reading.wait()
        assert taken[-1] == RECEIVE
        writer.transport.abort()
        await until(lambda: server.answering == 0)
        goes_on.set()
        (message,) = await server.received("q", "?waitTime=5")
        assert (message["deliveries"], message["attempts"]) == (2, 0)


async def test_nothing_holds_on_to_a_receive_that_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async with counted(monkeypatch) as (server, taken):
        gc.collect()
        gc.disable()
        try:
            for _ in range(3):
                assert (await server.call("POST", "/v1/queues/q/messages", {"payload": 1})).status == 201
                assert len(await server.received("q")) == 1
            left = [one for one in gc.get_objects() if isinstance(one, WholeReceive)]
        finally:
            gc.enable()
        assert len(taken) == 6
        assert len(left) < 3, "they wait for the collector"
        assert [one for one in left if one._reply is not None or one._asked is not None] == []


async def test_a_poll_that_is_one_too_many_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async with counted(monkeypatch) as (server, taken):
        await server.enqueued("q")
        server.app.partition._polls_max = 0
        before = len(taken)
        got = await server.call("GET", "/v1/queues/q/messages?waitTime=1")
        assert (got.status, got.json["code"], len(taken)) == (503, "overloaded", before)
        assert len(await server.received("q")) == 1


@pytest.mark.parametrize("cut", [1, 2, 40, len(RECEIVE) - 3, len(RECEIVE) - 1])
async def test_a_receive_cut_in_two_leases_once(cut: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async with counted(monkeypatch) as (server, _):
        await server.enqueued("q")
        reader, writer = await connected(server, RECEIVE[:cut])
        await server.call("GET", "/health/live")  # by now it was read
        writer.write(RECEIVE[cut:] + RECEIVE)
        first, second = [(await answer(reader)).body for _ in range(2)]
        assert (first.count(b'"receipt"'), second.count(b'"receipt"')) == (1, 0)
        writer.close()


def test_hot_paths_are_answered_alike() -> None:
    """Else the answer's head would not be that of its path."""
    for path in HOT:
        operation = OPERATIONS[path]["POST"]
        assert operation == Operation(operation.verb)


async def test_the_next_request_waits_for_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes behind one in flight is read in its turn, whatever way it goes."""
    journal = Stuck()
    async with counted(monkeypatch, journal=journal) as (server, taken):
        await server.enqueued("q")
        journal.goes_on.clear()
        reader, writer = await connected(server, ONE)
        await until(lambda: len(taken) == 2)
        for behind in (ONE, LIVE):
            writer.write(behind)
            await server.call("GET", "/health/live")  # by now it was read
        journal.goes_on.set()
        assert len(taken) == 2
        assert [(await answer(reader)).status for _ in range(3)] == [201, 201, 200]
        assert len(taken) == 2
        writer.write(ONE)
        assert (await answer(reader)).status == 429  # the queue is full
        assert len(taken) == 3
        writer.close()


async def test_a_request_cut_in_two_goes_the_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when its second part looks like a whole one."""
    async with counted(monkeypatch) as (server, taken):
        await server.call("GET", "/v1/queues/q")  # from here on the key is known
        reader, writer = await connected(server)
        outer = ENQUEUE + AUTH + JSON + b"Content-Length: %d\r\n\r\n" % len(ONE)
        writer.write(outer)
        await server.call("GET", "/health/live")
        writer.write(ONE)
        assert (await answer(reader)).status == 400
        assert taken == []
        writer.write(ONE)
        assert (await answer(reader)).status == 201
        assert len(taken) == 1
        writer.close()


async def test_a_head_cut_in_two_goes_the_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its second part is a whole request, and yet the value of a header and what follows."""
    async with counted(monkeypatch) as (server, taken):
        await server.call("GET", "/v1/queues/q")
        reader, writer = await connected(server, ENQUEUE + b"X-Other: ")
        await server.call("GET", "/health/live")  # by now it was read
        writer.write(ONE)
        assert (await answer(reader)).status == 201
        assert taken == []
        writer.close()


async def test_a_client_that_leaves_is_served_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Stuck()
    async with counted(monkeypatch, journal=journal) as (server, taken):
        await server.call("GET", "/v1/queues/q")
        journal.goes_on.clear()
        _, writer = await connected(server, ONE)
        await until(lambda: len(taken) == 1)
        writer.transport.abort()
        await until(lambda: server.answering == 0)
        journal.goes_on.set()
        assert len(await server.received("q", "?waitTime=5")) == 1


async def test_a_key_is_known_after_it_was_let_in_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with counted(monkeypatch) as (server, taken):
        server.app.edge.keys.admitted.clear()
        reader, writer = await connected(server, ONE + LIVE)
        assert [(await answer(reader)).status for _ in range(2)] == [201, 200]
        assert taken == []
        wrong = AUTH.replace(b"Bearer ", b"Bearer x")
        writer.write(ONE.replace(AUTH, wrong))
        assert (await answer(reader)).status == 401
        writer.write(ONE)
        assert (await answer(reader)).status == 201
        assert len(taken) == 1
        writer.close()


async def test_a_bug_in_an_answer_is_told_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with counted(monkeypatch) as (server, _):
        await server.enqueued("q")

        def broken(self: WholeRequests, default_headers: Any) -> Any:
            raise LookupError("a bug")

        monkeypatch.setattr(WholeRequests, "heads", broken)
        got = await server.call("POST", "/v1/queues/q/messages", {"payload": 1})
        assert (got.status, got.json["code"]) == (500, "internal_error")
        monkeypatch.undo()
        assert (await server.call("POST", "/v1/queues/q/messages", {"payload": 1})).status == 201
    assert "a bug" in caplog.text


async def test_an_idle_connection_is_closed_after_its_last_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """One timer serves all pauses: it must neither close a connection that is used nor forget one that is not."""
    async with counted(monkeypatch) as (server, _):
        server.http.config.timeout_keep_alive = 0.3  # type: ignore[assignment]
        loop = asyncio.get_running_loop()
        reader, writer = await connected(server, LIVE)
        await answer(reader)
        began = loop.time()
        while loop.time() - began < 0.5:
            writer.write(ONE if loop.time() - began < 0.1 else LIVE)
            await answer(reader)
            await asyncio.sleep(0.05)
        last = loop.time()
        assert await reader.read() == b""
        assert 0.2 < loop.time() - last < 5
        writer.close()
