"""Consumers: acks that fail, for now or for good."""

from __future__ import annotations

import asyncio
import logging
from contextvars import ContextVar
from typing import Any

import pytest

from hanzo_queues import Handled, Message, errors
from tests.unit.client_stand_in import Asked, Broker, StandIn, message, problem, running

AT_WORK = ContextVar("AT_WORK", default="nothing")


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
        (problem(404, "queue_not_found"), "lease_lost"),
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


@pytest.mark.parametrize("refused", [False, True])
async def test_the_hooks_run_in_the_context_of_their_own_handler(refused: bool) -> None:
    broker = Broker()

    async def answers(asked: Asked) -> Any:
        answer = await broker._answer(asked)
        if refused and "acks" in (asked.body or {}):
            answer["acks"] = [{"error": {"code": "lease_lost", "detail": "it ended"}} for _ in answer["acks"]]
        return answer

    client = StandIn(answers).client()
    handled: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    told: list[tuple[str, str]] = []
    hooks: dict[str, Any] = {
        "on_handled": lambda event: handled.put_nowait((event.message.id, AT_WORK.get())),
        "on_error": lambda error, received: told.append((received.id, AT_WORK.get())),
    }

    @client.consumer("q", concurrency=3, **hooks)
    async def work(received: Message) -> None:
        AT_WORK.set(received.id)

    for number in (1, 2, 3):
        broker.messages.put_nowait(message(number))
    own = [("m1", "m1"), ("m2", "m2"), ("m3", "m3")]
    async with running(client), asyncio.timeout(10):
        assert sorted([await handled.get() for _ in range(3)]) == own
    assert sorted(told) == (own if refused else [])


async def test_what_is_logged_of_a_refused_ack_is_logged_in_the_context_of_its_own_handler() -> None:
    broker = Broker()

    async def answers(asked: Asked) -> Any:
        answer = await broker._answer(asked)
        if "acks" in (asked.body or {}):
            answer["acks"] = [{"error": {"code": "lease_lost", "detail": "it ended"}} for _ in answer["acks"]]
        return answer

    client = StandIn(answers).client()
    logged: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    log = logging.getLogger("hanzo_queues")
    noting = logging.Handler()
    noting.emit = lambda record: logged.put_nowait((record.getMessage().split()[1], AT_WORK.get()))  # type: ignore[method-assign]

    @client.consumer("q", concurrency=3)
    async def work(received: Message) -> None:
        AT_WORK.set(received.id)

    for number in (1, 2, 3):
        broker.messages.put_nowait(message(number))
    log.addHandler(noting)
    try:
        async with running(client), asyncio.timeout(10):
            assert sorted([await logged.get() for _ in range(3)]) == [("m1", "m1"), ("m2", "m2"), ("m3", "m3")]
    finally:
        log.removeHandler(noting)


async def test_an_ack_is_refused_of_what_the_handler_settled_by_a_call_that_it_left_behind() -> None:
    broker = Broker()

    async def answers(asked: Asked) -> Any:
        answer = await broker._answer(asked)
        if "acks" in (asked.body or {}):
            answer["acks"] = [{"error": {"code": "lease_lost", "detail": "it was nacked"}}]
        return answer

    client = StandIn(answers).client()
    handled: asyncio.Queue[Handled] = asyncio.Queue()
    told: list[BaseException] = []
    left: list[asyncio.Task[Any]] = []

    @client.consumer("q", on_handled=handled.put_nowait, on_error=lambda error, _: told.append(error))
    async def work(received: Message) -> None:
        left.append(asyncio.create_task(client.nack(received)))
        await asyncio.sleep(0)

    broker.messages.put_nowait(message(1))
    async with running(client), asyncio.timeout(10):
        event = await handled.get()
    assert (event.outcome, event.error, told) == ("settled", None, [])
    assert len(broker.acks) == len(broker.nacks) == len(left) == 1


async def test_whatever_an_ack_meets_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker()
    client = broker.client()
    handled: asyncio.Queue[Handled] = asyncio.Queue()
    client.consumer("q", on_handled=handled.put_nowait, on_error=lambda *_: None)(lambda received: None)

    def fails(queue: str, entries: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(client, "_settled_by", fails)
    broker.messages.put_nowait(message(1))
    async with running(client), asyncio.timeout(4):  # a stop would wait longer for an ack that has no end
        event = await handled.get()
        client.stop()
    assert (event.outcome, "a bug" in str(event.error)) == ("unsettled", True)
