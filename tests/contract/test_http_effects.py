"""What a consumer's answer brings about: releases that cost no attempt, results, follow-ups, duplicates."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.http_server import Served

pytestmark = pytest.mark.asyncio(loop_scope="module")

async def leased(server: Served, queue: str, **message: Any) -> dict[str, Any]:
    """A message, enqueued and received."""
    await server.enqueued(queue, **message)
    (received,) = await server.received(queue)
    return received


async def test_release_costs_no_attempt(server: Served, queue: str) -> None:
    message = await leased(server, queue, maxRetries=0)
    path = f"/v1/messages/{message['id']}"
    released = await server.call("POST", f"{path}/release", {"receipt": message["receipt"]})
    assert (released.status, released.json["state"]) == (200, "ready")
    (again,) = await server.received(queue)
    assert (again["id"], again["deliveries"], again["attempts"]) == (message["id"], 2, 0)
    later = await server.call("POST", f"{path}/release", {"receipt": again["receipt"], "delay": 60})
    assert later.json["state"] == "delayed"
    repeated = await server.call("POST", f"{path}/release", {"receipt": again["receipt"], "delay": 60})
    assert (repeated.status, repeated.json) == (200, {"state": "settled"})
    assert (await server.call("GET", path)).json["dueAt"] == later.json["dueAt"]
    lost = await server.call("POST", f"{path}/release", {"receipt": message["receipt"]})
    assert (lost.status, lost.json["code"]) == (409, "lease_lost")


async def test_settle_releases(server: Served, queue: str) -> None:
    message = await leased(server, queue)
    entry = {"id": message["id"], "receipt": message["receipt"]}
    settled = await server.call(
        "POST", f"/v1/queues/{queue}/settle", {"releases": [{**entry, "delay": 5}, {"id": "x", "receipt": "x"}]}
    )
    assert settled.json["releases"][0]["state"] == "delayed"
    assert settled.json["releases"][1]["error"]["code"] == "message_id_invalid"
    assert settled.json["failed"] == 1
