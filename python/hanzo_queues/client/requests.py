"""The two requests that calls share: enqueue to a queue, and settle its leases (ack, nack, release, extend).

Turns a lane's batch into one request and the answer's entries into its callers' results. Must not know who calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hanzo_queues.client.coalescer import Batch, Send
from hanzo_queues.client.models import AckResult, EnqueueResult, NackResult, ReleaseResult, entry_error, instant
from hanzo_queues.client.transport import Transport
from hanzo_queues.client.wire import join, queue_target


def enqueues_to(transport: Transport, queue: str) -> Send:
    """What a lane of enqueues does with its batch."""
    single = queue_target(queue, "/messages")
    several = queue_target(queue, "/messages/batch")

    async def send(batch: Batch) -> None:
        safe = all(entry.safe for entry in batch)
        if len(batch) == 1:
            answer = await transport.call("POST", single, batch[0].body, safe=safe)
            batch[0].resolve(EnqueueResult.of(answer))
            return
        body = b'{"messages":' + join(entry.body for entry in batch) + b"}"
        answer = await transport.call("POST", several, body, safe=safe)
        for entry, result in zip(batch, answer["results"], strict=True):
            if "error" in result:
                entry.refuse(entry_error(result["error"]))
            else:
                entry.resolve(EnqueueResult.of(result))

    return send


def settlements_of(transport: Transport, queue: str) -> Send:
    """What a lane of acks, nacks, releases and extends does with its batch. A receipt makes each safe to repeat."""
    target = queue_target(queue, "/settle")

    async def send(batch: Batch) -> None:
        kinds: dict[str, list[int]] = {}
        for index, entry in enumerate(batch):
            kinds.setdefault(entry.kind, []).append(index)
        fields = (
            b'"' + kind.encode() + b'":' + join(batch[index].body for index in indexes)
            for kind, indexes in kinds.items()
        )
        answer = await transport.call("POST", target, b"{" + b",".join(fields) + b"}", safe=True)
        for kind, indexes in kinds.items():
            for index, result in zip(indexes, answer[kind], strict=True):
                if "error" in result:
                    batch[index].refuse(entry_error(result["error"]))
                else:
                    batch[index].resolve(RESULTS[kind](result))

    return send


RESULTS: Mapping[str, Callable[[Mapping[str, Any]], object]] = {
    "acks": AckResult.of,
    "nacks": NackResult.of,
    "releases": ReleaseResult.of,
    "extends": lambda result: instant(result["leasedUntil"]),
}
