"""The two requests that calls share: enqueue to a queue, and settle its leases (ack, nack, release, extend).

Turns a lane's batch into one request and the answer's entries into its callers' results. Must not know who calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hanzo_queues.client.coalescer import Batch, Entry, Send
from hanzo_queues.client.models import AckResult, EnqueueResult, NackResult, ReleaseResult, entry_error, instant
from hanzo_queues.client.retry import is_transient
from hanzo_queues.client.transport import Transport
from hanzo_queues.client.wire import join, queue_target
from hanzo_queues.errors import ApiError


def enqueues_to(transport: Transport, queue: str) -> Send:
    """What a lane of enqueues does with its batch."""
    single = queue_target(queue, "/messages")
    several = queue_target(queue, "/messages/batch")

    async def send(batch: Batch) -> None:
        safe = all(entry.safe for entry in batch)
        if len(batch) == 1:
            answer = await transport.call("POST", single, batch[0].body, safe=safe, messages=1)
            batch[0].resolve(EnqueueResult.of(answer))
            return
        failures, waited = 0, 0.0
        while batch:
            body = b'{"messages":' + join(entry.body for entry in batch) + b"}"
            answer = await transport.call("POST", several, body, safe=safe, messages=len(batch))
            failures += 1
            refused = _resolved(batch, answer["results"])
            last = _last_to_pass(refused)
            delay = None if last is None else await transport.back_off(failures, last, waited)
            waited += delay or 0.0
            batch = _to_repeat(refused, repeats=delay is not None)

    return send


def _resolved(batch: Batch, results: Sequence[Mapping[str, Any]]) -> list[tuple[Entry, ApiError]]:
    """Tells the callers of a batch of enqueues, but for those that were refused."""
    refused = []
    for entry, result in zip(batch, results, strict=True):
        if "error" in result:
            refused.append((entry, entry_error(result["error"])))
        else:
            entry.resolve(EnqueueResult.of(result))
    return refused


def _last_to_pass(refused: list[tuple[Entry, ApiError]]) -> ApiError | None:
    """Of those that can be accepted later, the one that takes longest."""
    passing = (error for _, error in refused if is_transient(error))
    return max(passing, key=lambda error: error.retry_after or 0.0, default=None)


def _to_repeat(refused: list[tuple[Entry, ApiError]], *, repeats: bool) -> Batch:
    """Those of the refused that are sent again; the others are told. A limit, a pause or a full queue means the same
    for a message that shares a request as for one that is alone."""
    for entry, error in refused:
        if not (repeats and is_transient(error)):
            entry.refuse(error)
    return [entry for entry, _ in refused if entry.waits()]


def settlements_of(transport: Transport, queue: str) -> Send:
    """What a lane of acks, nacks, releases and extends does with its batch. A receipt makes each safe to repeat."""
    target = queue_target(queue, "/settle")

    async def send(batch: Batch) -> None:
        kinds: dict[str, list[Entry]] = {}
        for entry in batch:
            kinds.setdefault(entry.kind, []).append(entry)
        fields = (
            b'"' + kind.encode() + b'":' + join(entry.body for entry in entries) for kind, entries in kinds.items()
        )
        body = b"{" + b",".join(fields) + b"}"
        answer = await transport.call("POST", target, body, safe=True, messages=len(batch))
        for kind, entries in kinds.items():
            result_of = RESULTS[kind]
            for entry, result in zip(entries, answer[kind], strict=True):
                if "error" in result:
                    entry.refuse(entry_error(result["error"]))
                else:
                    entry.resolve(result_of(result))

    return send


RESULTS: Mapping[str, Callable[[Mapping[str, Any]], object]] = {
    "acks": AckResult.of,
    "nacks": NackResult.of,
    "releases": ReleaseResult.of,
    "extends": lambda result: instant(result["leasedUntil"]),
}
