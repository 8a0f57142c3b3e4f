"""What no vector says of the hook for requests: cancelled calls, hooks that fail, other traces."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hanzo_queues import AsyncQueues, Called, Queues
from hanzo_queues.client.called import operation_of
from hanzo_queues.client.spec import OPERATIONS
from hanzo_queues.testing import Broker
from tests.unit.client_stand_in import Asked, StandIn, accepted

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(("request_line", "operation"), OPERATIONS.items())
def test_every_operation_is_known(request_line: str, operation: str) -> None:
    method, path = request_line.split()
    queue = "a%2Fb" if path.startswith("queues/*") else None
    assert operation_of(method, f"/v1/{path.replace('*', 'a%2Fb')}?limit=1") == (operation, queue and "a/b")


async def test_a_call_that_is_cancelled_is_told_too() -> None:
    async def never(asked: Asked) -> Any:
        await asyncio.Event().wait()

    events: list[Called] = []
    stand_in = StandIn(never)
    client = AsyncQueues("key", connect=lambda: stand_in, on_call=events.append)
    calling = asyncio.create_task(client.get("q"))
    await stand_in.until_asked(lambda: bool(stand_in.asked))
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    [event] = events
    assert (event.operation, event.attempts) == ("getQueue", 1)
    assert isinstance(event.error, asyncio.CancelledError)


async def test_a_hook_that_fails_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail(called: Called) -> None:
        raise RuntimeError("the hook")

    client = AsyncQueues("key", connect=lambda: StandIn(accepted), on_call=fail)
    assert (await client.enqueue("q", "a")).id == "a"
    assert "on_call failed" in caplog.text


async def test_messages_belong_to_the_trace_that_runs_unless_they_say_so() -> None:
    stand_in = StandIn(accepted)
    traces = iter(["one", None, "two", "three"])
    client = AsyncQueues("key", connect=lambda: stand_in, traceparent=lambda: next(traces))
    await client.enqueue("q", "a")
    await client.enqueue("q", "b")
    await client.enqueue("q", "c", traceparent="own")
    await client.enqueue_batch("q", [{"payload": "d"}, {"payload": "e", "traceparent": "own"}, {"payload": "f"}])
    sent = [asked.body for asked in stand_in.asked]
    assert [one.get("traceparent") for one in sent[:3]] == ["one", None, "own"]
    assert [one.get("traceparent") for one in sent[3]["messages"]] == ["two", "own", "three"]


def test_follow_ups_belong_to_it_too() -> None:
    with Broker() as broker:
        queues: Queues = broker.queues(traceparent=lambda: TRACE)
        queues.create("q")
        queues.enqueue("q", 1)
        queues.ack(queues.receive("q")[0], enqueue=[{"queue": "q", "payload": 2}])
        assert [message.traceparent for message in broker.messages("q")] == [TRACE]
