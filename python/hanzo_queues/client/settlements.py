"""Acks, nacks, releases and extends of one queue's leases that share a request: a lane's batch becomes one, and each
entry gets its part of the answer.

What was settled is forgotten here, when the server says so: then it does not matter who still waits to hear of it.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hanzo_queues.client.coalescer import Awaited, Entry, Send
from hanzo_queues.client.leases import Leases
from hanzo_queues.client.models import AckResult, NackResult, ReleaseResult, entry_error, instant
from hanzo_queues.client.transport import Transport
from hanzo_queues.client.wire import enclosed, queue_target

Results = Sequence[Mapping[str, Any]]


class Settlement(Entry):
    """What happens to leases, all the same (`kind`). A receipt makes each safe to repeat."""

    __slots__ = ()

    kind: str
    safe = True

    @abstractmethod
    def answer(self, results: Results, first: int) -> None:
        """It was carried out: of each of its leases the result, from `first` on, or that it was refused. Raises
        whatever, and did nothing, when they are none."""


class SettleCall(Awaited, Settlement):
    """That of one lease. `settles`: id and receipt of the lease, when it ends it."""

    __slots__ = ("_leases", "_settles", "body", "kind")

    def __init__(
        self, kind: str, body: bytes, future: asyncio.Future[Any], leases: Leases, settles: tuple[str, str] | None
    ) -> None:
        self.kind = kind
        self.body = body
        self.future = future
        self._leases = leases
        self._settles = settles

    def answer(self, results: Results, first: int) -> None:
        result = results[first]
        if "error" in result:
            self.refuse(entry_error(result["error"]))
            return
        value = RESULTS[self.kind](result)
        if self._settles is not None:
            self._leases.forget(*self._settles)
        self.resolve(value)


RESULTS: Mapping[str, Callable[[Mapping[str, Any]], object]] = {
    "acks": AckResult.of,
    "nacks": NackResult.of,
    "releases": ReleaseResult.of,
    "extends": lambda result: instant(result["leasedUntil"]),
}


def settlements_of(transport: Transport, queue: str) -> Send[Settlement]:
    """What a lane of settlements does with its batch."""
    target = queue_target(queue, "/settle")

    async def send(batch: Sequence[Settlement]) -> None:
        kinds: dict[str, list[Settlement]] = {}
        for settlement in batch:
            kinds.setdefault(settlement.kind, []).append(settlement)
        arrays = [
            enclosed(b'"%b":[' % kind.encode(), [settlement.body for settlement in settlements], b"]")
            for kind, settlements in kinds.items()
        ]
        count = sum([settlement.count for settlement in batch])
        answer = await transport.call("POST", target, enclosed(b"{", arrays, b"}"), safe=True, messages=count)
        for kind, settlements in kinds.items():
            _share(settlements, answer[kind])

    return send


def _share(settlements: Sequence[Settlement], results: Results) -> None:
    """Gives each its part of the results."""
    if len(results) != sum([settlement.count for settlement in settlements]):
        raise ValueError("the answer has results of something else")
    first = 0
    for settlement in settlements:
        settlement.answer(results, first)
        first += settlement.count
