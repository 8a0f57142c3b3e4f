"""The Python SDK against the vectors that need no server: wire, retry, sharing, scaling."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hanzo_queues import AsyncQueues, Called
from hanzo_queues.client.retry import RetryPolicy
from hanzo_queues.client.scaling import Scale, Seen
from tests.conformance import calls
from tests.conformance.canned import Asked, CannedConnection, canned_server
from tests.conformance.vectors import Vector, differences, resolved, vectors_of

HEADERS = {"Authorization": "Bearer test-key", "Accept": "application/json"}


def ids(vector: Vector) -> str:
    return vector.id


async def outcome(client: AsyncQueues, call: dict[str, Any]) -> dict[str, Any]:
    """What became of a call: {"returns"} or {"raises"}."""
    try:
        return {"returns": await calls.call(client, call["op"], call["args"])}
    except Exception as error:
        return {"raises": calls.error(error)}


def check(step: dict[str, Any], became: dict[str, Any]) -> None:
    expected = {name: step[name] for name in ("returns", "raises") if name in step}
    assert list(expected) == list(became), became
    assert not differences(expected, became)


def check_told(expected: dict[str, Any], events: list[Called]) -> None:
    """What the hook was told, where the vector says so."""
    found = [calls.told(event) for event in events]
    assert len(found) == len(expected.get("told", found))
    assert not differences(expected.get("told", []), found[: len(expected.get("told", []))])


def check_request(expected: dict[str, Any], asked: Asked) -> None:
    assert not differences(expected, asked.told(), whole=True)


def check_headers(asked: Asked) -> None:
    assert {name: asked.headers.get(name) for name in HEADERS} == HEADERS
    assert asked.headers["User-Agent"].startswith("hanzo-queues-")
    assert asked.headers.get("Content-Type") == (None if asked.body is None else "application/json")


@pytest.mark.parametrize("vector", vectors_of("wire"), ids=ids)
async def test_wire(vector: Vector) -> None:
    steps = resolved(vector.body["steps"], vector.values)
    exchanges = [exchange for step in steps for exchange in step["exchanges"]]
    events: list[Called] = []
    async with (
        canned_server([exchange["response"] for exchange in exchanges]) as (url, asked),
        AsyncQueues("test-key", url=url, retries_max=0, on_call=events.append) as client,
    ):
        for step in steps:
            events.clear()
            check(step, await outcome(client, step))
            check_told(step, events)
    assert len(asked) == len(exchanges)
    for exchange, request in zip(exchanges, asked, strict=True):
        check_request(exchange["request"], request)
        check_headers(request)


@pytest.mark.parametrize("vector", vectors_of("retry"), ids=ids)
async def test_retry(vector: Vector) -> None:
    body = resolved(vector.body, vector.values)
    jitter = list(body.get("jitter", ()))
    retries_max = body.get("settings", {}).get("retriesMax", 8)
    delays: list[float] = []

    async def sleep(delay: float) -> None:
        delays.append(delay)

    connection = CannedConnection(body["responses"])
    events: list[Called] = []
    client = AsyncQueues("test-key", retries_max=retries_max, on_call=events.append, connect=lambda: connection)
    client._transport._sleep = sleep
    client._transport._policy = RetryPolicy(retries_max, chance=lambda: jitter.pop(0) if jitter else 1.0)
    check(body, await outcome(client, body))
    await client.close()
    check_told(body, events)
    assert delays == pytest.approx(body["delays"])
    assert len(set(connection.asked_bytes())) == 1


@pytest.mark.parametrize("vector", vectors_of("sharing"), ids=ids)
async def test_sharing(vector: Vector) -> None:
    body = resolved(vector.body, vector.values)
    connection = CannedConnection([exchange["response"] for exchange in body["exchanges"]])
    connection.held = asyncio.Event()
    events: list[Called] = []
    client = AsyncQueues("test-key", on_call=events.append, connect=lambda: connection)
    client._transport._sleep = _at_once
    running = []
    for call in (body["first"], *body["then"]):
        running.append(asyncio.create_task(outcome(client, call)))
        for _ in range(10):  # until it waits: for its answer, or for its turn
            await asyncio.sleep(0)
    connection.held.set()
    ended = await asyncio.gather(*running)
    await client.close()
    for expected, became in zip(body["outcomes"], ended, strict=True):
        check(expected, became)
    check_told(body, events)
    for exchange, request in zip(body["exchanges"], connection.asked, strict=True):
        check_request(exchange["request"], request)


@pytest.mark.parametrize("vector", vectors_of("scaling"), ids=ids)
def test_scaling(vector: Vector) -> None:
    body = vector.body
    scale = Scale(body["min"], body["max"])
    scale.current = body["begin"]
    looks = [look for look in body["looks"] for _ in range(look["times"])]
    found = [scale.next(Seen(look["backlog"], look["handlerSeconds"], look["busy"])) for look in looks]
    assert found == body["concurrency"]


async def _at_once(delay: float) -> None:
    await asyncio.sleep(0)
