"""Every route, used as it is meant to be used."""

from __future__ import annotations

import re
from itertools import count

import orjson
import pytest

from tests.contract.http_server import Served

pytestmark = pytest.mark.asyncio(loop_scope="module")

MESSAGE_ID = re.compile(r"[0-9a-v]{20}")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
names = (f"queue-{number}" for number in count())


async def test_health_needs_no_key(server: Served) -> None:
    live = await server.call("GET", "/health/live", key=False)
    assert (live.status, live.json) == (200, {"status": "live"})
    ready = await server.call("GET", "/health/ready", key=False)
    assert (ready.status, ready.json) == (200, {"status": "ready"})


async def test_the_contract_is_served(server: Served) -> None:
    reply = await server.call("GET", "/openapi.json")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.json["openapi"].startswith("3.1")


async def test_create_is_idempotent(server: Served) -> None:
    body = {"name": next(names), "config": {"maxRetries": 5, "visibilityTimeout": 1.5}}
    first = await server.call("POST", "/v1/queues", body)
    again = await server.call("POST", "/v1/queues", body)
    assert (first.status, again.status) == (201, 200)
    assert first.json == again.json
    assert first.json["name"] == body["name"]
    assert first.json["config"]["maxRetries"] == 5
    assert first.json["config"]["visibilityTimeout"] == 1.5
    assert INSTANT.fullmatch(first.json["createdAt"])
    assert set(first.json["counts"]) == {"ready", "blocked", "delayed", "leased", "dead"}


async def test_get_update_delete_a_queue(server: Served, queue: str) -> None:
    path = f"/v1/queues/{queue}"
    assert (await server.call("GET", path)).json["config"]["visibilityTimeout"] == 30
    updated = await server.call("PATCH", path, {"config": {"visibilityTimeout": 120}})
    assert (updated.status, updated.json["config"]["visibilityTimeout"]) == (200, 120)
    assert (await server.call("GET", path)).json["config"]["visibilityTimeout"] == 120
    await server.enqueued(queue)
    deleted = await server.call("DELETE", path)
    assert (deleted.status, deleted.json) == (200, {"messages": 1})
    assert (await server.call("GET", path)).status == 404


async def test_queues_are_listed_in_pages(server: Served) -> None:
    for name in ("zz-1", "zz-2", "zz-3"):
        await server.made_queue(name)
    first = (await server.call("GET", "/v1/queues?after=zz-&limit=2")).json
    assert [queue["name"] for queue in first["queues"]] == ["zz-1", "zz-2"]
    last = (await server.call("GET", f"/v1/queues?after={first['next']}")).json
    assert [queue["name"] for queue in last["queues"]] == ["zz-3"]
    assert last["next"] is None


async def test_enqueue_once(server: Served, queue: str) -> None:
    path = f"/v1/queues/{queue}/messages"
    first = await server.call("POST", path, {"payload": {"a": 1}, "dedupId": "once"})
    again = await server.call("POST", path, {"payload": {"a": 1}, "dedupId": "once"})
    other = await server.call("POST", path, {"payload": {"a": 2}, "dedupId": "once"})
    assert (first.status, first.json["state"], first.json["duplicate"]) == (201, "ready", False)
    assert MESSAGE_ID.fullmatch(first.json["id"])
    assert (again.status, again.json) == (200, {"id": first.json["id"], "state": "ready", "duplicate": True})
    assert (other.status, other.json["code"]) == (409, "dedup_conflict")


async def test_a_payload_comes_back_byte_for_byte(server: Served, queue: str) -> None:
    payload = b'{ "n" : 1.0e2,\t"big":123456789012345678901234567890, "s": "\\u00e9 \xc3\xa9", "n": [ ] }'
    sent = await server.call("POST", f"/v1/queues/{queue}/messages", b'{"payload":' + payload + b',"priority":7}')
    assert sent.status == 201
    reply = await server.call("GET", f"/v1/queues/{queue}/messages")
    assert b'"payload":' + payload in reply.text
    assert reply.headers["cache-control"] == "no-store"


async def test_receive_ack_and_ack_again(server: Served, queue: str) -> None:
    identity = await server.enqueued(queue, metadata={"k": [1]}, priority=9)
    (message,) = await server.received(queue, "?maxMessages=10&visibilityTimeout=20&consumerId=me")
    assert message["id"] == identity
    assert (message["queue"], message["payload"], message["priority"]) == (queue, 1, 9)
    assert (message["metadata"], message["deliveries"], message["attempts"]) == ({"k": [1]}, 1, 0)
    assert INSTANT.fullmatch(message["enqueuedAt"])
    assert INSTANT.fullmatch(message["leasedUntil"])
    assert await server.received(queue) == []
    body = {"receipt": message["receipt"]}
    first = await server.call("POST", f"/v1/messages/{identity}/ack", body)
    again = await server.call("POST", f"/v1/messages/{identity}/ack", body)
    assert (first.status, first.json) == (200, {"state": "acked", "already": False})
    assert (again.status, again.json) == (200, {"state": "acked", "already": True})
    assert (await server.call("GET", f"/v1/messages/{identity}")).json["code"] == "message_not_found"


async def test_nack_delays_and_keeps_the_message(server: Served, queue: str) -> None:
    identity = await server.enqueued(queue)
    (message,) = await server.received(queue)
    body = {"receipt": message["receipt"], "delay": 60, "error": "no luck"}
    nacked = await server.call("POST", f"/v1/messages/{identity}/nack", body)
    assert (nacked.status, nacked.json["state"]) == (200, "delayed")
    assert INSTANT.fullmatch(nacked.json["dueAt"])
    seen = (await server.call("GET", f"/v1/messages/{identity}")).json
    assert (seen["state"], seen["attempts"], seen["dueAt"]) == ("delayed", 1, nacked.json["dueAt"])
    late = await server.call("POST", f"/v1/messages/{identity}/extend", {"receipt": message["receipt"]})
    assert (late.status, late.json["code"]) == (409, "lease_lost")


async def test_extend_prolongs_the_lease(server: Served, queue: str) -> None:
    identity = await server.enqueued(queue)
    (message,) = await server.received(queue, "?visibilityTimeout=5")
    body = {"receipt": message["receipt"], "visibilityTimeout": 600}
    extended = await server.call("POST", f"/v1/messages/{identity}/extend", body)
    assert extended.status == 200
    assert extended.json["leasedUntil"] > message["leasedUntil"]


async def test_a_batch_has_a_result_an_entry(server: Served, queue: str) -> None:
    await server.enqueued(queue, dedupId="taken")
    messages = [{"payload": 1}, {"payload": 2, "dedupId": "taken"}, {"payload": 3, "delay": 9}]
    reply = await server.call("POST", f"/v1/queues/{queue}/messages/batch", {"messages": messages})
    assert (reply.status, reply.json["failed"]) == (200, 1)
    first, second, third = reply.json["results"]
    assert (first["state"], second["error"]["code"], third["state"]) == ("ready", "dedup_conflict", "delayed")


async def test_an_atomic_batch_is_all_or_nothing(server: Served, queue: str) -> None:
    await server.enqueued(queue, dedupId="taken")
    body = {"messages": [{"payload": 1}, {"payload": 2, "dedupId": "taken"}], "atomic": True}
    reply = await server.call("POST", f"/v1/queues/{queue}/messages/batch", body)
    assert (reply.status, reply.json["code"]) == (409, "batch_aborted")
    assert reply.headers["content-type"] == "application/problem+json"
    codes = [result["error"]["code"] for result in reply.json["results"]]
    assert codes == ["batch_aborted", "dedup_conflict"]
    assert (await server.call("GET", f"/v1/queues/{queue}")).json["counts"]["ready"] == 1


async def test_settle_mixes(server: Served, queue: str) -> None:
    for _ in range(4):
        await server.enqueued(queue)
    acked, nacked, extended, lost = await server.received(queue, "?maxMessages=4")
    one = {"id": lost["id"], "receipt": lost["receipt"]}
    await server.call("POST", f"/v1/messages/{lost['id']}/nack", {"receipt": lost["receipt"]})
    body = {
        "acks": [{"id": acked["id"], "receipt": acked["receipt"]}, one],
        "nacks": [{"id": nacked["id"], "receipt": nacked["receipt"], "reject": True}],
        "extends": [{"id": extended["id"], "receipt": extended["receipt"], "visibilityTimeout": 99}],
    }
    reply = await server.call("POST", f"/v1/queues/{queue}/settle", body)
    assert (reply.status, reply.json["failed"]) == (200, 1)
    assert reply.json["acks"][0] == {"state": "acked", "already": False}
    assert reply.json["acks"][1]["error"]["code"] == "lease_lost"
    assert reply.json["nacks"] == [{"state": "dead"}]
    assert INSTANT.fullmatch(reply.json["extends"][0]["leasedUntil"])


async def test_peek_leases_nothing(server: Served, queue: str) -> None:
    identities = [await server.enqueued(queue) for _ in range(3)]
    first = (await server.call("GET", f"/v1/queues/{queue}/peek?limit=2")).json
    rest = (await server.call("GET", f"/v1/queues/{queue}/peek?state=ready&after={first['next']}")).json
    seen = [message["id"] for message in first["messages"] + rest["messages"]]
    assert seen == identities
    assert rest["next"] is None
    assert len(await server.received(queue, "?maxMessages=3")) == 3


async def test_a_dead_message_goes_where_the_queue_says(server: Served) -> None:
    queue = await server.made_queue(next(names), maxRetries=0, deadLetterQueue="the-dlq")
    identity = await server.enqueued(queue, payload={"bad": True})
    (message,) = await server.received(queue)
    body = {"receipt": message["receipt"], "error": "poison"}
    nacked = await server.call("POST", f"/v1/messages/{identity}/nack", body)
    assert nacked.json["state"] == "deadLettered"
    dead = (await server.call("GET", f"/v1/messages/{nacked.json['deadLetterId']}")).json
    assert (dead["queue"], dead["payload"]) == ("the-dlq", {"bad": True})
    assert (dead["deadLetter"]["sourceQueue"], dead["deadLetter"]["sourceId"]) == (queue, identity)
    assert dead["deadLetter"]["error"] == "poison"


async def test_many_answers_are_one_line_of_json(server: Served, queue: str) -> None:
    for _ in range(30):
        await server.enqueued(queue, payload={"text": "ü" * 100})
    reply = await server.call("GET", f"/v1/queues/{queue}/messages?maxMessages=100")
    assert len(orjson.loads(reply.text)["messages"]) == 30
    assert int(reply.headers["content-length"]) == len(reply.text)
