"""Receives whose answers are lost, against a real server: the same messages, and none held up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hanzo_queues import AsyncQueues, Handled, errors


def lose_answers(queues: AsyncQueues, monkeypatch: pytest.MonkeyPatch, of: str, times: int) -> list[str]:
    """The server carries out these requests and their answers are lost on the way; returns what was asked."""
    exchange = queues._connection.exchange
    asked: list[str] = []

    async def lossy(method: str, target: str, body: bytes | None, within: float) -> Any:
        answer = await exchange(method, target, body, within)
        if of in target:
            asked.append(target)
            if len(asked) <= times:
                raise errors.ServerUnreachable("the answer was lost", outcome="unknown")
        return answer

    monkeypatch.setattr(queues._connection, "exchange", lossy)
    return asked


async def test_a_receive_whose_answer_was_lost_gets_the_same_messages(
    queues: AsyncQueues, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [await queues.enqueue(name, number) for number in range(5)]
    asked = lose_answers(queues, monkeypatch, "/messages?", times=2)
    received = await queues.receive(name, max_messages=3)
    assert [message.id for message in received] == [one.id for one in sent[:3]]
    assert {message.deliveries for message in received} == {1}
    assert len(asked) == 3
    assert (await queues.get(name)).counts.leased == 3
    for message in received:
        assert not (await queues.ack(message)).already
    assert [message.id for message in await queues.receive(name, max_messages=9)] == [one.id for one in sent[3:]]


async def test_a_consumer_loses_no_messages_to_a_lost_answer(
    queues: AsyncQueues, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their leases are long: without the repetition they would come again after an hour."""
    await queues.update(name, {"visibility_timeout": 3600})
    handled: asyncio.Queue[Handled] = asyncio.Queue()
    queues.consumer(name, on_handled=handled.put_nowait, on_error=lambda *_: None)(lambda message: None)
    for number in range(5):
        await queues.enqueue(name, number)
    lose_answers(queues, monkeypatch, "/messages?", times=1)
    run = asyncio.create_task(queues.run())
    ends = [await asyncio.wait_for(handled.get(), 20) for _ in range(5)]
    queues.stop()
    await run
    assert sorted(end.message.payload for end in ends) == list(range(5))
    assert {(end.outcome, end.message.deliveries) for end in ends} == {("acked", 1)}
