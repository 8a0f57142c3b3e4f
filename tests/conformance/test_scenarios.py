"""The Python SDK against the scenarios, on a live server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from hanzo_queues import AsyncQueues
from tests.conformance import calls
from tests.conformance.consuming import consume
from tests.conformance.live import Live, live_server
from tests.conformance.vectors import Vector, differences, resolved, vectors_of


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with live_server() as running:
        yield running


@pytest.mark.parametrize("vector", vectors_of("scenario"), ids=lambda vector: vector.id)
async def test_scenario(vector: Vector, live: Live) -> None:
    await play(vector, live)


async def play(vector: Vector, live: Live) -> None:
    """Its steps, in order."""
    names = {**vector.values, **{queue: f"{queue}-{uuid.uuid4().hex}" for queue in vector.body["queues"]}}
    async with live.connect() as client:
        for number, step in enumerate(vector.body["steps"]):
            became = await _became(client, live, step, names)
            expected = resolved({name: step[name] for name in ("returns", "raises") if name in step}, names)
            assert not differences(expected, became), f"step {number}: {step['op']}"
            assert "raises" in step or "raises" not in became, f"step {number}: {became}"
            if "as" in step:
                names[step["as"]] = became["returns"]


async def _became(client: AsyncQueues, live: Live, step: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    """What became of a step: {"returns"} or {"raises"}."""
    if step["op"] == "kill":
        await live.kill()
        return {"returns": {}}
    if step["op"] == "consume":
        return {"returns": await consume(live, resolved(step["args"], names))}
    try:
        if "times" not in step:
            return {"returns": await calls.call(client, step["op"], resolved(step["args"], names))}
        arguments = [resolved(step["args"], {**names, "index": index}) for index in range(step["times"])]
        running = [asyncio.ensure_future(calls.call(client, step["op"], given)) for given in arguments]
        if "killAfter" in step:
            ends = iter(asyncio.as_completed(running))
            for _ in range(step["killAfter"]):
                await next(ends)
            await live.kill()
        return {"returns": {"all": list(await asyncio.gather(*running))}}
    except Exception as error:
        return {"raises": calls.error(error)}
