"""Acks that leave something behind: a result that is kept, and messages enqueued in the same step, or nothing."""

from __future__ import annotations

from typing import Any, cast

import pytest

from hanzo_queues.server.limits_table import LIMITS
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
        assert (again.status, again.json) == (200, done.json | {"already": True})
        (first,) = await server.received("next")
        assert (first["id"], first["payload"], first["priority"]) == (done.json["enqueued"][0]["id"], {"of": 1}, 9)
        assert first["metadata"] == {"a": 1}
        seen = (await server.call("GET", f"/v1/messages/{identity}")).json
        assert (seen["id"], seen["queue"], seen["state"], seen["result"]) == (identity, "q", "done", {"sum": 1.10})
        duplicate = await server.call("POST", "/v1/queues/q/messages", {"payload": 1, "dedupId": "once"})
        assert (duplicate.status, duplicate.json["state"], duplicate.json["result"]) == (200, "done", {"sum": 1.10})


async def test_a_follow_up_that_was_there_before_is_told_as_it_is() -> None:
    async with served() as server:
        await server.made_queue("q")
        done, receipt = await leased(server, dedupId="done")
        await server.call("POST", f"/v1/messages/{done}/ack", {"receipt": receipt})
        waits = await server.enqueued("q", dedupId="waits", delay=60)
        identity, receipt = await leased(server, dedupId="itself")
        follow = [{"queue": "q", "payload": 1, "dedupId": of} for of in ("done", "waits", "itself")]
        path, body = f"/v1/messages/{identity}/ack", {"receipt": receipt, "enqueue": follow}
        told = (await server.call("POST", path, body)).json
        states = [(done, "done"), (waits, "delayed"), (identity, "done")]
        assert [(entry["id"], entry["state"]) for entry in told["enqueued"]] == states
        assert (await server.call("POST", path, body)).json == told | {"already": True}


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


async def test_acks_of_a_settle_bring_results_and_messages_each_by_itself() -> None:
    async with served() as server:
        await server.made_queue("q")
        held = [await leased(server) for _ in range(3)]
        acks: list[dict[str, Any]] = [{"id": identity, "receipt": receipt} for identity, receipt in held]
        acks[0] |= {"result": {"sum": 1.10}, "enqueue": [{"queue": "q", "payload": {"of": 1}}]}
        acks[1] |= {"result": 2, "enqueue": [{"queue": "q", "payload": 1}, {"queue": "none", "payload": 2}]}
        nacks = [{"id": held[2][0], "receipt": "no", "error": "not a receipt"}]
        settled = (await server.call("POST", "/v1/queues/q/settle", {"acks": acks, "nacks": nacks})).json
        first, refused, plain = settled["acks"]
        assert (first["already"], first["enqueued"][0]["state"], settled["failed"]) == (False, "ready", 2)
        assert refused["error"]["code"] == "batch_aborted"
        assert [entry["error"]["code"] for entry in refused["results"]] == ["batch_aborted", "queue_not_found"]
        assert plain == {"state": "acked", "already": False}
        assert (await server.call("GET", f"/v1/messages/{held[0][0]}")).json["result"] == {"sum": 1.10}
        (follow_up,) = await server.received("q", "?maxMessages=9")
        assert (follow_up["id"], follow_up["payload"]) == (first["enqueued"][0]["id"], {"of": 1})
        again = (await server.call("POST", "/v1/queues/q/settle", {"acks": acks[:1]})).json
        enqueued = [first["enqueued"][0] | {"state": "leased"}]
        assert again["acks"] == [{"state": "acked", "already": True, "enqueued": enqueued}]


async def test_acks_of_a_settle_enqueue_a_batch_together_at_most() -> None:
    async with served() as server:
        await server.made_queue("q")
        held = [await leased(server) for _ in range(2)]
        acks: list[dict[str, Any]] = [
            {"id": identity, "receipt": receipt, "enqueue": [{"queue": "q", "payload": 1}] * 51}
            for identity, receipt in held
        ]
        refused = await server.call("POST", "/v1/queues/q/settle", {"acks": acks})
        assert (refused.status, refused.json["code"]) == (413, "batch_too_large")
        acks[0]["receipt"] = 1
        acks[1]["enqueue"] = [{"queue": "q"}]
        refused = await server.call("POST", "/v1/queues/q/settle", {"acks": acks})
        pointers = [error["pointer"] for error in refused.json["errors"]]
        assert pointers == ["/acks/0/receipt", "/acks/1/enqueue/0/payload"]


async def test_an_ack_makes_room_in_its_own_full_queue() -> None:
    async with served() as server:
        await server.made_queue("q", maxMessages=1)
        identity, receipt = await leased(server)
        body = {"receipt": receipt, "enqueue": [{"queue": "q", "payload": 1}]}
        done = await server.call("POST", f"/v1/messages/{identity}/ack", body)
        assert (done.status, len(done.json["enqueued"])) == (200, 1)


async def test_the_oldest_results_make_room_for_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cast(dict[str, int], LIMITS), "results_bytes_max", 2048)
    async with served() as server:
        await server.made_queue("q")
        done = [await leased(server) for _ in range(3)]
        for identity, receipt in done:
            await server.call("POST", f"/v1/messages/{identity}/ack", {"receipt": receipt, "result": 1})
        kept = [(await server.call("GET", f"/v1/messages/{identity}")).status for identity, _ in done]
        assert kept == [404, 200, 200]


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
