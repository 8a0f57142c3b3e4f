"""What no vector says of an `enqueue_batch` of several requests: it is cancelled between them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hanzo_queues import AsyncQueues
from tests.unit.client_stand_in import Asked, StandIn, accepted


async def second_one_waits() -> tuple[StandIn, AsyncQueues]:
    async def answers(asked: Asked) -> Any:
        if len(stand_in.asked) > 1:
            await asyncio.Event().wait()
        return accepted(asked)

    stand_in = StandIn(answers)
    return stand_in, AsyncQueues("key", connect=lambda: stand_in, batch_entries_max=2)


async def test_who_cancels_it_learns_what_was_stored() -> None:
    stand_in, client = await second_one_waits()
    batch = asyncio.create_task(client.enqueue_batch("q", [{"payload": number} for number in range(5)]))
    await stand_in.until_asked(lambda: len(stand_in.asked) == 2)
    batch.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await batch
    assert [one.id for one in caught.value.results] == ["0", "1"]  # type: ignore[attr-defined]


async def test_whose_time_is_over_learns_it_too() -> None:
    _, client = await second_one_waits()
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0.05):
            await client.enqueue_batch("q", [{"payload": number} for number in range(5)])
    cause = caught.value.__cause__
    assert isinstance(cause, asyncio.CancelledError)
    assert len(cause.results) == 2  # type: ignore[attr-defined]
