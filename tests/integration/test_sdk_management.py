"""Administration against a real server: pauses, purges, messages changed and cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from examples.local_server import LocalServer
from hanzo_queues import AsyncQueues, errors


@pytest.fixture
async def queues(server: LocalServer) -> AsyncIterator[AsyncQueues]:
    async with AsyncQueues(server.api_key, url=server.url, retries_max=0) as client:
        yield client


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


async def test_queues_are_listed_by_prefix(queues: AsyncQueues) -> None:
    for end in ("a", "b"):
        await queues.create(f"listed.{end}")
    assert [queue.name for queue in await queues.list(prefix="listed.")] == ["listed.a", "listed.b"]


async def test_peek_filters_and_goes_on(queues: AsyncQueues, name: str) -> None:
    sent = [await queues.enqueue(name, number, ordering_key=f"k{number % 2}") for number in range(6)]
    blocked = await queues.peek(name, state="blocked", ordering_key="k1")
    assert [message.payload for message in blocked] == [3, 5]
    assert blocked.next is None
    [held] = await queues.receive(name)
    await queues.nack(held, reject=True, error="no")
    assert [message.id for message in await queues.peek(name, state="dead", reason="rejected")] == [sent[0].id]
    assert await queues.peek(name, state="dead", reason="expired") == []
    page = await queues.peek(name, state="blocked", limit=1)
    pages = [page]
    while page.next is not None:
        page = await queues.peek(name, state="blocked", limit=1, after=page.next)
        pages.append(page)
    assert sorted(message.payload for page in pages for message in page) == [3, 4, 5]


async def test_a_message_that_waits_says_why(queues: AsyncQueues, name: str) -> None:
    first = await queues.enqueue(name, 1, ordering_key="k")
    second = await queues.enqueue(name, 2, ordering_key="k")
    later = await queues.enqueue(name, 3, delay=3600)
    free = await queues.explain(first.id)
    assert (free.id, free.queue, free.group, free.state, free.deliverable) == (first.id, name, "default", "ready", True)
    assert free.reasons == ()
    [behind] = (await queues.explain(second.id)).reasons
    assert (behind.code, behind.behind) == ("ordering_key", first.id)
    [delayed] = (await queues.explain(later.id)).reasons
    seen = await queues.get_message(later.id)
    assert seen.state == "delayed"
    assert (delayed.code, delayed.until) == ("delayed", seen.at)
    assert delayed.detail
    await queues.pause(name)
    assert [reason.code for reason in (await queues.explain(first.id)).reasons] == ["paused"]
    await queues.resume(name)
    [held] = await queues.receive(name)
    [leased] = (await queues.explain(held.id)).reasons
    assert (leased.code, leased.until) == ("leased", held.leased_until)


async def test_a_message_that_a_limit_holds_back_says_until_when_and_behind_how_many(queues: AsyncQueues) -> None:
    await queues.create("hourly", {"rate_limit": {"requests": 1, "per": "hour"}})
    sent = [await queues.enqueue("hourly", number) for number in range(3)]
    assert len(await queues.receive("hourly", max_messages=3)) == 1
    reasons = {reason.code: reason for reason in (await queues.explain(sent[2].id)).reasons}
    limit = reasons["queue_rate_limit"]
    assert limit.retry_after is not None
    assert 3000 < limit.retry_after <= 3600
    assert reasons["behind"].ahead == 1
    assert reasons["behind"].fields["ahead"] == 1


async def test_a_full_queue_refuses(queues: AsyncQueues, name: str) -> None:
    await queues.update(name, {"max_messages": 1})
    await queues.enqueue(name, 1)
    with pytest.raises(errors.QueueFull) as caught:
        await queues.enqueue(name, 2)
    assert caught.value.retryable


async def test_a_producer_keeps_to_the_ingress_limit(server: LocalServer) -> None:
    async with AsyncQueues(server.api_key, url=server.url) as patient:
        await patient.create("narrow", {"ingress_limit": {"requests": 20, "per": "second", "burst": 2}})
        sent = await asyncio.gather(*(patient.enqueue("narrow", number) for number in range(10)))
        assert len({one.id for one in sent}) == 10
        assert (await patient.get("narrow")).counts.ready == 10
    async with AsyncQueues(server.api_key, url=server.url, retries_max=0) as hasty:
        [*_, last] = await hasty.enqueue_batch("narrow", [{"payload": 1}] * 5)
        assert isinstance(last.error, errors.RateLimited)
        assert last.error.retry_after is not None


async def test_an_explanation_tells_of_members_and_fairness_keys(queues: AsyncQueues, name: str) -> None:
    await queues.update(name, {"fairness": {"max_in_flight": 1}})
    sent = [await queues.enqueue(name, number, fairness_key="tenant") for number in range(2)]
    assert len(await queues.receive(name, max_messages=9, consumer_id="worker")) == 1
    [leased] = (await queues.explain(sent[0].id)).reasons
    assert (leased.code, leased.consumer) == ("leased", "worker")
    assert [reason.code for reason in (await queues.explain(sent[1].id)).reasons] == ["key_in_flight"]
    assert [seen.id for seen in await queues.peek(name, fairness_key="tenant")] == [sent[1].id]
    assert await queues.peek(name, fairness_key="nobody") == []
    keyed = await queues.enqueue(name, 3, ordering_key="k")
    mine = await queues.explain(keyed.id, consumer_id="worker")
    others = [await queues.explain(keyed.id, consumer_id=f"other-{number}") for number in range(40)]
    held = next(other for other in others if not other.deliverable)  # to the rest the key would come with their receive
    assert mine.deliverable
    assert [(reason.code, reason.member) for reason in held.reasons] == [("key_assigned", "worker")]
