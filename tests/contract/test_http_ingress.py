"""Acceptance within a limit: what exceeds it is told when to come back."""

from __future__ import annotations

from tests.contract.http_server import served

LIMIT = {"requests": 10, "per": "hour", "burst": 2}
MESSAGES = "/v1/queues/q/messages"


async def test_what_exceeds_the_limit_is_told_when_to_come_back() -> None:
    async with served() as server:
        await server.made_queue("q", ingressLimit=LIMIT)
        first = await server.enqueued("q", dedupId="a")
        await server.enqueued("q")
        refused = await server.call("POST", MESSAGES, {"payload": 1})
        assert (refused.status, refused.json["code"], refused.json["retryable"]) == (429, "rate_limited", True)
        assert 350 < refused.json["retryAfter"] <= 360
        assert refused.headers["retry-after"] == "360"
        again = await server.call("POST", MESSAGES, {"payload": 1, "dedupId": "a"})
        assert (again.status, again.json["id"]) == (200, first)


async def test_a_batch_is_accepted_as_far_as_the_limit_goes() -> None:
    async with served() as server:
        await server.made_queue("q", ingressLimit=LIMIT)
        batch = {"messages": [{"payload": number} for number in range(3)]}
        reply = await server.call("POST", f"{MESSAGES}/batch", batch)
        assert (reply.status, reply.json["failed"]) == (200, 1)
        error = reply.json["results"][2]["error"]
        assert error["code"] == "rate_limited"
        assert 350 < error["retryAfter"] <= 360


async def test_an_atomic_batch_larger_than_the_burst_never_fits() -> None:
    async with served() as server:
        await server.made_queue("q", ingressLimit=LIMIT)
        batch = {"messages": [{"payload": number} for number in range(3)], "atomic": True}
        reply = await server.call("POST", f"{MESSAGES}/batch", batch)
        assert (reply.status, reply.json["code"]) == (409, "batch_aborted")
        error = reply.json["results"][2]["error"]
        assert "never accepts more than 2 messages at once" in error["detail"]
        assert "retryAfter" not in error
        assert (await server.call("GET", "/v1/queues/q")).json["counts"]["ready"] == 0
