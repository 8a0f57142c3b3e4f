"""Two polls of one consumer take turns while messages come, and never ask for more than can start."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from hanzo_queues import Message, errors
from tests.unit.client_stand_in import Asked, StandIn, message, queue, running, settled, turns

LOST = errors.ServerUnreachable("broke", outcome="unknown")


class Polls(StandIn):
    """A stand-in whose receives stay open until the test answers them, in order."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.open: dict[Asked, asyncio.Future[Any]] = {}
        self._numbers = iter(range(10**6))

    async def _answer(self, asked: Asked) -> Any:
        if asked.path.endswith("/settle"):
            return settled(asked)
        if "/members/" in asked.path:
            return {"released": 0}
        if not asked.path.endswith("/messages"):
            return queue()
        self.open[asked] = asyncio.get_running_loop().create_future()
        try:
            return await self.open[asked]
        finally:
            del self.open[asked]

    @property
    def sizes(self) -> list[int]:
        """How many messages each open poll asks for."""
        return [int(asked.query["maxMessages"]) for asked in self.open]

    async def until_open(self, count: int) -> None:
        await self.until_asked(lambda: len(self.open) == count)
        await turns(50)
        assert len(self.open) == count

    async def until_turns(self) -> None:
        """The only poll brings less than it asked for: from then on two are open."""
        await self.until_open(1)
        await self.bring(1)
        await self.until_open(2)

    async def bring(self, count: int, poll: int = 0) -> None:
        """The poll, the first or another, brings so many messages."""
        asked = list(self.open)[poll]
        self.open[asked].set_result({"messages": [message(next(self._numbers)) for _ in range(count)]})
        await turns(50)


async def test_while_messages_come_one_poll_waits_as_the_other_is_answered() -> None:
    server = Polls()
    client = server.client()
    seen: list[int] = []

    @client.consumer("q", concurrency=10)
    async def note(received: Message) -> None:
        seen.append(len(server.open))

    async with running(client):
        await server.until_open(1)
        assert server.sizes == [10]  # alone it may bring all that can start
        await server.bring(2)
        await server.until_open(2)
        assert server.sizes == [5, 5]
        for _ in range(5):
            await server.bring(1)
            await server.until_open(2)
    assert seen == [0, 0, 1, 1, 1, 1, 1]  # as a handler starts, the other poll is at the server


async def test_a_poll_that_comes_back_empty_leaves_the_other_alone() -> None:
    server = Polls()
    client = server.client()
    client.consumer("q", concurrency=10)(lambda received: None)
    async with running(client):
        await server.until_turns()
        await server.bring(0)
        await server.until_turns()


async def test_a_poll_that_waits_after_an_error_leaves_none_without_another() -> None:
    server = Polls()
    client = server.client()
    client.consumer("q", concurrency=10)(lambda received: None)
    async with running(client):
        await server.until_turns()
        refused = errors.Overloaded("too much", outcome="none", retry_after=30.0)
        server.open[next(iter(server.open))].set_result(refused)
        await turns(50)
        assert len(server.open) == 1
        await server.bring(5)  # all it asked for
        await server.until_open(1)


async def test_where_messages_wait_one_poll_asks_for_all() -> None:
    """Two would be two requests for what fits in one."""
    server = Polls()
    client = server.client()

    @client.consumer("q", concurrency=10)
    async def done(received: Message) -> None: ...

    async with running(client):
        await server.until_open(1)
        await server.bring(10)
        await server.until_open(1)
        assert server.sizes == [10]
        await server.bring(9)
        await server.until_open(2)
        await server.bring(5)
        await server.until_open(1)
        assert server.sizes == [5]
        await server.bring(5)
        await server.until_open(1)
        assert server.sizes == [10]


async def test_a_poll_alone_asks_again_for_all_that_can_start() -> None:
    server = Polls()
    client = server.client()
    client.consumer("q", concurrency=10, wait_time=0.001)(lambda received: None)
    async with running(client):
        await server.until_turns()
        await server.bring(0)
        await server.bring(0)
        await server.until_open(1)
        assert server.sizes == [10]


@pytest.mark.parametrize("seed", range(20))
async def test_polls_ask_for_no_more_than_can_start(seed: int) -> None:
    """Whatever comes and ends when: then nothing waits here while another consumer is free."""
    chosen = random.Random(seed)
    limit = chosen.choice([2, 3, 7, 100])
    server = Polls()
    client = server.client()
    ends: list[asyncio.Event] = []
    running_now = 0

    @client.consumer("q", concurrency=limit, on_error=lambda *_: None)
    async def work(received: Message) -> None:
        nonlocal running_now
        running_now += 1
        ends.append(asyncio.Event())
        await ends[-1].wait()
        running_now -= 1

    async with running(client):
        await server.until_open(1)
        for _ in range(100):
            open_polls = list(server.open)
            what = chosen.random()
            if what < 0.5 and open_polls:
                poll = chosen.randrange(len(open_polls))
                await server.bring(chosen.randint(1, server.sizes[poll]), poll)
            elif what < 0.6 and open_polls:
                server.open[chosen.choice(open_polls)].set_result(LOST)
                await turns(50)
            elif ends:
                ends.pop(chosen.randrange(len(ends))).set()
                await turns(50)
            assert running_now + sum(server.sizes) <= limit
        for end in ends:
            end.set()


async def test_a_poll_whose_answer_was_lost_is_repeated_as_itself_while_the_other_goes_on() -> None:
    server = Polls()
    client = server.client()
    client.consumer("q", concurrency=10, on_error=lambda *_: None)(lambda received: None)
    async with running(client):
        await server.until_turns()
        lost, other = server.open
        server.open[lost].set_result(LOST)
        await server.until_asked(lambda: len(server.open) == 2)
        assert other in server.open
        (repeated,) = server.open.keys() - {other}
        assert repeated.query == lost.query


@pytest.mark.parametrize("kind", ["one at a time", "batches"])
async def test_one_poll_is_enough_for_one_call(kind: str) -> None:
    """It could not start what a second poll brings; and two polls would make two halves of a batch."""
    server = Polls()
    client = server.client()
    if kind == "batches":
        client.batch_consumer("q", batch_size=10, concurrency=3)(lambda received: None)
    else:
        client.consumer("q", concurrency=1)(lambda received: None)
    async with running(client):
        for _ in range(3):
            await server.until_open(1)
            await server.bring(1)
        await server.until_open(1)


async def test_a_stop_ends_both_polls() -> None:
    server = Polls()
    client = server.client()
    client.consumer("q", concurrency=10)(lambda received: None)
    async with running(client):
        await server.until_turns()
        began = asyncio.get_running_loop().time()
        client.stop()
        await server.until_asked(lambda: any("/members/" in asked.path for asked in server.asked))
    assert not server.open
    assert asyncio.get_running_loop().time() - began < 5


async def test_an_answer_that_arrives_at_a_stop_is_handled() -> None:
    """Whichever poll brings it."""
    server = Polls()
    client = server.client()
    seen: list[Any] = []
    client.consumer("q", concurrency=10)(lambda received: seen.append(received.payload))
    async with running(client):
        await server.until_turns()
        client.stop()
        await turns(20)
        await server.bring(1, poll=1)
        await server.bring(1)
    assert len(seen) == 3
