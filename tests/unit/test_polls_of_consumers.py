"""Long polls that their consumer's own rate limit holds back: they wait for its tokens, and are in nobody's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hanzo_queues._core import Command
from hanzo_queues.server.answer import Answer
from hanzo_queues.server.partition import Partition
from tests.unit.served_partition import PARSER, GatedJournal, created, enqueue, payloads, ready, serving

# A second token comes long after the test.
SLOW = {"requests": 1, "per": "hour", "burst": 1}


def receive(consumer: str) -> Command:
    return PARSER.receive("q", group=None, consumer=consumer, messages_max=1, visibility_timeout_ms=None)


def poll(partition: Partition, consumer: str, wait_s: float = 30) -> asyncio.Future[Answer]:
    return asyncio.ensure_future(partition.receive("q", receive(consumer), wait_s, consumer))


async def got(polling: asyncio.Future[Answer]) -> object:
    return payloads(await asyncio.wait_for(polling, 5))


@asynccontextmanager
async def limited(**limit: object) -> AsyncIterator[Partition]:
    """A queue whose consumer `a` has no token left."""
    async with serving(GatedJournal()) as partition:
        await created(partition, "q", consumerRateLimit={**SLOW, **limit})
        await partition.submit(enqueue("first", queue="q"))
        assert await got(poll(partition, "a", 0)) == ["first"]
        yield partition


async def parked(partition: Partition, count: int) -> None:
    await ready(partition)
    assert partition._polls.parked == count


async def test_a_limited_consumer_holds_up_no_other_that_comes_later() -> None:
    async with limited() as partition:
        await partition.submit(enqueue("second", queue="q"))
        held = [poll(partition, "a") for _ in range(3)]
        await parked(partition, 3)
        assert await got(poll(partition, "b")) == ["second"]
        await partition.submit(enqueue("third", queue="q"))
        assert await got(poll(partition, "c")) == ["third"]
        await parked(partition, 3)
        for one in held:
            one.cancel()


async def test_a_message_that_wakes_a_limited_consumer_goes_to_the_next() -> None:
    async with limited() as partition:
        held = [poll(partition, "a") for _ in range(3)]
        other = poll(partition, "b")
        await parked(partition, 4)
        await partition.submit(enqueue("second", queue="q"))
        assert await got(other) == ["second"], "the first poll in line may not have it"
        for one in held:
            one.cancel()


async def test_a_token_of_a_consumer_wakes_one_of_its_polls() -> None:
    async with limited(requests=20, per="second") as partition:
        for number in range(3):
            await partition.submit(enqueue(number, queue="q"))
        polls = [poll(partition, "a") for _ in range(3)]
        assert [await got(one) for one in polls] == [[0], [1], [2]], "who came first is served first"
        assert not partition._polls._lines or await until_idle(partition)


async def until_idle(partition: Partition) -> bool:
    """The last token's timer may still be on its way."""
    async with asyncio.timeout(5):
        while partition._polls._lines:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return True


async def test_a_held_poll_that_leaves_passes_its_token_on() -> None:
    async with limited(requests=5, per="second") as partition:
        await partition.submit(enqueue("second", queue="q"))
        gone, stays = poll(partition, "a"), poll(partition, "a")
        await parked(partition, 2)
        gone.cancel()
        assert await got(stays) == ["second"]


async def test_a_consumers_limit_that_is_lifted_wakes_whom_it_held_back() -> None:
    async with limited() as partition:
        await partition.submit(enqueue("second", queue="q"))
        await partition.submit(enqueue("third", queue="q"))
        held = [poll(partition, "a") for _ in range(2)]
        await parked(partition, 2)
        await partition.submit(PARSER.update_queue("q", b'{"config": {"consumerRateLimit": null}}'))
        assert [await got(one) for one in held] == [["second"], ["third"]]


async def test_messages_that_a_limited_consumer_may_not_have_ask_for_none_of_its_polls() -> None:
    async with limited() as partition:
        held = [poll(partition, "a") for _ in range(20)]
        await partition.submit(enqueue(0, queue="q"))
        await parked(partition, 20)
        asked = 0
        put = partition._inbox.put

        def counting(request: object) -> None:
            nonlocal asked
            asked += 1
            put(request)  # type: ignore[arg-type]

        partition._polls._ask_again = counting
        for number in range(10):
            await partition.submit(enqueue(number, queue="q"))
        await parked(partition, 20)
        assert asked <= 20, "each learns once that it is held back"
        for one in held:
            one.cancel()
