"""One call that waits for many acks: each of them is told how it ended, and the call when all were."""

from __future__ import annotations

import asyncio

from hanzo_queues.client.coalescer import Entry
from hanzo_queues.errors import QueuesError


class Several:
    """`errors`: that of each ack by its index, None of one that is done. `left`: how many are to be told yet. `ended`:
    all were; cancelled, nobody waits for them."""

    def __init__(self, count: int, ended: asyncio.Future[None]) -> None:
        self.errors: list[QueuesError | None] = [None] * count
        self.left = 0
        self.ended = ended


class OneOfSeveral(Entry):
    """The ack of that index."""

    __slots__ = ("_index", "_several", "body", "done")

    kind = "acks"
    safe = True

    def __init__(self, several: Several, index: int, body: bytes) -> None:
        self.body = body
        self._several: Several | None = several
        self._index = index
        self.done = False
        """The server carried it out."""
        several.left += 1

    def waits(self) -> bool:
        return self._several is not None and not self._several.ended.done()

    def resolve(self, result: object) -> None:
        if self._several is not None:
            self.done = True
            self._end(self._several)

    def refuse(self, error: QueuesError) -> None:
        if self._several is not None:
            self._several.errors[self._index] = error
            self._end(self._several)

    def _end(self, several: Several) -> None:
        self._several = None
        several.left -= 1
        if several.left == 0 and not several.ended.done():
            several.ended.set_result(None)
