"""Enqueues to one queue that share a request: a lane's batch becomes one, and its answer's entries become the results
of their callers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hanzo_queues.client.coalescer import Awaited, Send
from hanzo_queues.client.models import EnqueueResult, entry_error
from hanzo_queues.client.retry import is_transient
from hanzo_queues.client.transport import Transport
from hanzo_queues.client.wire import enclosed, queue_target
from hanzo_queues.errors import ApiError


class Enqueue(Awaited):
    """One message. Who makes one sets its three attributes: an `__init__` takes as long as all that a lane does with
    it."""

    __slots__ = ("body", "safe")


def enqueues_to(transport: Transport, queue: str) -> Send[Enqueue]:
    """What a lane of enqueues does with its batch."""
    single = queue_target(queue, "/messages")
    several = queue_target(queue, "/messages/batch")

    async def send(batch: Sequence[Enqueue]) -> None:
        safe = all(enqueue.safe for enqueue in batch)
        if len(batch) == 1:
            answer = await transport.call("POST", single, batch[0].body, safe=safe, messages=1)
            batch[0].resolve(EnqueueResult.of(answer))
            return
        failures, waited = 0, 0.0
        while batch:
            body = enclosed(b'{"messages":[', [enqueue.body for enqueue in batch], b"]}")
            answer = await transport.call("POST", several, body, safe=safe, messages=len(batch))
            failures += 1
            refused = _resolved(batch, answer["results"])
            last = _last_to_pass(refused)
            delay = None if last is None else await transport.back_off(failures, last, waited)
            waited += delay or 0.0
            batch = _to_repeat(refused, repeats=delay is not None)

    return send


Refused = list[tuple[Enqueue, ApiError]]


def _resolved(batch: Sequence[Enqueue], results: Sequence[Mapping[str, Any]]) -> Refused:
    """Tells the callers of a batch of enqueues, but for those that were refused."""
    refused = []
    result_of = EnqueueResult.of
    for enqueue, result in zip(batch, results, strict=True):
        if "error" in result:
            refused.append((enqueue, entry_error(result["error"])))
        elif not (future := enqueue.future).done():
            future.set_result(result_of(result))
    return refused


def _last_to_pass(refused: Refused) -> ApiError | None:
    """Of those that can be accepted later, the one that takes longest."""
    passing = (error for _, error in refused if is_transient(error))
    return max(passing, key=lambda error: error.retry_after or 0.0, default=None)


def _to_repeat(refused: Refused, *, repeats: bool) -> list[Enqueue]:
    """Those of the refused that are sent again; the others are told. A limit, a pause or a full queue means the same
    for a message that shares a request as for one that is alone."""
    for enqueue, error in refused:
        if not (repeats and is_transient(error)):
            enqueue.refuse(error)
    return [enqueue for enqueue, _ in refused if enqueue.waits()]
