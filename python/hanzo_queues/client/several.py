"""One call that acks many leases: parts of it share requests, and it ends when all of them are told.

A part holds as many leases as a request takes: one entry of the lane, one array of JSON, one look through the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hanzo_queues.client.coalescer import own
from hanzo_queues.client.leases import Leases
from hanzo_queues.client.models import entry_error
from hanzo_queues.client.settlements import Results, Settlement
from hanzo_queues.client.wire import encode
from hanzo_queues.errors import QueuesError

UNTOLD = QueuesError("nobody knows yet")
"""In place of the error of an ack that is still to be told."""


class Several:
    """`errors`: that of each ack by its index, None of one that is done, UNTOLD at first. `ended`: all were told;
    cancelled, nobody waits for them."""

    def __init__(self, count: int, ended: asyncio.Future[None], leases: Leases) -> None:
        self.errors: list[QueuesError | None] = [UNTOLD] * count
        self.left = 0
        """How many are with the lanes."""
        self.ended = ended
        self.leases = leases

    def part(self, indexes: Sequence[int], pairs: Sequence[tuple[str, str]]) -> SomeOfSeveral:
        """The acks of those indexes, on their way: of each its message's id and its receipt. Raises TypeError."""
        part = SomeOfSeveral(self, indexes, pairs)
        self.left += part.count
        return part

    def tell(self, indexes: Sequence[int], errors: Sequence[QueuesError | None]) -> None:
        """How they ended."""
        for index, error in zip(indexes, errors, strict=True):
            self.errors[index] = error
        self.left -= len(indexes)
        if self.left == 0 and not self.ended.done():
            self.ended.set_result(None)


class SomeOfSeveral(Settlement):
    """Some acks of one call, to one queue."""

    __slots__ = ("_indexes", "_pairs", "_several", "body", "count")

    kind = "acks"

    def __init__(self, several: Several, indexes: Sequence[int], pairs: Sequence[tuple[str, str]]) -> None:
        self._several = several
        self._indexes = indexes
        self._pairs = pairs
        self.count = len(indexes)
        self.body = encode([{"id": message_id, "receipt": receipt} for message_id, receipt in pairs])[1:-1]

    def waits(self) -> bool:
        return not self._several.ended.done() and self._several.errors[self._indexes[0]] is UNTOLD

    def answer(self, results: Results, first: int) -> None:
        own_results = results[first : first + self.count]
        errors = [entry_error(result["error"]) if "error" in result else None for result in own_results]
        acked = self._pairs
        if any(errors):
            acked = [pair for pair, error in zip(acked, errors, strict=True) if error is None]
        self._several.leases.forget_all(acked)
        self._several.tell(self._indexes, errors)

    def refuse(self, error: QueuesError) -> None:
        # Those that nothing told of which it was split into.
        untold = [index for index in self._indexes if self._several.errors[index] is UNTOLD]
        self._several.tell(untold, [own(error) for _ in untold])

    def split(self, count: int) -> tuple[SomeOfSeveral, SomeOfSeveral]:
        first = SomeOfSeveral(self._several, self._indexes[:count], self._pairs[:count])
        return first, SomeOfSeveral(self._several, self._indexes[count:], self._pairs[count:])
