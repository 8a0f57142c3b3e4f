"""Consumers: acks that fail, for now or for good."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hanzo_queues import Handled, errors
from tests.unit.client_stand_in import Asked, Broker, StandIn, message, problem, running


@pytest.mark.parametrize(("visibility_timeout", "outcome"), [(30, "acked"), (0.001, "unsettled")])
async def test_an_ack_is_tried_for_as_long_as_the_lease_must_last(visibility_timeout: float, outcome: str) -> None:
    broker = Broker(visibility_timeout)
    away = [errors.ServerUnreachable("away") for _ in range(3)]

    async def answers(asked: Asked) -> Any:
        if "acks" in (asked.body or {}) and away:
            return away.pop()
        return await broker._answer(asked)

    client = StandIn(answers).client(retries_max=0)
    handled: asyncio.Queue[Handled] = asyncio.Queue()
    client.consumer("q", on_handled=handled.put_nowait, on_error=lambda *_: None)(lambda received: None)
    broker.messages.put_nowait(message(1))
    async with running(client), asyncio.timeout(10):
        assert (await handled.get()).outcome == outcome


@pytest.mark.parametrize(
    ("refusal", "outcome"),
    [
        ({"acks": [{"error": {"code": "lease_lost", "detail": "it ended"}}]}, "lease_lost"),
        ({"acks": [{"error": {"code": "receipt_invalid", "detail": "it is none"}}]}, "unsettled"),
        (problem(404, "queue_not_found"), "unsettled"),
    ],
)
async def test_an_ack_that_is_refused_for_good_is_sent_once(refusal: Any, outcome: str) -> None:
    broker = Broker()
    acks = 0

    async def answers(asked: Asked) -> Any:
        nonlocal acks
        if "acks" in (asked.body or {}):
            acks += 1
            return refusal
        return await broker._answer(asked)

    client = StandIn(answers).client()
    handled: asyncio.Queue[Handled] = asyncio.Queue()
    told: list[BaseException] = []
    client.consumer("q", on_handled=handled.put_nowait, on_error=lambda error, _: told.append(error))(lambda _: None)
    broker.messages.put_nowait(message(1))
    async with running(client), asyncio.timeout(10):
        event = await handled.get()
    assert (event.outcome, acks) == (outcome, 1)
    assert told == [event.error]


async def test_a_batch_whose_acks_fail_for_now_is_acked_later_and_ends_before_a_stop_does() -> None:
    broker = Broker()
    away = [errors.ServerUnreachable("away")]
    acks: list[int] = []

    async def answers(asked: Asked) -> Any:
        if "acks" in (asked.body or {}):
            acks.append(len(asked.body["acks"]))
            if away:
                client.stop()
                return away.pop()
        return await broker._answer(asked)

    client = StandIn(answers).client(retries_max=0)
    handled: list[str] = []
    client.batch_consumer("q", on_handled=lambda event: handled.append(event.outcome))(lambda received: None)
    for number in (1, 2):
        broker.messages.put_nowait(message(number))
    async with running(client) as run, asyncio.timeout(10):
        await run
    assert handled == ["acked", "acked"]
    assert acks[0] == sum(acks[1:]) == 2
