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
from typing import Any, Generic, Self, TypeVar

from hanzo_queues.client.batch_limit import BatchLimit
from hanzo_queues.errors import ApiError, BatchTooLarge, ClientClosed, OutcomeUnknown, QueuesError, RequestTooLarge

REQUEST_BYTES_MAX = 1 << 20
"""A shared request's bytes; beyond this sharing gains nothing. A larger entry goes alone."""

ENTRY_CODES = frozenset(
    {"request_invalid", "json_invalid", "message_id_invalid", "receipt_invalid", "payload_too_large"}
)
"""Refusals of a whole request that one entry can cause."""


class Entry(ABC):
    """Part of a request: what to send (`body`, so many elements of an array as `count` says), and who is told how that
    ended. `safe`: harmless to repeat when an earlier try may have been carried out. One is made for each call:
    cheaply."""

    __slots__ = ()

    body: bytes
    count: int
    safe: bool

    @abstractmethod
    def waits(self) -> bool:
        """Whether somebody is still to be told."""

    @abstractmethod
    def refuse(self, error: QueuesError) -> None:
        """It was not carried out, or who knows. Nothing when nobody waits; must not raise."""

    def split(self, count: int) -> tuple[Self, Self]:
        """Two in its place, the first with so many of its elements. Only of what has more than that."""
        raise AssertionError("it has one")


class Awaited(Entry):
    """One element, whose caller awaits `future`."""

    __slots__ = ("future",)

    count = 1
    future: asyncio.Future[Any]

    def waits(self) -> bool:
        return not self.future.done()

    def resolve(self, result: object) -> None:
        """It was carried out. Nothing when nobody waits."""
        if not self.future.done():
            self.future.set_result(result)

    def refuse(self, error: QueuesError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


E = TypeVar("E", bound=Entry)

Send = Callable[[Sequence[E]], Awaitable[None]]


class Lane(Generic[E]):
    """The calls to one queue. Belongs to one event loop."""

    def __init__(self, send: Send[E], limit: BatchLimit) -> None:
        self._send = send
        self._limit = limit
        """Of elements of a request."""
        self._waiting: deque[E] = deque()
        self._sending: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        return self._sending is None

    def submit(self, entry: E) -> None:
        """The entry goes with the next request, or what of it has no room there with those after it."""
        self._waiting.append(entry)
        if self._sending is None:
            self._sending = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        batch: list[E] = []
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

    def _take(self) -> list[E]:
        waiting = self._waiting
        batch: list[E] = []
        places, room = self._limit.entries, REQUEST_BYTES_MAX
        while waiting and places:
            entry = waiting.popleft()
            if not entry.waits():  # its caller was cancelled
                continue
            count = entry.count
            if count > places:
                entry, rest = entry.split(places)
                waiting.appendleft(rest)
                count = places
            room -= len(entry.body) + 1
            if room < 0 and batch:
                waiting.appendleft(entry)
                break
            places -= count
            batch.append(entry)
        return batch

    async def _deliver(self, batch: Sequence[E]) -> None:
        try:
            await self._send(batch)
        except OutcomeUnknown as error:
            self._fail([entry for entry in batch if not entry.safe], error)
            await self._repeat([entry for entry in batch if entry.safe])
        except QueuesError as error:
            count = sum(entry.count for entry in batch)
            if count > 1 and self._splits(error, count):
                for half in halves(batch, count // 2):
                    await self._repeat(half)
            else:
                self._fail(batch, error)
        except Exception as error:  # an answer in another shape: of something that is not the server
            strange = ApiError("the answer is not one of this API", outcome="unknown")
            strange.__cause__ = error
            self._fail(batch, strange)

    async def _repeat(self, batch: Sequence[E]) -> None:
        """What is settled is not sent again."""
        if left := [entry for entry in batch if entry.waits()]:
            await self._deliver(left)

    def _splits(self, error: QueuesError, count: int) -> bool:
        """Whether parts may pass where the whole was refused: then one bad entry fails alone."""
        if isinstance(error, BatchTooLarge):
            self._limit.refused(count)
        return isinstance(error, BatchTooLarge | RequestTooLarge) or getattr(error, "code", "") in ENTRY_CODES

    def _fail(self, batch: Iterable[E], error: QueuesError) -> None:
        for entry in batch:
            entry.refuse(own(error))

    async def close(self) -> None:
        """Calls that still wait get ClientClosed."""
        sending = self._sending
        if sending is not None:
            sending.cancel()
            await asyncio.wait([sending])
        self._fail(self._waiting, ClientClosed())  # had the sending not begun, it did not see to them
        self._waiting.clear()


def halves(batch: Sequence[E], count: int) -> tuple[list[E], list[E]]:
    """The first `count` elements of a batch, and the others: there are some."""
    first: list[E] = []
    rest = deque(batch)
    while count:
        entry = rest.popleft()
        if entry.count > count:
            entry, other = entry.split(count)
            rest.appendleft(other)
        first.append(entry)
        count -= entry.count
    return first, list(rest)


def own(error: QueuesError) -> QueuesError:
    """The error, for one who raises it: a traceback belongs to one raise."""
    copied = copy.copy(error)
    copied.__cause__ = error.__cause__
    return copied


class Coalescer(Generic[E]):
    """The lanes, one a queue. A lane with nothing in flight is dropped when there are many."""

    LANES_KEPT = 256

    def __init__(self, send_to: Callable[[str], Send[E]], limit: BatchLimit) -> None:
        self._send_to = send_to
        self._limit = limit
        self._lanes: dict[str, Lane[E]] = {}

    def lane(self, queue: str) -> Lane[E]:
        """That of this queue."""
        lane = self._lanes.get(queue)
        if lane is None:
            if len(self._lanes) >= self.LANES_KEPT:
                self._lanes = {name: lane for name, lane in self._lanes.items() if not lane.idle}
            lane = self._lanes[queue] = Lane(self._send_to(queue), self._limit)
        return lane

    async def close(self) -> None:
        for lane in list(self._lanes.values()):
            await lane.close()
