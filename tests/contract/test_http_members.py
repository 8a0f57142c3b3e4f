"""Members of a consumer group: keys that stick, leaving, heartbeats, sessions, polls that are woken for their keys."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

import pytest

from tests.contract.http_server import PATIENCE_S, Served, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

names = (f"members-{number}" for number in count())
KEYS = [f"key-{number}" for number in range(40)]


def member(queue: str, consumer: str, group: str = "default") -> str:
    return f"/v1/queues/{queue}/groups/{group}/members/{consumer}"


async def members(server: Served, queue: str) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = (await server.call("GET", f"/v1/queues/{queue}/groups/default")).json["members"]
    return shown


async def until_members(server: Served, queue: str, expected: list[str]) -> None:
    """Returns once the group has these: nothing tells a client that a session ended."""
    async with asyncio.timeout(PATIENCE_S):
        while [one["id"] for one in await members(server, queue)] != expected:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def keys_of(server: Served, queue: str, consumer: str) -> set[str]:
    messages = await server.received(queue, f"?consumerId={consumer}&maxMessages=100")
    return {message["orderingKey"] for message in messages}


@pytest.mark.usefixtures("way")
async def test_keys_stick_to_members_and_are_shown(server: Served, queue: str) -> None:
    for consumer in ("a", "b"):
        await server.received(queue, f"?consumerId={consumer}")
    for key in KEYS:
        await server.enqueued(queue, orderingKey=key)
    shown = await members(server, queue)
    assert [one["id"] for one in shown] == ["a", "b"]
    assert sum(one["keys"] for one in shown) == len(KEYS)
    nobody = (await server.call("GET", f"/v1/queues/{queue}/messages")).json
    assert nobody == {"messages": [], "limitedBy": "keyAssigned"}
    mine, other = await keys_of(server, queue, "a"), await keys_of(server, queue, "b")
    assert (mine | other, mine & other) == (set(KEYS), set())
    assert [one["leased"] for one in await members(server, queue)] == [len(mine), len(other)]


async def test_explain_tells_a_newcomer_what_it_gets_by_asking(server: Served, queue: str) -> None:
    await server.received(queue, "?consumerId=a")
    first = await server.enqueued(queue, orderingKey="held")
    await server.received(queue, "?consumerId=a")
    ids = [await server.enqueued(queue, orderingKey=key) for key in ("held", *KEYS)]
    told: dict[str, Any] = {}
    for identity in (first, *ids):
        told[identity] = (await server.call("GET", f"/v1/messages/{identity}/explain?consumerId=b")).json
    assert [one["id"] for one in await members(server, queue)] == ["a"], "a look makes no member"
    expected = [identity for identity in ids if told[identity]["deliverable"]]
    ahead = [sum(reason.get("ahead", 0) for reason in told[identity]["reasons"]) for identity in expected]
    got = [message["id"] for message in await server.received(queue, "?consumerId=b&maxMessages=100")]
    assert 0 < len(got) < len(KEYS)
    assert (got, ahead) == (expected, list(range(len(got))))


@pytest.mark.usefixtures("way")
async def test_leaving_gives_leases_back_and_may_be_repeated(server: Served, queue: str) -> None:
    await server.enqueued(queue)
    [message] = await server.received(queue, "?consumerId=a")
    left = await server.call("DELETE", member(queue, "a"))
    assert (left.status, left.json) == (200, {"released": 1})
    assert (await server.call("DELETE", member(queue, "a"))).json == {"released": 0}
    path = f"/v1/messages/{message['id']}"
    lost = await server.call("POST", f"{path}/ack", {"receipt": message["receipt"]})
    assert (lost.status, lost.json["code"]) == (409, "lease_lost")
    [again] = await server.received(queue)
    assert (again["id"], again["attempts"], again["deliveries"]) == (message["id"], 0, 2)


async def test_a_heartbeat_makes_a_member(server: Served, queue: str) -> None:
    reply = await server.call("PUT", member(queue, "a"))
    assert reply.status == 200
    [shown] = await members(server, queue)
    assert shown["id"] == "a"
    assert reply.json["sessionUntil"] > shown["lastSeenAt"]
    missing = await server.call("PUT", member(queue, "a", "nobody"))
    assert (missing.status, missing.json["code"]) == (404, "group_not_found")


@pytest.mark.usefixtures("way")
async def test_a_poll_is_woken_by_a_message_of_its_own_key(server: Served, queue: str) -> None:
    polls = {
        consumer: asyncio.create_task(server.received(queue, f"?consumerId={consumer}&waitTime=20"))
        for consumer in ("a", "b", "c")
    }
    await until(lambda: server.app.partition._polls.parked == 3)
    identity = await server.enqueued(queue, orderingKey="one")
    done, waiting = await asyncio.wait(polls.values(), return_when=asyncio.FIRST_COMPLETED)
    assert [[message["id"] for message in poll.result()] for poll in done] == [[identity]]
    assert len(waiting) == 2
    for _ in waiting:
        await server.enqueued(queue)
    await asyncio.wait(waiting)
    assert all(len(poll.result()) == 1 for poll in waiting)


@pytest.mark.usefixtures("way")
async def test_a_key_that_changes_hands_wakes_its_new_member(server: Served, queue: str) -> None:
    for key in KEYS:
        await server.enqueued(queue, orderingKey=key)
    await server.received(queue, "?consumerId=a")
    waiting = asyncio.create_task(server.received(queue, "?consumerId=b&waitTime=20&maxMessages=100"))
    assert len(await waiting) > 0
    waiting = asyncio.create_task(server.received(queue, "?consumerId=b&waitTime=20&maxMessages=100"))
    await until(lambda: server.app.partition._polls.parked == 1)
    await server.call("DELETE", member(queue, "a"))
    assert len(await waiting) > 0


@pytest.mark.usefixtures("way")
async def test_a_session_ends_after_its_timeout_and_a_waiting_poll_keeps_it(server: Served) -> None:
    queue = await server.made_queue(next(names), sessionTimeout=1)
    waiting = asyncio.create_task(server.received(queue, "?consumerId=a&waitTime=30"))
    await server.enqueued(queue, orderingKey="one", delay=60)
    await server.call("PUT", member(queue, "b"))
    await until_members(server, queue, ["a"])
    assert not waiting.done()
    await server.enqueued(queue)
    assert len(await waiting) == 1
    await until_members(server, queue, [])


@pytest.mark.usefixtures("way")
async def test_a_client_that_is_gone_is_seen_no_longer(server: Served) -> None:
    queue = await server.made_queue(next(names), sessionTimeout=1)
    waiting = asyncio.create_task(server.received(queue, "?consumerId=a&waitTime=30"))
    await until(lambda: server.app.partition._polls.parked == 1)
    waiting.cancel()
    await until_members(server, queue, [])


@pytest.mark.usefixtures("way")
async def test_a_poll_that_ends_says_nothing_of_another_that_waits(server: Served) -> None:
    queue = await server.made_queue(next(names), sessionTimeout=1)
    polls = [asyncio.create_task(server.received(queue, "?consumerId=a&waitTime=30")) for _ in range(3)]
    await until(lambda: server.app.partition._polls.parked == 3)
    polls[0].cancel()
    await server.enqueued(queue)
    await asyncio.wait(polls[1:], return_when=asyncio.FIRST_COMPLETED)
    await server.call("PUT", member(queue, "b"))
    await until_members(server, queue, ["a"])
    for poll in polls:
        poll.cancel()
    await until_members(server, queue, [])


async def test_members_are_bounded(server: Served, queue: str) -> None:
    replies = [await server.call("PUT", member(queue, f"worker-{number}")) for number in range(1001)]
    assert {reply.status for reply in replies[:1000]} == {200}
    refused = replies[1000]
    assert (refused.status, refused.json["code"]) == (429, "members_exhausted")
    receive = await server.call("GET", f"/v1/queues/{queue}/messages?consumerId=late")
    assert receive.json["code"] == "members_exhausted"
