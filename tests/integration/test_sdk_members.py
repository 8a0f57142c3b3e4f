"""Consumers as members of a group, against a real server: seen, sticky, alive while they work, gone when they stop."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from examples.local_server import LocalServer
from hanzo_queues import AsyncQueues, Group, Handled, Message, errors

NUMBERS = itertools.count()
SESSION_S = 3


@pytest.fixture
async def brief(queues: AsyncQueues) -> str:
    """A queue whose sessions end soon, and yet outlast a busy machine."""
    return (await queues.create(f"brief-{next(NUMBERS)}", {"session_timeout": SESSION_S})).name


async def group_when(queues: AsyncQueues, name: str, condition: Callable[[Group], bool]) -> Group:
    """The group as soon as it is so: who looks from outside can only look again."""
    async with asyncio.timeout(20):
        while not condition(group := await queues.get_group(name)):
            pass
        return group


async def test_a_consumer_is_a_member_until_it_stops(queues: AsyncQueues, name: str) -> None:
    release = asyncio.Event()

    @queues.consumer(name)
    async def work(message: Message) -> None:
        await release.wait()

    await queues.enqueue(name, 1, ordering_key="k")
    run = asyncio.create_task(queues.run())
    group = await group_when(queues, name, lambda group: any(member.leased for member in group.members))
    [member] = group.members
    assert (member.leased, member.keys) == (1, 1)
    assert member.joined_at <= member.last_seen_at <= datetime.now(UTC) + timedelta(seconds=1)
    assert "-" in member.id
    release.set()
    queues.stop()
    await run
    assert (await queues.get_group(name)).members == ()


async def test_a_handler_may_take_longer_than_a_session(
    queues: AsyncQueues, brief: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all its handlers busy the consumer does not poll; only heartbeats keep it a member."""
    handled: asyncio.Queue[Handled] = asyncio.Queue()
    beats = asyncio.Semaphore(0)
    heartbeat = queues.heartbeat

    async def beat_and_tell(*arguments: Any, **options: Any) -> Any:
        until = await heartbeat(*arguments, **options)
        beats.release()
        return until

    monkeypatch.setattr(queues, "heartbeat", beat_and_tell)

    @queues.consumer(brief, concurrency=1, visibility_timeout=60, on_handled=handled.put_nowait)
    async def work(message: Message) -> None:
        for _ in range(4):  # each after a third of a session
            await beats.acquire()

    await queues.enqueue(brief, 1)
    run = asyncio.create_task(queues.run())
    event = await asyncio.wait_for(handled.get(), 20)
    queues.stop()
    await run
    assert (event.outcome, event.message.deliveries) == ("acked", 1)
    assert (await queues.get(brief)).counts.ready == 0


async def test_an_ordering_key_sticks_to_one_consumer(server: LocalServer, queues: AsyncQueues, name: str) -> None:
    seen: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    total = asyncio.Semaphore(0)

    def declare(client: AsyncQueues, number: int) -> None:
        @client.consumer(name, consumer_id=f"worker-{number}")
        async def work(message: Message) -> None:
            assert message.ordering_key is not None
            seen[message.ordering_key].append((number, message.payload))
            total.release()

    async with AsyncQueues(server.api_key, url=server.url) as other:
        for number, client in enumerate((queues, other)):
            declare(client, number)
        runs = [asyncio.create_task(client.run()) for client in (queues, other)]
        await group_when(queues, name, lambda group: len(group.members) == 2)
        await asyncio.gather(*(queues.enqueue(name, number, ordering_key=f"k{number % 16}") for number in range(160)))
        async with asyncio.timeout(30):
            for _ in range(160):
                await total.acquire()
        for client in (queues, other):
            client.stop()
        await asyncio.gather(*runs)
    assert len(seen) == 16
    for key, handled in seen.items():
        assert len({worker for worker, _ in handled}) == 1
        assert [payload for _, payload in handled] == [number for number in range(160) if f"k{number % 16}" == key]
    assert len({handled[0][0] for handled in seen.values()}) == 2


async def test_who_leaves_gives_back_and_no_attempt_is_counted(queues: AsyncQueues, name: str) -> None:
    await queues.enqueue(name, 1)
    [held] = await queues.receive(name, consumer_id="me")
    before = datetime.now(UTC)
    until = await queues.heartbeat(name, "me")
    session = timedelta(seconds=(await queues.get(name)).config.session_timeout)
    assert before <= until - session + timedelta(milliseconds=1)
    assert until - session <= datetime.now(UTC) + timedelta(seconds=1)
    assert await queues.leave_group(name, "me") == 1
    assert await queues.leave_group(name, "me") == 0
    with pytest.raises(errors.LeaseLost):
        await queues.ack(held)
    [again] = await queues.receive(name)
    assert (again.deliveries, again.attempts) == (2, 0)


async def test_a_program_that_died_holds_nothing_up_for_longer_than_its_session(
    queues: AsyncQueues, brief: str
) -> None:
    await queues.enqueue(brief, 1, ordering_key="k")
    await queues.enqueue(brief, 2, ordering_key="k")
    assert len(await queues.receive(brief, consumer_id="dies", visibility_timeout=3600)) == 1
    handled: asyncio.Queue[Handled] = asyncio.Queue()
    queues.consumer(brief, on_handled=handled.put_nowait)(lambda message: None)
    run = asyncio.create_task(queues.run())
    events = [await asyncio.wait_for(handled.get(), 20) for _ in range(2)]
    queues.stop()
    await run
    assert [(event.message.payload, event.message.attempts) for event in events] == [(1, 0), (2, 0)]
