"""Queues: made, changed, looked at, paused, emptied, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hanzo_queues.client.calls import Calls
from hanzo_queues.client.config import to_wire
from hanzo_queues.client.queue_info import QueueInfo
from hanzo_queues.client.wire import encode, queue_target, with_query


class QueueCalls(Calls):
    """The part of a client that administers queues."""

    async def create(self, name: str, config: Mapping[str, Any] | None = None) -> QueueInfo:
        """Makes a queue, or finds it there with an equal config; safe to call at every start.

        name    a letter or digit, then up to 127 letters, digits, dots, dashes, underscores
        config  keys as in `QueueConfig`; what is left out has the server's default

        Raises QueueConflict when it exists with another config, ValueError for a key that does not exist.
        """
        body = encode({"name": name} if config is None else {"name": name, "config": to_wire(config)})
        return QueueInfo.of(await self._transport.call("POST", "/v1/queues", body, safe=True))

    async def update(self, name: str, config: Mapping[str, Any]) -> QueueInfo:
        """Changes the given keys of a queue's config and leaves the others. Raises QueueNotFound."""
        body = encode({"config": to_wire(config)})
        return QueueInfo.of(await self._transport.call("PATCH", queue_target(name), body, safe=True))

    async def pause(self, name: str, *, enqueue: bool = False, receive: bool = True) -> QueueInfo:
        """Pauses a queue until `resume`; what is not named stays as it is. Safe to repeat.

        receive  nothing is handed out: receives are empty, `limited_by` "paused", and consumers wait; default True
        enqueue  enqueues raise QueuePaused, those of duplicates and of dead letters excepted; default False

        Leases go on: messages that were handed out can be settled. Raises QueueNotFound.
        """
        body = encode({"enqueue": enqueue, "receive": receive})
        return QueueInfo.of(await self._transport.call("POST", queue_target(name, "/pause"), body, safe=True))

    async def resume(self, name: str, *, enqueue: bool = True, receive: bool = True) -> QueueInfo:
        """Ends the pauses of a queue; one set to False stays. Consumers that wait get messages at once. Safe to
        repeat. Raises QueueNotFound."""
        body = encode({"enqueue": enqueue, "receive": receive})
        return QueueInfo.of(await self._transport.call("POST", queue_target(name, "/resume"), body, safe=True))

    async def purge(self, name: str) -> int:
        """Removes all messages of a queue, also leased ones (their receipts raise LeaseLost), and returns how many
        these were. The queue stays, and its dedup ids are remembered. Takes the same time however many there are.
        Raises QueueNotFound, and OutcomeUnknown when the answer was lost: a repetition removes what came since."""
        answer = await self._transport.call("POST", queue_target(name, "/purge"), encode({}), safe=False)
        return int(answer["messages"])

    async def delete(self, name: str) -> int:
        """Deletes a queue with all its messages, and returns how many these were. Raises QueueNotFound, and
        OutcomeUnknown when the answer was lost."""
        answer = await self._transport.call("DELETE", queue_target(name), safe=False)
        return int(answer["messages"])

    async def get(self, name: str) -> QueueInfo:
        """A queue, with its counts. Raises QueueNotFound."""
        return QueueInfo.of(await self._transport.call("GET", queue_target(name), safe=True))

    async def list(self, *, prefix: str | None = None) -> list[QueueInfo]:
        """All queues whose names begin with `prefix` (default: all), by name."""
        found: list[QueueInfo] = []
        after: str | None = None
        while True:
            target = with_query("/v1/queues", {"prefix": prefix, "after": after})
            answer = await self._transport.call("GET", target, safe=True)
            found += [QueueInfo.of(queue) for queue in answer["queues"]]
            after = answer.get("next")
            if after is None:
                return found
