"""Administration against a real server: pauses, purges, messages changed and cancelled."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from examples.local_server import LocalServer
from hanzo_queues import AsyncQueues, errors

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


@pytest.fixture
async def queues(server: LocalServer) -> AsyncIterator[AsyncQueues]:
    async with AsyncQueues(server.api_key, url=server.url, retries_max=0) as client:
        yield client


@pytest.fixture
async def name(queues: AsyncQueues) -> str:
    return (await queues.create(f"q{next(NUMBERS)}")).name


async def test_enqueues_are_paused_and_resumed(queues: AsyncQueues, name: str) -> None:
    paused = await queues.pause(name, enqueue=True, receive=False)
    assert (paused.paused.enqueue, paused.paused.receive) == (True, False)
    with pytest.raises(errors.QueuePaused) as caught:
        await queues.enqueue(name, 1)
    assert caught.value.retryable
    assert not (await queues.resume(name)).paused.enqueue
    await queues.enqueue(name, 1)
    assert len(await queues.receive(name)) == 1


async def test_a_consumer_waits_while_receives_are_paused(queues: AsyncQueues, name: str) -> None:
    assert (await queues.pause(name)).paused.receive
    await queues.enqueue(name, 1)
    empty = await queues.receive(name)
    assert (empty, empty.limited_by) == ([], "paused")
    handled = asyncio.Event()
    queues.consumer(name)(lambda message: queues._loop and queues._loop.call_soon_threadsafe(handled.set))
    run = asyncio.create_task(queues.run())
    assert (await queues.resume(name, receive=False)).paused.receive
    assert not handled.is_set()
    await queues.resume(name)
    await asyncio.wait_for(handled.wait(), 20)
    queues.stop()
    await run


async def test_a_purge_takes_leased_messages_too(queues: AsyncQueues, name: str) -> None:
    await asyncio.gather(*(queues.enqueue(name, number) for number in range(3)))
    [held] = await queues.receive(name)
    assert await queues.purge(name) == 3
    with pytest.raises(errors.LeaseLost):
        await queues.ack(held)
    assert await queues.purge(name) == 0


async def test_a_message_is_changed_and_run_now(queues: AsyncQueues, name: str) -> None:
    sent = await queues.enqueue(name, 1, delay=timedelta(days=1))
    changed = await queues.update_message(sent.id, delay=timedelta(days=2), priority=200)
    assert (changed.state, changed.priority) == ("delayed", 200)
    assert changed.at is not None
    assert changed.at - changed.enqueued_at > timedelta(days=1, hours=23)
    assert (await queues.run_now(sent.id)).state == "ready"
    [held] = await queues.receive(name)
    assert held.priority == 200
    with pytest.raises(errors.MessageLeased):
        await queues.run_now(sent.id)
    with pytest.raises(errors.RequestInvalid):
        await queues.update_message(sent.id)
    await queues.nack(held, reject=True)
    with pytest.raises(errors.MessageDead):
        await queues.run_now(sent.id)


async def test_a_cancelled_message_is_gone(queues: AsyncQueues, name: str) -> None:
    sent = await queues.enqueue(name, 1)
    [held] = await queues.receive(name)
    with pytest.raises(errors.MessageLeased):
        await queues.cancel_message(sent.id)
    await queues.nack(held, delay=60)
    await queues.cancel_message(sent.id)
    with pytest.raises(errors.MessageNotFound):
        await queues.cancel_message(sent.id)
    assert (await queues.get(name)).counts.delayed == 0
