"""Effects that happen once, against a real server: results, follow-ups, duplicates."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hanzo_queues import AsyncQueues, Handled, Message, errors


async def test_a_result_is_kept_and_told_to_duplicates(queues: AsyncQueues, name: str) -> None:
    first = await queues.enqueue(name, 1, dedup_id="d")
    waiting = await queues.enqueue(name, 1, dedup_id="d")
    assert (waiting.id, waiting.duplicate, waiting.state, waiting.has_result) == (first.id, True, "ready", False)
    [held] = await queues.receive(name)
    assert (await queues.enqueue(name, 1, dedup_id="d")).state == "leased"
    assert not (await queues.ack(held, result={"n": [1, None]})).already
    again = await queues.enqueue(name, 1, dedup_id="d")
    assert (again.id, again.state, again.has_result, again.result) == (first.id, "done", True, {"n": [1, None]})
    [entry] = await queues.enqueue_batch(name, [{"payload": 1, "dedup_id": "d"}])
    assert (entry.state, entry.result) == ("done", {"n": [1, None]})
    seen = await queues.get_message(first.id)
    assert seen.state == "done"
    assert (seen.queue, seen.result) == (name, {"n": [1, None]})
    assert timedelta(hours=23) < seen.result_expires_at - datetime.now(UTC) <= timedelta(hours=24, seconds=5)
    assert seen.done_at < seen.result_expires_at


async def test_a_duplicate_of_what_left_no_result_is_done(queues: AsyncQueues, name: str) -> None:
    await queues.enqueue(name, 1, dedup_id="d")
    [held] = await queues.receive(name)
    await queues.ack(held)
    again = await queues.enqueue(name, 1, dedup_id="d")
    assert (again.duplicate, again.has_result) == (True, False)


async def test_follow_ups_are_stored_with_the_ack_or_nothing_is(queues: AsyncQueues, name: str) -> None:
    following = f"{name}-next"
    await queues.create(following)
    await queues.enqueue(name, 1)
    [held] = await queues.receive(name)
    with pytest.raises(errors.BatchAborted) as caught:
        await queues.ack(
            held, enqueue=[{"queue": following, "payload": 1}, {"queue": "no-such-queue", "payload": 2}]
        )
    assert "QueueNotFound" in [type(result.error).__name__ for result in caught.value.results]
    assert (await queues.get(following)).counts.ready == 0
    assert (await queues.get(name)).counts.leased == 1
    follow_ups = [
        {"queue": following, "payload": "a", "priority": 9},
        {"queue": following, "payload": "b", "delay": 60},
    ]
    acked = await queues.ack(held, enqueue=follow_ups)
    assert [(one.state, one.duplicate) for one in acked.enqueued] == [("ready", False), ("delayed", False)]
    repeated = await queues.ack(held, enqueue=follow_ups)
    assert (repeated.already, repeated.enqueued) == (True, acked.enqueued)
    counts = (await queues.get(following)).counts
    assert (counts.ready, counts.delayed) == (1, 1)


async def test_what_handlers_return_is_kept(queues: AsyncQueues, name: str) -> None:
    handled: asyncio.Queue[Handled] = asyncio.Queue()

    @queues.consumer(name, keep_results=True, on_handled=handled.put_nowait)
    async def double(message: Message) -> Any:
        return message.payload * 2

    sent = [await queues.enqueue(name, number) for number in range(5)]
    run = asyncio.create_task(queues.run())
    for _ in sent:
        assert (await asyncio.wait_for(handled.get(), 20)).outcome == "acked"
    queues.stop()
    await run
    seen = [await queues.get_message(one.id) for one in sent]
    assert [one.result for one in seen if one.state == "done"] == [0, 2, 4, 6, 8]
