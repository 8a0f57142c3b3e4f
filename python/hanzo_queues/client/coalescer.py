"""Concurrent calls share requests.

A lane collects the calls to one queue. The first call goes at once (with those made in the same turn of the event
loop); calls that arrive while a request is in flight wait and go together in the next one. No timer, no linger: alone,
a call waits for nothing; under load, hundreds share one request. Order is kept: a lane has one request in flight, so
calls reach the server in the order they were made. Every caller gets its own result or its own error, and a caller
that is cancelled leaves the others alone.

Must not know what an entry asks of the server, nor who waits for it: only its size, whether it is safe to repeat, and
which refusals of a request can be the fault of one entry. `send` tells each entry of its batch how it ended, or raises
QueuesError.
"""

from __future__ import annotations

import asyncio
import copy
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from hanzo_queues.errors import ApiError, BatchTooLarge, ClientClosed, OutcomeUnknown, QueuesError, RequestTooLarge

REQUEST_BYTES_MAX = 1 << 20
"""A shared request's bytes; beyond this sharing gains nothing. A larger entry goes alone."""

ENTRY_CODES = frozenset(
    {"request_invalid", "json_invalid", "message_id_invalid", "receipt_invalid", "payload_too_large"}
)
"""Refusals of a whole request that one entry can cause."""


class Entry(ABC):
    """One of a request: what to send (`body`), where it belongs (`kind`), and who is told how that ended. `safe`:
    harmless to repeat when an earlier try may have been carried out. One is made for each message: cheaply."""

    __slots__ = ()

    body: bytes
    kind: str
    safe: bool

    @abstractmethod
    def waits(self) -> bool:
        """Whether somebody is still to be told."""

    @abstractmethod
    def resolve(self, result: Any) -> None:
        """It was carried out. Nothing when nobody waits; must not raise."""

    @abstractmethod
    def refuse(self, error: QueuesError) -> None:
        """It was not, or who knows. Nothing when nobody waits; must not raise."""


class Call(Entry):
    """One that a caller awaits."""

    __slots__ = ("_future", "body", "kind", "safe")

    def __init__(self, body: bytes, kind: str, safe: bool, future: asyncio.Future[Any]) -> None:
        self.body = body
        self.kind = kind
        self.safe = safe
        self._future = future

    def waits(self) -> bool:
        return not self._future.done()

    def resolve(self, result: Any) -> None:
        if not self._future.done():
            self._future.set_result(result)

    def refuse(self, error: QueuesError) -> None:
        if not self._future.done():
            self._future.set_exception(error)


Batch = Sequence[Entry]
Send = Callable[[Batch], Awaitable[None]]


class Lane:
    """The calls to one queue. Belongs to one event loop."""

    def __init__(self, send: Send, entries_max: int) -> None:
        self._send = send
        self._entries_max = entries_max
        self._waiting: deque[Entry] = deque()
        self._sending: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        return self._sending is None

    def submit(self, entry: Entry) -> None:
        """The entry goes with the next request."""
        self._waiting.append(entry)
        if self._sending is None:
            self._begin()

    def submit_all(self, entries: Iterable[Entry]) -> None:
        """The entries go with the next requests, in order."""
        self._waiting.extend(entries)
        if self._sending is None:
            self._begin()

    def _begin(self) -> None:
        self._sending = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        batch: list[Entry] = []
        try:
            while batch := self._take():
                await self._deliver(batch)
        except BaseException:
            self._fail(batch, ClientClosed(outcome="unknown"))
            self._fail(self._waiting, ClientClosed())
            self._waiting.clear()
            raise
        finally:
            self._sending = None

    def _take(self) -> list[Entry]:
        waiting = self._waiting
        batch: list[Entry] = []
        room = REQUEST_BYTES_MAX
        while waiting and len(batch) < self._entries_max:
            entry = waiting[0]
            room -= len(entry.body) + 1
            if room < 0 and batch:
                break
            waiting.popleft()
            if entry.waits():  # else its caller was cancelled
                batch.append(entry)
        return batch

    async def _deliver(self, batch: Batch) -> None:
        try:
            await self._send(batch)
        except OutcomeUnknown as error:
            self._fail([entry for entry in batch if not entry.safe], error)
            await self._repeat([entry for entry in batch if entry.safe])
        except QueuesError as error:
            if len(batch) > 1 and self._splits(error, batch):
                middle = len(batch) // 2
                await self._repeat(batch[:middle])
                await self._repeat(batch[middle:])
            else:
                self._fail(batch, error)
        except Exception as error:  # an answer in another shape: of something that is not the server
            strange = ApiError("the answer is not one of this API", outcome="unknown")
            strange.__cause__ = error
            self._fail(batch, strange)

    async def _repeat(self, batch: Batch) -> None:
        """What is settled is not sent again."""
        if left := [entry for entry in batch if entry.waits()]:
            await self._deliver(left)

    def _splits(self, error: QueuesError, batch: Batch) -> bool:
        """Whether parts may pass where the whole was refused: then one bad entry fails alone."""
        if isinstance(error, BatchTooLarge):
            self._entries_max = max(1, len(batch) // 2)
        return isinstance(error, BatchTooLarge | RequestTooLarge) or getattr(error, "code", "") in ENTRY_CODES

    def _fail(self, batch: Iterable[Entry], error: QueuesError) -> None:
        for entry in batch:
            own = copy.copy(error)  # a traceback belongs to one raise
            own.__cause__ = error.__cause__
            entry.refuse(own)

    async def close(self) -> None:
        """Calls that still wait get ClientClosed."""
        sending = self._sending
        if sending is not None:
            sending.cancel()
            await asyncio.wait([sending])
        self._fail(self._waiting, ClientClosed())  # had the sending not begun, it did not see to them
        self._waiting.clear()


class Coalescer:
    """The lanes, one a queue. A lane with nothing in flight is dropped when there are many."""

    LANES_KEPT = 256

    def __init__(self, send_to: Callable[[str], Send], entries_max: int) -> None:
        self._send_to = send_to
        self._entries_max = entries_max
        self._lanes: dict[str, Lane] = {}

    def lane(self, queue: str) -> Lane:
        """That of this queue."""
        lane = self._lanes.get(queue)
        if lane is None:
            if len(self._lanes) >= self.LANES_KEPT:
                self._lanes = {name: lane for name, lane in self._lanes.items() if not lane.idle}
            lane = self._lanes[queue] = Lane(self._send_to(queue), self._entries_max)
        return lane

    async def close(self) -> None:
        for lane in list(self._lanes.values()):
            await lane.close()
