"""Managing what is there: pausing and purging queues, changing and deleting messages."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

import pytest

from tests.contract.http_server import PATIENCE_S, Served, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

names = (f"queue-{number}" for number in count())


async def parked(server: Served) -> None:
    await until(lambda: server.app.partition._polls.parked == 1)


async def test_a_paused_enqueue_is_refused_until_it_is_resumed(server: Served, queue: str) -> None:
    path = f"/v1/queues/{queue}"
    identity = await server.enqueued(queue, dedupId="early")
    paused = await server.call("POST", f"{path}/pause", {"enqueue": True, "receive": False})
    assert (paused.status, paused.json["paused"]) == (200, {"enqueue": True, "receive": False})
    refused = await server.call("POST", f"{path}/messages", {"payload": 1})
    assert (refused.status, refused.json["code"], refused.json["retryable"]) == (409, "queue_paused", True)
    assert refused.headers["retry-after"] == "1"
    again = await server.call("POST", f"{path}/messages", {"payload": 1, "dedupId": "early"})
    assert (again.status, again.json["id"], again.json["duplicate"]) == (200, identity, True)
    batch = await server.call("POST", f"{path}/messages/batch", {"messages": [{"payload": 1}]})
    assert batch.json["results"][0]["error"]["code"] == "queue_paused"
    assert len(await server.received(queue)) == 1
    resumed = await server.call("POST", f"{path}/resume")
    assert resumed.json["paused"] == {"enqueue": False, "receive": False}
    await server.enqueued(queue)


async def test_a_poll_of_a_paused_queue_waits_for_the_resume(server: Served, queue: str) -> None:
    path = f"/v1/queues/{queue}"
    await server.call("POST", f"{path}/pause")
    identity = await server.enqueued(queue)
    empty = (await server.call("GET", f"{path}/messages")).json
    assert empty == {"messages": [], "limitedBy": "paused"}
    polling = asyncio.create_task(server.received(queue, "?waitTime=30"))
    await parked(server)
    await server.enqueued(queue)
    still = await server.call("POST", f"{path}/resume", {"receive": False})
    assert still.json["paused"]["receive"] is True
    assert not polling.done()
    await server.call("POST", f"{path}/resume", {})
    async with asyncio.timeout(PATIENCE_S):
        assert [message["id"] for message in await polling] == [identity]


async def test_a_full_queue_says_so_until_there_is_room(server: Served) -> None:
    queue = await server.made_queue(next(names), maxMessages=1)
    path = f"/v1/queues/{queue}/messages"
    await server.enqueued(queue)
    refused = await server.call("POST", path, {"payload": 1})
    assert (refused.status, refused.json["code"], refused.json["retryable"]) == (429, "queue_full", True)
    assert refused.headers["retry-after"] == "1"
    batch = await server.call("POST", f"{path}/batch", {"messages": [{"payload": 1}]})
    assert batch.json["results"][0]["error"]["code"] == "queue_full"
    (message,) = await server.received(queue)
    await server.call("POST", f"/v1/messages/{message['id']}/ack", {"receipt": message["receipt"]})
    await server.enqueued(queue)


async def test_a_poll_waits_for_the_end_of_a_lease_where_leases_are_bounded(server: Served) -> None:
    queue = await server.made_queue(next(names), maxInFlight=1)
    _, second = [await server.enqueued(queue) for _ in range(2)]
    (message,) = await server.received(queue, "?maxMessages=9")
    empty = (await server.call("GET", f"/v1/queues/{queue}/messages")).json
    assert empty == {"messages": [], "limitedBy": "inFlight"}
    polling = asyncio.create_task(server.received(queue, "?waitTime=30"))
    await parked(server)
    await server.call("POST", f"/v1/messages/{message['id']}/ack", {"receipt": message["receipt"]})
    async with asyncio.timeout(PATIENCE_S):
        assert [message["id"] for message in await polling] == [second]


async def test_a_dead_message_goes_when_it_was_kept_long_enough(server: Served) -> None:
    queue = await server.made_queue(next(names), maxRetries=0, deadRetention=3600)
    identity = await server.enqueued(queue)
    (message,) = await server.received(queue)
    await server.call("POST", f"/v1/messages/{identity}/nack", {"receipt": message["receipt"]})
    dead = (await server.call("GET", f"/v1/messages/{identity}")).json
    assert (dead["state"], dead["expiresAt"] > dead["deadAt"]) == ("dead", True)
    await server.call("PATCH", f"/v1/queues/{queue}", {"config": {"deadRetention": 0.001}})
    async with asyncio.timeout(PATIENCE_S):
        while (await server.call("GET", f"/v1/messages/{identity}")).status != 404:
            pass


async def test_a_dead_letter_goes_when_its_queue_kept_it_long_enough(server: Served) -> None:
    letters = await server.made_queue(next(names), deadRetention=3600)
    queue = await server.made_queue(next(names), maxRetries=0, deadLetterQueue=letters)
    source = await server.enqueued(queue)
    (message,) = await server.received(queue)
    nacked = await server.call("POST", f"/v1/messages/{source}/nack", {"receipt": message["receipt"]})
    letter = f"/v1/messages/{nacked.json['deadLetterId']}"
    there = (await server.call("GET", letter)).json
    assert (there["state"], there["expiresAt"] > there["readyAt"]) == ("ready", True)
    (held,) = await server.received(letters)
    assert held["expiresAt"] == there["expiresAt"]
    await server.call("PATCH", f"/v1/queues/{letters}", {"config": {"deadRetention": 0.001}})
    assert (await server.call("GET", letter)).json["state"] == "leased"
    await server.call("POST", f"{letter}/release", {"receipt": held["receipt"]})
    async with asyncio.timeout(PATIENCE_S):
        while (await server.call("GET", letter)).status != 404:
            pass


async def test_retries_of_its_own_are_shown_wherever_a_message_is(server: Served) -> None:
    queue = await server.made_queue(next(names))
    backoff = {"initial": 0.5, "multiplier": 1.5, "max": 60, "jitter": 0}
    own = {"maxRetries": 0, "backoff": backoff}
    identity = await server.enqueued(queue, maxRetries=0, backoff=backoff)
    await server.enqueued(queue)
    changed = (await server.call("PATCH", f"/v1/messages/{identity}", {"priority": 9})).json
    peeked = (await server.call("GET", f"/v1/queues/{queue}/peek")).json["messages"]
    got = (await server.call("GET", f"/v1/messages/{identity}")).json
    assert {name: got[name] for name in own} == own
    assert (changed, peeked[0]) == (got, got)
    assert not own.keys() & peeked[1].keys()


async def test_a_queue_with_other_settings_says_which_they_are(server: Served) -> None:
    weights = {f"key-{number}": 2 for number in range(50)}
    config = {"maxRetries": 5, "deadLetterQueue": "conflicting-dead", "fairness": {"weights": weights}}
    made = await server.call("POST", "/v1/queues", {"name": "conflicting", "config": config})
    assert made.status == 201
    refused = await server.call("POST", "/v1/queues", {"name": "conflicting", "config": {"maxRetries": 9}})
    assert refused.json["detail"] == (
        "queue conflicting exists with other settings "
        '(deadLetterQueue is "conflicting-dead", not null; fairness differs; maxRetries is 5, not 9); '
        "change them with PATCH, or create it as it is"
    )


async def test_a_change_of_weights_leaves_the_bound_of_a_key_and_the_other_way(server: Served, queue: str) -> None:
    async def changed(**fairness: object) -> object:
        reply = await server.call("PATCH", f"/v1/queues/{queue}", {"config": {"fairness": fairness}})
        assert reply.status == 200, reply.text
        return reply.json["config"]["fairness"]

    assert await changed(weights={"a": 3}, maxInFlight=2) == {"weights": {"a": 3}, "maxInFlight": 2}
    assert await changed(weights={"b": 2}) == {"weights": {"b": 2}, "maxInFlight": 2}
    assert await changed(maxInFlight=5) == {"weights": {"b": 2}, "maxInFlight": 5}
    assert await changed() == {"weights": {"b": 2}, "maxInFlight": 5}
    assert await changed(weights={}) == {"weights": {}, "maxInFlight": 5}
    assert await changed(maxInFlight=None) == {"weights": {}, "maxInFlight": None}


async def test_a_change_of_a_backoff_or_an_aging_leaves_what_it_does_not_name(server: Served, queue: str) -> None:
    async def changed(name: str, value: dict[str, object]) -> object:
        reply = await server.call("PATCH", f"/v1/queues/{queue}", {"config": {name: value}})
        assert reply.status == 200, reply.text
        return reply.json["config"][name]

    own: dict[str, object] = {"initial": 9, "multiplier": 3, "max": 50, "jitter": 0}
    assert await changed("backoff", own) == own
    assert await changed("backoff", {"initial": 1}) == own | {"initial": 1}
    assert await changed("backoff", {"jitter": 0.5}) == own | {"initial": 1, "jitter": 0.5}
    assert await changed("backoff", {"max": 0.25}) == own | {"initial": 0.25, "max": 0.25, "jitter": 0.5}
    assert await changed("scheduling", {"agingSeconds": 5}) == {"mode": "fair", "agingSeconds": 5}
    assert await changed("scheduling", {"mode": "fair"}) == {"mode": "fair", "agingSeconds": 5}
    assert await changed("scheduling", {}) == {"mode": "fair", "agingSeconds": 5}
    assert await changed("scheduling", {"mode": "strict"}) == {"mode": "strict"}
    assert await changed("scheduling", {}) == {"mode": "strict"}
    assert await changed("scheduling", {"mode": "fair"}) == {"mode": "fair", "agingSeconds": 60}
    assert (await server.call("GET", f"/v1/queues/{queue}")).json["config"]["backoff"]["multiplier"] == 3


async def test_queues_are_listed_by_prefix(server: Served) -> None:
    for name in ("mail.in", "mail.out", "mailbox"):
        await server.made_queue(name)
    first = (await server.call("GET", "/v1/queues?prefix=mail.&limit=1")).json
    assert [queue["name"] for queue in first["queues"]] == ["mail.in"]
    rest = (await server.call("GET", f"/v1/queues?prefix=mail.&after={first['next']}")).json
    assert ([queue["name"] for queue in rest["queues"]], rest["next"]) == (["mail.out"], None)


async def test_blocked_messages_are_peeked_at_and_keys_looked_for(server: Served, queue: str) -> None:
    keyed = [await server.enqueued(queue, orderingKey=key) for key in ("a b", "b", "a b", "a b", "b")]
    await server.enqueued(queue)

    async def peek(query: str) -> list[str]:
        seen = (await server.call("GET", f"/v1/queues/{queue}/peek?{query}")).json
        return [message["id"] for message in seen["messages"]]

    assert await peek("state=blocked") == [keyed[2], keyed[3], keyed[4]]
    assert await peek("state=blocked&orderingKey=a%20b") == [keyed[2], keyed[3]]
    assert await peek(f"state=blocked&after={keyed[2]}&limit=1") == [keyed[3]]
    assert await peek("orderingKey=b") == [keyed[1]]


async def test_dead_messages_are_peeked_at_by_their_reason(server: Served) -> None:
    queue = await server.made_queue(next(names), maxRetries=0)
    rejected, failed = [await server.enqueued(queue) for _ in range(2)]
    for message in await server.received(queue, "?maxMessages=2"):
        body = {"receipt": message["receipt"], "reject": message["id"] == rejected}
        await server.call("POST", f"/v1/messages/{message['id']}/nack", body)
    for reason, identity in (("rejected", rejected), ("retriesExhausted", failed)):
        seen = (await server.call("GET", f"/v1/queues/{queue}/peek?state=dead&reason={reason}")).json
        assert [message["id"] for message in seen["messages"]] == [identity]
    for query in ("reason=bored", "orderingKey=a&state=dead", "state=asleep"):
        refused = await server.call("GET", f"/v1/queues/{queue}/peek?{query}")
        assert (refused.status, refused.json["code"]) == (400, "request_invalid")
        assert [fault["pointer"] for fault in refused.json["errors"]] == [f"?{query.partition('=')[0]}"]


async def test_a_purge_takes_everything_but_the_queue(server: Served, queue: str) -> None:
    path = f"/v1/queues/{queue}"
    identity = await server.enqueued(queue, dedupId="once")
    await server.enqueued(queue, delay=60)
    (message,) = await server.received(queue)
    await server.enqueued(queue, orderingKey="k")
    before = (await server.call("GET", path)).json
    purged = await server.call("POST", f"{path}/purge")
    assert (purged.status, purged.json) == (200, {"messages": 3})
    after = (await server.call("GET", path)).json
    assert after == {**before, "counts": dict.fromkeys(before["counts"], 0), "oldestReadyAge": None}
    assert (await server.call("GET", f"/v1/messages/{identity}")).json["code"] == "message_not_found"
    late = await server.call("POST", f"/v1/messages/{identity}/ack", {"receipt": message["receipt"]})
    assert (late.status, late.json["code"]) == (409, "lease_lost")
    again = await server.call("POST", f"{path}/messages", {"payload": 1, "dedupId": "once"})
    assert (again.json["duplicate"], again.json["id"]) == (True, identity)
    assert (await server.call("POST", f"{path}/purge")).json == {"messages": 0}
    await server.enqueued(queue, orderingKey="k")
    assert len(await server.received(queue, "?maxMessages=9")) == 1


async def test_a_delayed_message_runs_now(server: Served, queue: str) -> None:
    identity = await server.enqueued(queue, delay=3600)
    polling = asyncio.create_task(server.received(queue, "?waitTime=30"))
    await parked(server)
    changed = await server.call("PATCH", f"/v1/messages/{identity}", {"delay": 0, "priority": 9})
    assert (changed.status, changed.json["state"], changed.json["priority"]) == (200, "ready", 9)
    async with asyncio.timeout(PATIENCE_S):
        assert [message["id"] for message in await polling] == [identity]


async def test_a_message_that_is_ready_is_put_off(server: Served, queue: str) -> None:
    identity = await server.enqueued(queue)
    changed = await server.call("PATCH", f"/v1/messages/{identity}", {"delay": 60})
    assert (changed.json["state"], "dueAt" in changed.json) == ("delayed", True)
    assert await server.received(queue) == []


@pytest.mark.parametrize(
    ("body", "pointer"), [({}, ""), ({"delay": -1}, "/delay"), ({"priority": 256}, "/priority"), ({"ttl": 1}, "/ttl")]
)
async def test_a_change_names_what_changes(server: Served, queue: str, body: object, pointer: str) -> None:
    identity = await server.enqueued(queue)
    refused = await server.call("PATCH", f"/v1/messages/{identity}", body)
    assert (refused.status, refused.json["code"]) == (400, "request_invalid")
    assert [error["pointer"] for error in refused.json["errors"]] == [pointer]


async def test_a_deleted_message_is_gone_and_its_key_goes_on(server: Served, queue: str) -> None:
    first, second = [await server.enqueued(queue, orderingKey="k") for _ in range(2)]
    deleted = await server.call("DELETE", f"/v1/messages/{first}")
    assert (deleted.status, deleted.json) == (200, {"state": "deleted"})
    again = await server.call("DELETE", f"/v1/messages/{first}")
    assert (again.status, again.json["code"]) == (404, "message_not_found")
    assert [message["id"] for message in await server.received(queue, "?maxMessages=9")] == [second]


async def test_what_somebody_holds_or_what_is_dead_stays_as_it_is(server: Served, queue: str) -> None:
    identity = await server.enqueued(queue)
    path = f"/v1/messages/{identity}"
    (message,) = await server.received(queue)
    for method, body in (("PATCH", {"delay": 0}), ("DELETE", None)):
        refused = await server.call(method, path, body)
        assert (refused.status, refused.json["code"]) == (409, "message_leased")
    await server.call("POST", f"{path}/nack", {"receipt": message["receipt"], "reject": True})
    refused = await server.call("PATCH", path, {"delay": 0})
    assert (refused.status, refused.json["code"]) == (409, "message_dead")
    assert (await server.call("DELETE", path)).status == 200


async def explained(server: Served, identity: str, query: str = "") -> dict[str, Any]:
    reply = await server.call("GET", f"/v1/messages/{identity}/explain{query}")
    assert (reply.status, reply.headers["cache-control"]) == (200, "no-store")
    explanation: dict[str, Any] = reply.json
    assert all(reason.pop("detail") for reason in explanation["reasons"])
    return explanation


async def test_a_message_explains_why_it_waits(server: Served) -> None:
    queue = await server.made_queue(next(names), maxInFlight=1)
    held = await server.enqueued(queue, orderingKey="k")
    blocked, first, second = [await server.enqueued(queue, orderingKey=key) for key in ("k", None, None)]
    late = await server.enqueued(queue, delay=60)
    assert await explained(server, second) == {
        "id": second,
        "queue": queue,
        "group": "default",
        "state": "ready",
        "deliverable": True,
        "reasons": [{"code": "behind", "ahead": 2}],
    }
    (message,) = await server.received(queue)
    leased = await explained(server, held)
    assert leased["reasons"][0] == {"code": "leased", "until": message["leasedUntil"]}
    in_flight = {"code": "queue_in_flight"}
    assert (await explained(server, first))["reasons"] == [in_flight]
    key = {"code": "ordering_key", "behind": held, "state": "leased"}
    assert (await explained(server, blocked))["reasons"] == [key, in_flight]
    await server.call("POST", f"/v1/queues/{queue}/pause")
    waiting = await explained(server, late, "?consumerGroup=default")
    assert [reason["code"] for reason in waiting["reasons"]] == ["delayed", "paused", "queue_in_flight"]
    assert (waiting["state"], waiting["deliverable"]) == ("delayed", False)
    await server.call("POST", f"/v1/messages/{held}/nack", {"receipt": message["receipt"], "reject": True})
    dead = await explained(server, held)
    assert dead["reasons"] == [{"code": "dead", "reason": "rejected"}]


async def test_a_message_that_is_done_explains_that_while_its_result_is_kept(server: Served) -> None:
    queue = await server.made_queue(next(names))
    kept, plain = [await server.enqueued(queue) for _ in range(2)]
    for message, body in zip(await server.received(queue, "?maxMessages=2"), ({"result": 7}, {}), strict=True):
        await server.call("POST", f"/v1/messages/{message['id']}/ack", {"receipt": message["receipt"], **body})
    seen = (await server.call("GET", f"/v1/messages/{kept}")).json
    result = {"doneAt": seen["doneAt"], "resultExpiresAt": seen["resultExpiresAt"]}
    assert await explained(server, kept) == {
        "id": kept,
        "queue": queue,
        "group": "default",
        "state": "done",
        "deliverable": False,
        "reasons": [{"code": "done", **result}],
    }
    assert (await server.call("GET", f"/v1/messages/{plain}/explain")).json["code"] == "message_not_found"


async def test_an_explanation_tells_of_members_and_fairness_keys(server: Served) -> None:
    config = {"fairness": {"maxInFlight": 1}, "consumerRateLimit": {"requests": 1, "per": "day", "burst": 2}}
    queue = await server.made_queue(next(names), **config)
    first, second = [await server.enqueued(queue, fairnessKey="tenant") for _ in range(2)]
    (message,) = await server.received(queue, "?maxMessages=9&consumerId=worker")
    leased = {"code": "leased", "until": message["leasedUntil"], "consumer": "worker"}
    assert (await explained(server, first))["reasons"] == [leased]
    assert (await explained(server, second))["reasons"] == [{"code": "key_in_flight"}]
    seen = (await server.call("GET", f"/v1/queues/{queue}/peek?fairnessKey=tenant")).json
    assert [message["id"] for message in seen["messages"]] == [second]
    keyed = await server.enqueued(queue, orderingKey="k")
    assigned = {"code": "key_assigned", "member": "worker"}
    mine = await explained(server, keyed, "?consumerId=worker")
    assert (mine["reasons"], mine["deliverable"]) == ([assigned], True)
    others = [await explained(server, keyed, f"?consumerId=other-{number}") for number in range(40)]
    said = [(other["reasons"], other["deliverable"]) for other in others]
    assert ([assigned], False) in said
    assert all(one in (([assigned], False), ([], True)) for one in said), "worker has it, or who asks"
    assert len(await server.received(queue, "?consumerId=worker")) == 1
    late = await server.enqueued(queue)
    limited = (await explained(server, late, "?consumerId=worker"))["reasons"]
    assert [reason["code"] for reason in limited] == ["consumer_rate_limit"]
    assert 0 < limited[0]["retryAfter"] <= 86_400


async def test_an_explanation_needs_a_message_and_its_group(server: Served, queue: str) -> None:
    identity = await server.enqueued(queue)
    for path, code in (
        (f"/v1/messages/{identity}/explain?consumerGroup=nobody", "group_not_found"),
        ("/v1/messages/00000000000g0000000g/explain", "message_not_found"),
        ("/v1/messages/abc/explain", "message_id_invalid"),
    ):
        assert (await server.call("GET", path)).json["code"] == code


async def test_a_message_that_a_group_never_had_and_a_lost_page_are_told_from_one_that_is_not_there(
    server: Served, queue: str
) -> None:
    message = await server.enqueued(queue)
    await server.call("POST", f"/v1/queues/{queue}/groups", {"name": "later"})
    never = await server.call("GET", f"/v1/messages/{message}/explain?consumerGroup=later")
    assert (never.status, never.json["code"]) == (404, "message_not_found")
    assert never.json["detail"] == "consumer group later never had this message: the group was made later"
    await server.received(queue)
    lost = await server.call("GET", f"/v1/queues/{queue}/peek?after={message}")
    assert (lost.status, lost.json["code"]) == (404, "message_not_found")
    assert "begin with the first page" in lost.json["detail"]
