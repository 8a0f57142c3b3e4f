"""A consumer whose concurrency has bounds follows backlog and handler time. What it should be, look by look, is in
spec/vectors/scaling."""

from __future__ import annotations

import asyncio

import pytest

from hanzo_queues import AsyncQueues, Message


async def test_it_grows_under_a_backlog_and_stays_within_its_bounds(queues: AsyncQueues, name: str) -> None:
    running, most = 0, 0

    @queues.consumer(name, concurrency=(1, 6))
    async def slow(message: Message) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)  # the work itself
        running -= 1
        if most == 6:
            queues.stop()

    await asyncio.gather(*(queues.enqueue(name, number) for number in range(1000)))
    async with asyncio.timeout(60):
        await queues.run(signals=False, grace=5)
    assert most == 6


def test_bounds_the_wrong_way_round_are_refused(queues: AsyncQueues) -> None:
    with pytest.raises(ValueError, match="the smaller bound first"):
        queues.consumer("q", concurrency=(3, 2))
