"""Messages given back without an attempt counted, against a real server."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from hanzo_queues import AsyncQueues, Handled, Limited, Message, errors


async def test_a_release_counts_no_attempt(queues: AsyncQueues, name: str) -> None:
    await queues.enqueue(name, 1)
    [held] = await queues.receive(name)
    assert (await queues.release(held)).state == "ready"
    assert (await queues.release(held)).state == "settled"
    [held] = await queues.receive(name)
    assert (held.deliveries, held.attempts) == (2, 0)
    later = await queues.release(held.id, delay=timedelta(hours=1))
    assert later.state == "delayed"
    assert later.due_at is not None
    assert later.due_at > datetime.now(UTC) + timedelta(minutes=59)
    with pytest.raises(errors.ReceiptUnknown):
        await queues.release(held.id)


async def test_a_limited_handler_uses_up_no_retries(queues: AsyncQueues) -> None:
    await queues.create("limited", {"max_retries": 0})
    handled: asyncio.Queue[Handled] = asyncio.Queue()

    @queues.consumer("limited", on_handled=handled.put_nowait)
    async def work(message: Message) -> None:
        if message.deliveries < 4:
            raise Limited(0.01)

    await queues.enqueue("limited", 1)
    run = asyncio.create_task(queues.run())
    ends = [await asyncio.wait_for(handled.get(), 20) for _ in range(4)]
    queues.stop()
    await run
    assert [end.outcome for end in ends] == ["released", "released", "released", "acked"]
    assert ends[-1].message.attempts == 0
