"""What a handler can say of its message: again, never, later, and what came of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import orjson
import pytest

from hanzo_queues import EnqueueResult, Handled, Limited, Message, Reject, Retry
from hanzo_queues.client.http_stream import Answer
from hanzo_queues.client.wire import encode_message
from tests.unit.client_stand_in import Broker, message, problem, running


@pytest.mark.parametrize(
    ("error", "nack"),
    [
        (Retry(5, "busy"), {"delay": 5, "error": "busy"}),
        (Retry(), {"error": "the handler asked for a retry"}),
        (Reject("never"), {"reject": True, "error": "never"}),
    ],
)
async def test_a_handler_can_ask(error: Exception, nack: dict[str, Any]) -> None:
    broker = Broker()
    client = broker.client()

    @client.consumer("q", on_error=lambda error, message: None)
    async def work(received: Message) -> None:
        raise error

    broker.messages.put_nowait(message(1))
    async with running(client):
        await broker.until(lambda: len(broker.nacks) == 1)
    assert broker.nacks == [{"id": "m1", "receipt": "r1", **nack}]


async def test_a_limited_handler_gives_the_message_back_and_that_is_no_error() -> None:
    broker = Broker()
    client = broker.client()
    told: list[object] = []
    handled: list[Handled] = []

    @client.consumer("q", on_error=lambda *error: told.append(error), on_handled=handled.append)
    async def work(received: Message) -> None:
        raise Limited(timedelta(minutes=2))

    broker.messages.put_nowait(message(1))
    async with running(client):
        await broker.until(lambda: len(broker.releases) == 1)
    assert broker.releases == [{"id": "m1", "receipt": "r1", "delay": 120}]
    assert (broker.acks, broker.nacks, told) == ([], [], [])
    assert [(event.outcome, type(event.error)) for event in handled] == [("released", Limited)]


@pytest.mark.parametrize("result", [{"user": 7}, None, [1, "two"]])
async def test_what_a_handler_returns_is_kept_when_that_was_asked_for(result: Any) -> None:
    broker = Broker()
    client = broker.client()
    client.consumer("q", keep_results=True)(lambda received: result)
    broker.messages.put_nowait(message(1))
    async with running(client):
        await broker.until(lambda: len(broker.acks) == 1)
    assert broker.acks == [{"id": "m1", "receipt": "r1", "result": result}]


async def test_what_an_enqueue_returned_can_be_kept_and_sent_as_an_object() -> None:
    broker = Broker()
    client = broker.client()
    enqueued = EnqueueResult("m7", False, None)
    client.consumer("q", keep_results=True)(lambda received: enqueued)
    broker.messages.put_nowait(message(1))
    async with running(client):
        await broker.until(lambda: len(broker.acks) == 1)
    kept = {"id": "m7", "duplicate": False, "state": None, "result": None, "has_result": False}
    assert broker.acks == [{"id": "m1", "receipt": "r1", "result": kept}]
    assert orjson.loads(encode_message({"payload": [enqueued]})) == {"payload": [kept]}


@pytest.mark.parametrize("refusal", [None, problem(413, "payload_too_large"), problem(400, "request_invalid")])
async def test_a_result_that_cannot_be_kept_undoes_no_work(refusal: Answer | None) -> None:
    broker = Broker()
    broker.ack_error = refusal
    client = broker.client()
    told: list[BaseException] = []
    handled: asyncio.Queue[Handled] = asyncio.Queue()

    @client.consumer(
        "q", keep_results=True, on_error=lambda error, received: told.append(error), on_handled=handled.put_nowait
    )
    async def work(received: Message) -> Any:
        return {1, 2} if refusal is None else "large"

    broker.messages.put_nowait(message(1))
    async with running(client), asyncio.timeout(10):
        assert (await handled.get()).outcome == "acked"
    assert broker.acks == [{"id": "m1", "receipt": "r1"}]
    assert len(told) == 1
