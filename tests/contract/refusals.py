"""For each code of spec/errors.toml, the shortest way to be refused with it. A new code needs its line here.

Most are requests to a new server, of which the last one is refused; some need raw bytes or a server in trouble.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any
from unittest import mock

import orjson

from hanzo_queues.server import app, progress
from hanzo_queues.server.journal.memory import AppendFault, MemoryJournal
from hanzo_queues.server.limits_table import LIMITS
from hanzo_queues.server.settings import Settings
from tests.contract.http_server import AUTHORIZED, BATCH_BYTES_MAX, PATIENCE_S, Reply, Served, served, until

Refusal = Callable[[], Awaitable[Reply]]
Request = tuple[Any, ...]
"""Method, path, body (None), headers (None)."""

Q = "/v1/queues/q"
MESSAGES = f"{Q}/messages"
MEMBERS = f"{Q}/groups/default/members"
GONE = "/v1/messages/00000000000g0000000g"
NEW: Request = ("POST", "/v1/queues", {"name": "q"})
ONE: Request = ("POST", MESSAGES, {"payload": 1})
FIRST = "/v1/messages/00000000000020000000"  # what a new server's first message is called
TAKE: Request = ("GET", MESSAGES)


def new(**config: Any) -> Request:
    return ("POST", "/v1/queues", {"name": "q", "config": config})


def asked(*requests: Request, **limits: int) -> Refusal:
    """The answer to the last one, of a server with other limits perhaps."""

    async def refused() -> Reply:
        with ExitStack() as patches:
            if limits:
                patches.enter_context(mock.patch.object(app, "with_settings", return_value={**LIMITS, **limits}))
            async with served() as server:
                replies = [await server.call(*request) for request in requests]
        assert all(reply.status < 300 for reply in replies[:-1]), replies
        return replies[-1]

    return refused


async def of_a_server_without_memory_for_dedup_ids() -> Reply:
    async with served(Settings(dedup_memory_bytes=0)) as server:
        await server.call(*NEW)
        assert (await server.call(*ONE)).status == 201
        return await server.call("POST", MESSAGES, {"payload": 1, "dedupId": "d"})


def raw(sent: bytes, judged_every_s: float = PATIENCE_S) -> Refusal:
    """The answer to bytes. A body that stalls so long is given up."""

    async def refused() -> Reply:
        with mock.patch.object(progress, "JUDGED_EVERY_S", judged_every_s):
            async with served() as server:
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.write(sent)
                async with asyncio.timeout(PATIENCE_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                    body = await reader.readexactly(length)
                writer.close()
        return Reply(int(head.split()[1]), {"content-type": "application/problem+json"}, body)

    return refused


async def lost_receipt(end: Callable[[Served, str, dict[str, Any]], Awaitable[Reply]]) -> Reply:
    async with served() as server:
        await server.made_queue("q")
        await server.enqueued("q")
        [message] = await server.received("q")
        return await end(server, f"/v1/messages/{message['id']}", {"receipt": message["receipt"]})


async def of_a_lease_that_was_nacked() -> Reply:
    async def end(server: Served, path: str, body: dict[str, Any]) -> Reply:
        assert (await server.call("POST", f"{path}/nack", body)).status == 200
        return await server.call("POST", f"{path}/ack", body)

    return await lost_receipt(end)


async def of_a_dead_message() -> Reply:
    async def end(server: Served, path: str, body: dict[str, Any]) -> Reply:
        assert (await server.call("POST", f"{path}/nack", {**body, "reject": True})).status == 200
        return await server.call("PATCH", path, {"delay": 0})

    return await lost_receipt(end)


async def of_an_append_without_answer() -> Reply:
    journal = MemoryJournal(batch_bytes_max=BATCH_BYTES_MAX)
    async with served(journal=journal) as server:
        await server.made_queue("q")
        journal.store.faults.append(AppendFault.LOST)
        return await server.call(*ONE)


class NeverOpen(MemoryJournal):
    async def open(self) -> None:
        await asyncio.Event().wait()


async def of_a_journal_that_is_not_open_yet() -> Reply:
    async with served(journal=NeverOpen()) as server:
        return await server.call(*ONE)


async def of_a_server_that_stops() -> Reply:
    async with served() as server:
        await until(lambda: server.app.partition.state == "serving")
        await server.app.partition.close()
        return await server.call(*ONE)


async def of_a_server_with_bodies_enough() -> Reply:
    async with served() as server:
        server.app.edge.bodies.take(server.app.edge.limits["inflight_bytes_max"])
        return await server.call(*ONE)


async def of_a_bug() -> Reply:
    async with served() as server:
        with mock.patch.object(server.app.partition, "submit", side_effect=RuntimeError):
            return await server.call(*ONE)


HEAD = b"POST /v1/queues HTTP/1.1\r\nHost: x\r\n"
JSON = b"Content-Type: application/json\r\nAuthorization: " + AUTHORIZED["Authorization"].encode() + b"\r\n"

REFUSALS: dict[str, Refusal] = {
    "request_invalid": asked(NEW, ("POST", MESSAGES, {})),
    "json_invalid": asked(NEW, ("POST", MESSAGES, b"{")),
    "http_malformed": raw(b"hello\r\n\r\n"),
    "message_id_invalid": asked(("GET", "/v1/messages/none")),
    "receipt_invalid": asked(("POST", f"{GONE}/ack", {"receipt": "none"})),
    "queue_name_invalid": asked(("POST", "/v1/queues", {"name": "no spaces"})),
    "group_name_invalid": asked(NEW, ("POST", f"{Q}/groups", {"name": "no spaces"})),
    "dead_letter_queue_invalid": asked(new(deadLetterQueue="q")),
    "unauthorized": asked(("GET", "/v1/queues", None, {"Authorization": "Bearer none"})),
    "route_not_found": asked(("GET", "/v1/nothing")),
    "method_not_allowed": asked(("PUT", "/v1/queues", {})),
    "queue_not_found": asked(("GET", Q)),
    "group_not_found": asked(NEW, ("GET", f"{MESSAGES}?consumerGroup=none")),
    "message_not_found": asked(("GET", GONE)),
    "queue_conflict": asked(NEW, new(maxRetries=9)),
    "queues_exhausted": asked(NEW, ("POST", "/v1/queues", {"name": "more"}), queues_max=1),
    "groups_exhausted": asked(
        NEW,
        *(("POST", f"{Q}/groups", {"name": f"g{number}"}) for number in range(LIMITS["groups_max"] + 1)),
    ),
    "members_exhausted": asked(NEW, ("PUT", f"{MEMBERS}/a"), ("PUT", f"{MEMBERS}/b"), members_max=1),
    "group_is_default": asked(NEW, ("DELETE", f"{Q}/groups/default")),
    "sweep_not_found": asked(("GET", "/v1/sweeps/none")),
    "sweeps_exhausted": asked(NEW, ("POST", f"{Q}/redrive"), sweeps_running_max=0),
    "queue_paused": asked(NEW, ("POST", f"{Q}/pause", {"enqueue": True}), ONE),
    "rate_limited": asked(new(ingressLimit={"requests": 1, "per": "hour"}), ONE, ONE),
    "dedup_memory_full": of_a_server_without_memory_for_dedup_ids,
    "queue_full": asked(new(maxMessages=1), ONE, ONE),
    "message_leased": asked(NEW, ONE, TAKE, ("DELETE", FIRST)),
    "message_dead": of_a_dead_message,
    "dedup_conflict": asked(NEW, *(("POST", MESSAGES, {"payload": payload, "dedupId": "d"}) for payload in (1, 2))),
    "lease_lost": of_a_lease_that_was_nacked,
    "batch_aborted": asked(
        NEW,
        ("POST", f"{MESSAGES}/batch",
         {"messages": [{"payload": payload, "dedupId": "d"} for payload in (1, 2)], "atomic": True}),
    ),
    "payload_too_large": asked(NEW, ("POST", MESSAGES, {"payload": "x" * 1_100_000})),
    "batch_too_large": asked(NEW, ("POST", f"{MESSAGES}/batch", {"messages": [{"payload": 1}] * 101})),
    "request_too_large": asked(NEW, ("POST", MESSAGES, b" " * 8_100_000)),
    "request_timeout": raw(HEAD + JSON + b"Content-Length: 10\r\n\r\n{", judged_every_s=0.05),
    "headers_too_large": raw(b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000 + b"\r\n\r\n"),
    "unsupported_media_type": asked(NEW, (*ONE, {"Content-Type": "text/plain"})),
    "journal_unavailable": of_an_append_without_answer,
    "partition_recovering": of_a_journal_that_is_not_open_yet,
    "shutting_down": of_a_server_that_stops,
    "overloaded": of_a_server_with_bodies_enough,
    "internal_error": of_a_bug,
}  # fmt: skip


def problem(reply: Reply) -> dict[str, Any]:
    """The problem an answer tells."""
    told: dict[str, Any] = orjson.loads(reply.text)
    return told
