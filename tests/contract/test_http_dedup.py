"""What is stored once: for how long a dedup id is held, and what a duplicate is told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.http_server import Reply, Served

pytestmark = pytest.mark.asyncio(loop_scope="module")

async def sent(server: Served, queue: str, **fields: Any) -> Reply:
    return await server.call("POST", f"/v1/queues/{queue}/messages", {"payload": 1, "dedupId": "once", **fields})


async def acked(server: Served, queue: str) -> None:
    (message,) = await server.received(queue)
    done = await server.call("POST", f"/v1/messages/{message['id']}/ack", {"receipt": message["receipt"]})
    assert done.status == 200


async def test_an_id_held_until_done_is_free_then(server: Served, queue: str) -> None:
    await server.call("PATCH", f"/v1/queues/{queue}", {"config": {"dedupWindow": 0}})
    first = await sent(server, queue, dedupUntil="done")
    again = await sent(server, queue)
    assert (again.status, again.json) == (200, {"id": first.json["id"], "state": "ready", "duplicate": True})
    other = await sent(server, queue, payload=2)
    assert (other.status, other.json["code"]) == (409, "dedup_conflict")
    await acked(server, queue)
    assert (await sent(server, queue, dedupUntil="done")).status == 201


async def test_a_duplicate_within_the_window_learns_that_the_first_one_is_done(server: Served, queue: str) -> None:
    first = await sent(server, queue, dedupUntil="window", delay=600)
    delayed = await sent(server, queue)
    await server.call("PATCH", f"/v1/messages/{first.json['id']}", {"delay": 0})
    await acked(server, queue)
    done = await sent(server, queue)
    assert (delayed.json["state"], done.json["state"], done.json["id"]) == ("delayed", "done", first.json["id"])


async def test_another_word_is_refused(server: Served, queue: str) -> None:
    refused = await sent(server, queue, dedupUntil="never")
    assert (refused.status, refused.json["code"]) == (400, "request_invalid")
    assert refused.json["errors"] == [{"pointer": "/dedupUntil", "detail": "must be window or done"}]


async def test_how_long_an_id_is_held_says_nothing_without_one(server: Served, queue: str) -> None:
    fault = {"pointer": "/dedupUntil", "detail": "needs a dedupId: it says how long that is held"}
    for fields in ({}, {"dedupId": None}):
        refused = await server.call(
            "POST", f"/v1/queues/{queue}/messages", {"payload": 1, "dedupUntil": "done", **fields}
        )
        assert (refused.status, refused.json["errors"]) == (400, [fault])


async def test_a_payload_in_another_order_is_another_one_and_that_is_said(server: Served, queue: str) -> None:
    await sent(server, queue, payload={"a": 1, "b": 2})
    refused = await sent(server, queue, payload={"b": 2, "a": 1})
    assert refused.json["code"] == "dedup_conflict"
    assert "byte for byte" in refused.json["detail"]


async def test_a_repeated_receive_gets_the_same_leases_as_far_as_they_hold(server: Served, queue: str) -> None:
    for _ in range(3):
        await server.enqueued(queue)
    query = "?maxMessages=2&attemptId=a1&consumerId=c1"
    first = await server.received(queue, query)
    assert len(first) == 2
    assert await server.received(queue, query) == first
    await server.call("POST", f"/v1/messages/{first[0]['id']}/ack", {"receipt": first[0]["receipt"]})
    assert await server.received(queue, query) == first[1:]
    (third,) = await server.received(queue, "?maxMessages=2&attemptId=a1&consumerId=c2")
    assert third["id"] not in [message["id"] for message in first], "another consumer's attempt"
    for attempt in ("", "a" * 257):
        refused = await server.call("GET", f"/v1/queues/{queue}/messages?attemptId={attempt}")
        assert (refused.status, refused.json["code"]) == (400, "request_invalid")


async def test_an_id_means_the_same_wherever_in_a_request_it_stands(server: Served, queue: str) -> None:
    """Payloads of a batch are compared side by side, those of like length together."""
    payloads = ["x" * length + str(number) for number, length in enumerate([3, 90, 90, 1100, 90, 3, 500])]
    messages = [{"payload": payload, "dedupId": f"id {payload[-1]}"} for payload in payloads]
    messages.insert(2, {"payload": "none"})
    batch = {"messages": messages}
    stored = (await server.call("POST", f"/v1/queues/{queue}/messages/batch", batch)).json["results"]
    deduped = [(message, one["id"]) for message, one in zip(messages, stored, strict=True) if "dedupId" in message]
    for message, identity in deduped:
        again = await server.call("POST", f"/v1/queues/{queue}/messages", message)
        assert (again.status, again.json["id"]) == (200, identity)
        other = await server.call("POST", f"/v1/queues/{queue}/messages", message | {"payload": "other"})
        assert other.json["code"] == "dedup_conflict"
    batch = {"messages": [message for message, _ in reversed(deduped)]}
    turned = (await server.call("POST", f"/v1/queues/{queue}/messages/batch", batch)).json["results"]
    assert [(one["id"], one["duplicate"]) for one in reversed(turned)] == [(one, True) for _, one in deduped]
