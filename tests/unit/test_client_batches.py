"""Batches: what a handler gets, what its end means for each message, and that they are settled together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from hanzo_queues import Handled, Limited, Message, Reject, Retry, errors
from tests.unit.client_stand_in import Asked, Broker, StandIn, message, problem, running


class Pair(NamedTuple):
    one: int
    other: int


def put(broker: Broker, *numbers: int) -> None:
    for number in numbers:
        broker.messages.put_nowait(message(number))


def settlements(broker: Broker) -> list[Asked]:
    return [asked for asked in broker.asked if asked.path.endswith("/settle")]


def polls(broker: Broker) -> list[int]:
    return [int(asked.query["maxMessages"]) for asked in broker.asked if asked.path.endswith("/messages")]


async def test_a_batch_is_handled_at_once_and_acked_in_one_request() -> None:
    broker = Broker()
    client = broker.client()
    seen: list[list[Any]] = []

    @client.batch_consumer("q", batch_size=10)
    async def work(messages: list[Message]) -> None:
        seen.append([received.payload for received in messages])

    put(broker, 1, 2, 3)
    async with running(client):
        await broker.until(lambda: len(broker.acks) == 3)
    assert seen == [[1, 2, 3]]
    assert len(settlements(broker)) == 1
    assert polls(broker)[0] == 10


async def test_a_batch_that_raises_has_failed_as_a_whole() -> None:
    broker = Broker()
    client = broker.client()
    told: list[Any] = []

    @client.batch_consumer("q", on_error=lambda error, received: told.append((str(error), received and received.id)))
    def work(messages: list[Message]) -> None:
        raise ValueError("no database")

    put(broker, 1, 2)
    async with running(client):
        await broker.until(lambda: len(broker.nacks) == 2)
    assert [nack["error"].splitlines()[0] for nack in broker.nacks] == ["ValueError: no database"] * 2
    assert told == [("no database", "m1"), ("no database", "m2")]
    assert len(settlements(broker)) == 1


async def test_each_message_can_have_its_own_outcome_all_in_one_request() -> None:
    broker = Broker()
    client = broker.client()
    handled: dict[str, str] = {}

    async def one(number: int) -> str:
        if number == 1:
            raise ValueError("bad")
        return "good"

    @client.batch_consumer(
        "q",
        on_error=lambda *_: None,
        on_handled=lambda event: handled.update({event.message.id: event.outcome}),
    )
    async def work(messages: list[Message]) -> list[Any]:
        returned = await asyncio.gather(*(one(received.payload) for received in messages), return_exceptions=True)
        return [*returned[:2], Retry(3, "later"), Reject("never"), Limited(7)]

    put(broker, 0, 1, 2, 3, 4)
    async with running(client):
        await broker.until(lambda: len(broker.releases) == 1)
    assert broker.acks == [{"id": "m0", "receipt": "r0"}]
    assert [nack["id"] for nack in broker.nacks] == ["m1", "m2", "m3"]
    assert broker.nacks[0]["error"].startswith("ValueError: bad")
    assert broker.nacks[1:] == [
        {"id": "m2", "receipt": "r2", "delay": 3, "error": "later"},
        {"id": "m3", "receipt": "r3", "reject": True, "error": "never"},
    ]
    assert broker.releases == [{"id": "m4", "receipt": "r4", "delay": 7}]
    assert handled == {"m0": "acked", "m1": "retried", "m2": "retried", "m3": "rejected", "m4": "released"}
    assert len(settlements(broker)) == 1


@pytest.mark.parametrize("returned", [[None], "ok", {"m1": None}, 7, Pair(1, 2)])
async def test_outcomes_that_do_not_match_the_batch_are_a_failure_not_a_guess(returned: Any) -> None:
    broker = Broker()
    client = broker.client()
    client.batch_consumer("q", on_error=lambda *_: None)(lambda messages: returned)
    put(broker, 1, 2)
    async with running(client):
        await broker.until(lambda: len(broker.nacks) == 2)
    assert "TypeError: a batch's handler returns None or a list" in broker.nacks[0]["error"]
    assert broker.acks == []


async def test_what_the_handler_settled_itself_is_left_alone() -> None:
    broker = Broker()
    client = broker.client()
    handled: asyncio.Queue[Handled] = asyncio.Queue()

    @client.batch_consumer("q", on_handled=handled.put_nowait)
    async def work(messages: list[Message]) -> None:
        await client.nack(messages[0], delay=60)

    put(broker, 1, 2)
    async with running(client), asyncio.timeout(10):
        outcomes = {event.message.id: event.outcome for event in [await handled.get(), await handled.get()]}
    assert outcomes == {"m1": "settled", "m2": "acked"}


async def test_a_batch_waits_to_fill_and_is_cut_at_its_size() -> None:
    broker = Broker()
    client = broker.client()
    seen: list[list[Any]] = []

    @client.batch_consumer("q", batch_size=3, batch_wait=30)
    async def work(messages: list[Message]) -> None:
        seen.append([received.payload for received in messages])

    put(broker, 1)
    async with running(client):
        await broker.until_asked(lambda: len(polls(broker)) == 2)
        put(broker, 2, 3, 4)
        await broker.until_asked(lambda: len(polls(broker)) == 4)
        put(broker, 5, 6)
        await broker.until(lambda: len(broker.acks) == 6)
    assert seen == [[1, 2, 3], [4, 5, 6]]
    assert polls(broker)[:4] == [3, 2, 3, 2]
    waits = [float(asked.query["waitTime"]) for asked in broker.asked if asked.path.endswith("/messages")]
    assert waits[0] == 20
    assert 29 < waits[1] <= 30


async def test_a_batch_goes_on_with_what_came_within_its_wait() -> None:
    broker = Broker()
    client = broker.client()
    seen: list[int] = []
    client.batch_consumer("q", batch_size=3, batch_wait=0.05)(lambda messages: seen.append(len(messages)))

    async def answers(asked: Asked) -> Any:
        if asked.path.endswith("/messages") and broker.messages.empty():
            await asyncio.sleep(min(float(asked.query.get("waitTime", 0)), 0.05))
            return {"messages": []}
        return await broker._answer(asked)

    broker._answers = answers
    put(broker, 1, 2)
    async with running(client):
        await broker.until(lambda: len(broker.acks) == 2)
    assert seen == [2]


async def test_a_batch_larger_than_a_request_is_asked_for_in_several() -> None:
    broker = Broker()
    client = broker.client(batch_entries_max=2)
    seen: list[int] = []
    client.batch_consumer("q", batch_size=5)(lambda messages: seen.append(len(messages)))
    put(broker, 1, 2, 3, 4, 5)
    async with running(client):
        await broker.until(lambda: len(broker.acks) == 5)
    assert seen == [5]
    assert polls(broker)[:3] == [2, 2, 1]


@pytest.mark.parametrize("trouble", [errors.ServerUnreachable("away"), problem(503, "shutting_down")])
async def test_what_was_gathered_goes_on_when_the_server_goes_away(trouble: Any) -> None:
    broker = Broker()
    client = broker.client()
    seen: list[int] = []
    client.batch_consumer("q", batch_size=3, batch_wait=30)(lambda messages: seen.append(len(messages)))
    put(broker, 1)
    async with running(client):
        await broker.until_asked(lambda: len(polls(broker)) == 2)
        broker.messages.put_nowait(trouble)
        await broker.until(lambda: len(broker.acks) == 1)
    assert seen == [1]


async def test_a_stop_hands_the_begun_batch_to_its_handler() -> None:
    broker = Broker()
    client = broker.client()
    seen: list[int] = []
    client.batch_consumer("q", batch_size=3, batch_wait=30)(lambda messages: seen.append(len(messages)))
    put(broker, 1)
    async with running(client) as run:
        await broker.until_asked(lambda: len(polls(broker)) == 2)
        client.stop()
        await run
    assert (seen, len(broker.acks)) == ([1], 1)


async def test_a_stop_gives_the_whole_batch_back() -> None:
    broker = Broker()
    client = broker.client()
    started = asyncio.Event()

    @client.batch_consumer("q")
    async def work(messages: list[Message]) -> None:
        started.set()
        await asyncio.Event().wait()

    put(broker, 1, 2)
    async with running(client, grace=0.01) as run:
        await started.wait()
        client.stop()
        await run
    assert [release["id"] for release in broker.releases] == ["m1", "m2"]
    assert len(settlements(broker)) == 1


def losing(broker: Broker, lost: Callable[[str], bool]) -> Any:
    """The broker's answers, with extensions of these ids refused."""

    async def answers(asked: Asked) -> Any:
        result = await broker._answer(asked)
        for at, extend in enumerate((asked.body or {}).get("extends", ())):
            if lost(extend["id"]):
                result["extends"][at] = {"error": {"code": "lease_lost", "detail": "it ended"}}
        return result

    return answers


async def test_a_batch_goes_on_while_one_of_its_leases_is_ours() -> None:
    broker = Broker(visibility_timeout=0.03)
    lost = {"m1"}
    broker._answers = losing(broker, lambda identity: identity in lost)
    client = broker.client()
    handled: asyncio.Queue[Handled] = asyncio.Queue()
    release = asyncio.Event()

    @client.batch_consumer("q", on_handled=handled.put_nowait, on_error=lambda *_: None)
    async def work(messages: list[Message]) -> None:
        await release.wait()

    put(broker, 1, 2)
    async with running(client), asyncio.timeout(10):
        await broker.until(lambda: sum(extend["id"] == "m2" for extend in broker.extends) >= 3)
        release.set()
        outcomes = {event.message.id: event.outcome for event in [await handled.get(), await handled.get()]}
        assert outcomes == {"m1": "lease_lost", "m2": "acked"}
        lost |= {"m3", "m4"}
        release.clear()
        put(broker, 3, 4)  # this one is cancelled: none of it is ours any more
        assert {(await handled.get()).outcome, (await handled.get()).outcome} == {"lease_lost"}
    assert [ack["id"] for ack in broker.acks] == ["m2"]


async def test_a_stop_gives_back_what_is_still_ours() -> None:
    broker = Broker(visibility_timeout=0.03)
    broker._answers = losing(broker, lambda identity: identity == "m1")
    client = broker.client()

    @client.batch_consumer("q", on_error=lambda *_: None)
    async def work(messages: list[Message]) -> None:
        await asyncio.Event().wait()

    put(broker, 1, 2)
    async with running(client, grace=0.01) as run:
        await broker.until(lambda: sum(extend["id"] == "m2" for extend in broker.extends) >= 2)
        client.stop()
        await run
    assert [release["id"] for release in broker.releases] == ["m2"]


async def test_leases_are_kept_while_a_batch_fills() -> None:
    broker = Broker(visibility_timeout=0.03)
    client = broker.client()
    client.batch_consumer("q", batch_size=2, batch_wait=30)(lambda messages: None)
    put(broker, 1)
    async with running(client):
        await broker.until(lambda: len(broker.extends) >= 2)
        put(broker, 2)
        await broker.until(lambda: len(broker.acks) == 2)


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"batch_wait": 31}, {"batch_wait": -1}, {"concurrency": 0}])
def test_options_are_checked_where_they_are_written(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        StandIn(lambda asked: {}).client().batch_consumer("q", **wrong)
