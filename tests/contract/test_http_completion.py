"""Acks that leave something behind: a result that is kept, and messages enqueued in the same step, or nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.http_server import Served, served


async def leased(server: Served, queue: str = "q", **message: Any) -> tuple[str, str]:
    """Id and receipt of a message somebody works on."""
    await server.enqueued(queue, **message)
    (held,) = await server.received(queue)
    return held["id"], held["receipt"]


async def test_an_ack_keeps_a_result_and_enqueues_what_follows() -> None:
    async with served() as server:
        await server.made_queue("q")
        await server.made_queue("next")
        identity, receipt = await leased(server, dedupId="once")
        one = {"queue": "next", "payload": {"of": 1}, "priority": 9, "metadata": {"a": 1}}
        follow = [one, {"queue": "q", "payload": 2}]
        body = {"receipt": receipt, "result": {"sum": 1.10}, "enqueue": follow}
        done = await server.call("POST", f"/v1/messages/{identity}/ack", body)
        assert (done.status, done.json["state"], done.json["already"]) == (200, "acked", False)
        assert [entry["duplicate"] for entry in done.json["enqueued"]] == [False, False]
        again = await server.call("POST", f"/v1/messages/{identity}/ack", body)
        assert (again.status, again.json) == (200, {"state": "acked", "already": True, "enqueued": []})
        (first,) = await server.received("next")
        assert (first["id"], first["payload"], first["priority"]) == (done.json["enqueued"][0]["id"], {"of": 1}, 9)
        assert first["metadata"] == {"a": 1}
        seen = (await server.call("GET", f"/v1/messages/{identity}")).json
        assert (seen["id"], seen["queue"], seen["state"], seen["result"]) == (identity, "q", "done", {"sum": 1.10})
        duplicate = await server.call("POST", "/v1/queues/q/messages", {"payload": 1, "dedupId": "once"})
        assert (duplicate.status, duplicate.json["state"], duplicate.json["result"]) == (200, "done", {"sum": 1.10})


async def test_a_follow_up_that_is_refused_leaves_all_as_it_was() -> None:
    async with served() as server:
        await server.made_queue("q")
        identity, receipt = await leased(server)
        follow = [{"queue": "q", "payload": 1}, {"queue": "none", "payload": 2}]
        ack = f"/v1/messages/{identity}/ack"
        refused = await server.call("POST", ack, {"receipt": receipt, "result": 1, "enqueue": follow})
        assert (refused.status, refused.json["code"], refused.json["failed"]) == (409, "batch_aborted", 2)
        codes = [entry["error"]["code"] for entry in refused.json["results"]]
        assert codes == ["batch_aborted", "queue_not_found"]
        counts = (await server.call("GET", "/v1/queues/q")).json["counts"]
        assert (counts["ready"], counts["leased"]) == (0, 1)
        assert (await server.call("POST", ack, {"receipt": receipt})).json == {"state": "acked", "already": False}


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"enqueue": {}}, "/enqueue"),
        ({"enqueue": [{"payload": 1}]}, "/enqueue/0/queue"),
        ({"enqueue": [{"queue": "q"}]}, "/enqueue/0/payload"),
        ({"enqueue": [{"queue": "q", "payload": 1, "delay": -1}]}, "/enqueue/0/delay"),
        ({"enqueue": [{"queue": "a b", "payload": 1}]}, "/enqueue/0/queue"),
        ({"enqueue": [{"queue": "q", "payload": 1}] * 101}, "/enqueue"),
        ({"result": "x" * 1_048_577}, "/result"),
    ],
)
async def test_what_an_ack_brings_is_checked_before_anything_happens(fields: dict[str, Any], pointer: str) -> None:
    async with served() as server:
        await server.made_queue("q")
        identity, receipt = await leased(server)
        refused = await server.call("POST", f"/v1/messages/{identity}/ack", {"receipt": receipt, **fields})
        assert refused.status in (400, 413)
        assert [error["pointer"] for error in refused.json["errors"]] == [pointer]
        assert (await server.call("GET", "/v1/queues/q")).json["counts"]["leased"] == 1
