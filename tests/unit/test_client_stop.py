"""A consumer that stops: handlers may finish, what did not is given back, and no answer is lost."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest

from hanzo_queues import Handled, Message, Queues
from hanzo_queues.client import polling
from tests.unit.client_stand_in import Asked, Broker, StandIn, message, running, turns


async def test_stop_lets_handlers_finish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "LAST_ANSWER_SECONDS", 0)
    broker = Broker()
    client = broker.client()
    started, release = asyncio.Event(), asyncio.Event()

    @client.consumer("q")
    async def work(received: Message) -> None:
        started.set()
        await release.wait()

    broker.messages.put_nowait(message(1))
    async with running(client) as run:
        await started.wait()
        client.stop()
        await turns(20)
        broker.messages.put_nowait(message(2))
        await turns(20)
        assert not run.done()
        release.set()
        await run
    assert [ack["id"] for ack in broker.acks] == ["m1"]
    assert broker.messages.qsize() == 1


async def test_stop_loses_no_answer_that_is_under_way() -> None:
    """Its messages are leased to us: nobody else would get them before the leases end."""
    polled, release = asyncio.Event(), asyncio.Event()
    broker = Broker()

    async def answers(asked: Asked) -> Any:
        if asked.path.endswith("/messages"):
            polled.set()
            await release.wait()
        return await broker._answer(asked)

    client = StandIn(answers).client()

    @client.consumer("q")
    async def work(received: Message) -> None:
        pass

    broker.messages.put_nowait(message(1))
    async with running(client) as run:
        await polled.wait()
        client.stop()
        await turns(20)
        release.set()
        await run
    assert [ack["id"] for ack in broker.acks] == ["m1"]


async def test_stop_gives_back_what_did_not_finish() -> None:
    """That is no failure: nothing is told to `on_error`."""
    broker = Broker()
    client = broker.client()
    started = asyncio.Event()
    told: list[object] = []
    handled: list[Handled] = []

    @client.consumer("q", on_error=lambda *error: told.append(error), on_handled=handled.append)
    async def work(received: Message) -> None:
        started.set()
        await asyncio.Event().wait()

    broker.messages.put_nowait(message(1))
    async with running(client, grace=0.01) as run:
        await started.wait()
        client.stop()
        await run
    assert (broker.acks, broker.nacks, told) == ([], [], [])
    assert broker.releases == [{"id": "m1", "receipt": "r1"}]
    assert [event.outcome for event in handled] == ["released"]


async def test_cancelling_run_gives_back_too() -> None:
    broker = Broker()
    client = broker.client()
    started = asyncio.Event()

    @client.consumer("q", on_error=lambda *_: None)
    async def work(received: Message) -> None:
        started.set()
        await asyncio.Event().wait()

    broker.messages.put_nowait(message(1))
    run = asyncio.create_task(client.run())
    await started.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert broker.nacks == []
    assert broker.releases == [{"id": "m1", "receipt": "r1"}]


@pytest.mark.parametrize("signals", [True, False])
async def test_signals_can_be_left_to_the_program(signals: bool) -> None:
    broker = Broker()
    client = broker.client()
    client.consumer("q")(lambda received: None)
    before = signal.getsignal(signal.SIGTERM)
    run = asyncio.create_task(client.run(signals=signals))
    broker.messages.put_nowait(message(1))
    await broker.until(lambda: len(broker.acks) == 1)
    during = signal.getsignal(signal.SIGTERM)
    client.stop()
    await run
    assert (during is before) is not signals
    assert signal.getsignal(signal.SIGTERM) is before


async def test_a_stop_before_the_run_is_not_lost() -> None:
    broker = Broker()
    client = broker.client()
    client.consumer("q")(lambda received: None)
    client.stop()
    await asyncio.wait_for(client.run(signals=False), 5)
    assert broker.acks == []
    broker.messages.put_nowait(message(1))
    async with running(client):
        await broker.until(lambda: len(broker.acks) == 1)


def test_a_stop_before_a_blocking_run_is_not_lost() -> None:
    client = Queues("key", url="http://127.0.0.1:9")
    client.consumer("q")(lambda received: None)
    client.stop()
    client.run(signals=False)
    client.close()
