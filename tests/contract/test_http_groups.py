"""Consumer groups: each gets its own copy of what is enqueued after it was made."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from tests.contract.http_server import Served, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

names = (f"groups-{number}" for number in count())


async def made_group(server: Served, queue: str, name: str = "audit") -> str:
    reply = await server.call("POST", f"/v1/queues/{queue}/groups", {"name": name})
    assert reply.status == 201, reply.text
    return f"/v1/queues/{queue}/groups/{name}"


async def test_a_group_is_made_once_and_shown(server: Served, queue: str) -> None:
    path = await made_group(server, queue)
    again = await server.call("POST", f"/v1/queues/{queue}/groups", {"name": "audit"})
    assert again.status == 200
    await server.enqueued(queue)
    await server.enqueued(queue, delay=60)
    group = (await server.call("GET", path)).json
    assert (group["name"], group["queue"], group["lag"]) == ("audit", queue, 2)
    assert group["counts"] == {"ready": 1, "blocked": 0, "delayed": 1, "leased": 0, "dead": 0}
    listed = (await server.call("GET", f"/v1/queues/{queue}/groups")).json["groups"]
    assert [one["name"] for one in listed] == ["default", "audit"]


async def test_each_group_gets_its_copy_and_settles_it(server: Served, queue: str) -> None:
    await made_group(server, queue)
    identity = await server.enqueued(queue, payload={"a": 1})
    [mine] = await server.received(queue)
    [other] = await server.received(queue, "?consumerGroup=audit")
    assert mine["id"] == other["id"] == identity
    assert mine["receipt"] != other["receipt"]
    assert mine["payload"] == other["payload"] == {"a": 1}
    path = f"/v1/messages/{identity}"
    assert (await server.call("POST", f"{path}/ack", {"receipt": mine["receipt"]})).json["already"] is False
    assert (await server.call("GET", path)).json["groups"] == {"default": "done", "audit": "leased"}
    extended = await server.call("POST", f"{path}/extend", {"receipt": other["receipt"], "visibilityTimeout": 60})
    assert extended.status == 200
    nacked = await server.call("POST", f"{path}/nack", {"receipt": other["receipt"], "delay": 0})
    assert nacked.json["state"] == "ready"
    [again] = await server.received(queue, "?consumerGroup=audit")
    settled = {"acks": [{"id": identity, "receipt": again["receipt"]}]}
    reply = await server.call("POST", f"/v1/queues/{queue}/settle", settled)
    assert reply.json["failed"] == 0
    assert (await server.call("GET", path)).status == 404


async def test_a_group_s_copies_are_peeked_changed_and_cancelled(server: Served, queue: str) -> None:
    await made_group(server, queue)
    first, second = [await server.enqueued(queue) for _ in range(2)]
    await server.received(queue, "?maxMessages=2")
    page = (await server.call("GET", f"/v1/queues/{queue}/peek?consumerGroup=audit&limit=1")).json
    assert [message["id"] for message in page["messages"]] == [first]
    page = (await server.call("GET", f"/v1/queues/{queue}/peek?consumerGroup=audit&after={page['next']}")).json
    assert ([message["id"] for message in page["messages"]], page["next"]) == ([second], None)
    held = await server.call("DELETE", f"/v1/messages/{first}")
    assert (held.status, held.json["code"]) == (409, "message_leased")
    third = await server.enqueued(queue)
    assert (await server.call("PATCH", f"/v1/messages/{third}", {"delay": 60})).json["groups"] == {
        "default": "delayed",
        "audit": "delayed",
    }
    assert (await server.call("DELETE", f"/v1/messages/{third}")).status == 200
    assert (await server.call("GET", f"/v1/messages/{third}")).status == 404
    assert (await server.call("POST", f"/v1/queues/{queue}/purge")).json == {"messages": 2}
    assert await server.received(queue, "?consumerGroup=audit") == []


async def test_a_waiting_receive_is_woken_for_its_group(server: Served, queue: str) -> None:
    await made_group(server, queue)
    waiting = asyncio.create_task(server.received(queue, "?consumerGroup=audit&waitTime=20"))
    await until(lambda: server.app.partition._polls.parked == 1)
    identity = await server.enqueued(queue)
    assert [message["id"] for message in await waiting] == [identity]


async def test_a_dead_letter_says_its_group(server: Served) -> None:
    dead = next(names)
    queue = await server.made_queue(next(names), maxRetries=0, deadLetterQueue=dead)
    await made_group(server, queue)
    identity = await server.enqueued(queue)
    [message] = await server.received(queue, "?consumerGroup=audit")
    await server.call("POST", f"/v1/messages/{identity}/nack", {"receipt": message["receipt"]})
    [letter] = await server.received(dead)
    source = letter["deadLetter"]
    assert (source["sourceQueue"], source["sourceGroup"], source["sourceId"]) == (queue, "audit", identity)


async def test_a_group_is_deleted_with_its_copies_and_default_is_not(server: Served, queue: str) -> None:
    path = await made_group(server, queue)
    identity = await server.enqueued(queue)
    assert (await server.call("DELETE", path)).json == {"messages": 1}
    gone = await server.call("GET", f"/v1/queues/{queue}/messages?consumerGroup=audit")
    assert (gone.status, gone.json["code"]) == (404, "group_not_found")
    assert [message["id"] for message in await server.received(queue)] == [identity]
    refused = await server.call("DELETE", f"/v1/queues/{queue}/groups/default")
    assert (refused.status, refused.json["code"]) == (409, "group_is_default")


async def test_names_and_number_of_groups_are_bounded(server: Served, queue: str) -> None:
    for bad in ("a/b", "", "-a"):
        reply = await server.call("POST", f"/v1/queues/{queue}/groups", {"name": bad})
        assert (reply.status, reply.json["code"]) == (400, "group_name_invalid")
    reply = await server.call("GET", f"/v1/queues/{queue}/groups/-a")
    assert (reply.status, reply.json["code"]) == (400, "group_name_invalid")
    for number in range(32):
        await made_group(server, queue, f"group-{number}")
    reply = await server.call("POST", f"/v1/queues/{queue}/groups", {"name": "one-more"})
    assert (reply.status, reply.json["code"]) == (409, "groups_exhausted")


async def test_deleting_a_queue_counts_each_message_once(server: Served, queue: str) -> None:
    await made_group(server, queue)
    await server.enqueued(queue)
    assert (await server.call("DELETE", f"/v1/queues/{queue}")).json == {"messages": 1}
    assert (await server.call("GET", f"/v1/queues/{queue}/groups")).status == 404
