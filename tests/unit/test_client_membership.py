"""A consumer as a member of its group: its name, its heartbeats, its leaving."""

from __future__ import annotations

import asyncio

import pytest

from hanzo_queues import Message, errors
from hanzo_queues.client import membership, polling
from hanzo_queues.client.membership import new_consumer_id
from tests.unit.client_stand_in import Asked, Broker, StandIn, message, problem, running


def polls(broker: Broker) -> list[Asked]:
    return [asked for asked in broker.asked if asked.path.endswith("/messages")]


def names_of(broker: Broker) -> set[str]:
    return {asked.query["consumerId"] for asked in polls(broker)}


async def test_every_consumer_has_a_name_of_its_own_and_leaves_when_it_stops() -> None:
    broker = Broker()
    client = broker.client()
    for _ in range(2):
        client.consumer("q")(lambda received: None)
    broker.messages.put_nowait(message(1))
    async with running(client):
        await broker.until(lambda: len(broker.acks) == 1)
        await broker.until_asked(lambda: len(names_of(broker)) == 2)
        assert broker.members == []
    assert sorted(broker.members) == sorted(
        ("DELETE", f"/v1/queues/q/groups/default/members/{name}") for name in names_of(broker)
    )
    assert len({new_consumer_id() for _ in range(100)}) == 100


async def test_a_given_name_and_group_are_used() -> None:
    broker = Broker()
    client = broker.client()
    client.consumer("q", consumer_group="audit", consumer_id="a/1")(lambda received: None)
    broker.messages.put_nowait(message(1))
    async with running(client):
        await broker.until(lambda: len(broker.acks) == 1)
    assert names_of(broker) == {"a/1"}
    assert polls(broker)[0].query["consumerGroup"] == "audit"
    assert broker.members == [("DELETE", "/v1/queues/q/groups/audit/members/a%2F1")]


async def test_it_leaves_after_its_handlers_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaving gives back what is leased: a handler that may finish still needs it."""
    monkeypatch.setattr(polling, "LAST_ANSWER_SECONDS", 0)
    broker = Broker()
    client = broker.client()
    started, release = asyncio.Event(), asyncio.Event()

    @client.consumer("q")
    async def work(received: Message) -> None:
        started.set()
        await release.wait()

    broker.messages.put_nowait(message(1))
    async with running(client):
        await started.wait()
        client.stop()
        asyncio.get_running_loop().call_later(0.02, release.set)
    order = [asked.path.rsplit("/", 2)[1] for asked in broker.asked[-2:]]
    assert order == ["q", "members"]  # .../q/settle, .../members/...


async def test_heartbeats_while_all_handlers_are_busy_and_none_while_a_poll_is_open() -> None:
    broker = Broker(session_timeout=0.06)
    client = broker.client()
    release = asyncio.Event()

    @client.consumer("q", concurrency=1)
    async def work(received: Message) -> None:
        await release.wait()

    broker.messages.put_nowait(message(1))
    async with running(client):
        await broker.until(lambda: len(broker.members) == 3)
        release.set()
        await broker.until(lambda: len(broker.acks) == 1)
        await broker.until_asked(lambda: len(polls(broker)) == 2)
        beats = len(broker.members)
        await asyncio.sleep(0.1)  # longer than a session: that nothing happens has no event
        assert len(broker.members) == beats
    assert {method for method, _ in broker.members[:beats]} == {"PUT"}
    assert asyncio.all_tasks() == {asyncio.current_task()}  # none is left that would go on


async def test_a_failed_heartbeat_is_told_and_sent_again() -> None:
    broker = Broker(session_timeout=0.03)
    told: list[tuple[str, Message | None]] = []
    refused = [problem(404, "group_not_found")]

    async def answers(asked: Asked) -> object:
        if asked.method == "PUT" and refused:
            return refused.pop()
        return await broker._answer(asked)

    client = StandIn(answers).client()
    release = asyncio.Event()

    @client.consumer("q", concurrency=1, on_error=lambda error, received: told.append((type(error).__name__, received)))
    async def work(received: Message) -> None:
        await release.wait()

    broker.messages.put_nowait(message(1))
    async with running(client):
        await broker.until(lambda: len(broker.members) == 1)
        release.set()
    assert told == [("GroupNotFound", None)]


async def test_a_server_that_is_away_holds_up_no_stop() -> None:
    broker = Broker()

    async def answers(asked: Asked) -> object:
        if asked.method == "DELETE":
            await asyncio.Event().wait()
        return await broker._answer(asked)

    client = StandIn(answers).client()
    client.consumer("q")(lambda received: None)
    broker.messages.put_nowait(message(1))
    before, membership.LEAVE_SECONDS = membership.LEAVE_SECONDS, 0.01
    try:
        async with running(client):
            await broker.until(lambda: len(broker.acks) == 1)
    finally:
        membership.LEAVE_SECONDS = before


async def test_one_that_never_polled_does_not_leave() -> None:
    server = StandIn(lambda asked: errors.ServerUnreachable("away"))
    client = server.client(retries_max=0)
    client.consumer("q", on_error=lambda *_: client.stop())(lambda received: None)
    async with running(client):
        await server.until_asked(lambda: bool(server.asked))
    assert {asked.method for asked in server.asked} == {"GET"}
