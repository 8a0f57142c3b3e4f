"""Concurrent calls share requests.

A lane collects the calls to one queue. The first call goes at once (with those made in the same turn of the event
loop); calls that arrive while a request is in flight wait and go together in the next one. No timer, no linger: alone,
a call waits for nothing; under load, hundreds share one request. Order is kept: a lane has one request in flight, so
calls reach the server in the order they were made. Every caller gets its own result or its own error, and a caller
that is cancelled leaves the others alone.

Must not know what the entries mean; `send` does. `send` settles every future of its batch, or raises QueuesError.
"""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from hanzo_queues.errors import ApiError, BatchTooLarge, ClientClosed, OutcomeUnknown, QueuesError, RequestTooLarge

R = TypeVar("R")

REQUEST_BYTES_MAX = 1 << 20
"""A shared request's bytes; beyond this sharing gains nothing. A larger entry goes alone."""

ENTRY_CODES = frozenset(
    {"request_invalid", "json_invalid", "message_id_invalid", "receipt_invalid", "payload_too_large"}
)
"""Refusals of a whole request that one entry can cause."""


def halves_may_pass(error: QueuesError) -> bool:
    """Whether halves of a request may pass where the whole was refused: then one bad entry fails alone."""
    return isinstance(error, BatchTooLarge | RequestTooLarge) or getattr(error, "code", "") in ENTRY_CODES


def own_copy(error: QueuesError) -> QueuesError:
    """For one caller of several: a traceback belongs to one raise."""
    own = copy.copy(error)
    own.__cause__ = error.__cause__
    return own


def not_of_this_api(error: Exception) -> ApiError:
    """An answer in another shape: of something that is not the server."""
    strange = ApiError("the answer is not one of this API", outcome="unknown")
    strange.__cause__ = error
    return strange


class Entry(Generic[R]):
    """One call: what to send (`body`), where it belongs in the request (`kind`), and who waits for it.
    `safe`: harmless to repeat when an earlier try may have been carried out."""

    __slots__ = ("body", "future", "kind", "safe")

    def __init__(self, body: bytes, *, safe: bool, kind: str = "") -> None:
        self.body = body
        self.kind = kind
        self.safe = safe
        self.future: asyncio.Future[R] = asyncio.get_running_loop().create_future()

    def resolve(self, result: R) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def refuse(self, error: QueuesError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


Batch = Sequence[Entry[Any]]
Send = Callable[[Batch], Awaitable[None]]


class Lane:
    """The calls to one queue. Belongs to one event loop."""

    def __init__(self, send: Send, entries_max: int) -> None:
        self._send = send
        self._entries_max = entries_max
        self._waiting: deque[Entry[Any]] = deque()
        self._sending: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        return self._sending is None

    def submit(self, entry: Entry[R]) -> asyncio.Future[R]:
        """The entry goes with the next request; await the future."""
        self._waiting.append(entry)
        if self._sending is None:
            self._sending = asyncio.get_running_loop().create_task(self._drain())
        return entry.future

    async def _drain(self) -> None:
        batch: list[Entry[Any]] = []
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

    def _take(self) -> list[Entry[Any]]:
        batch: list[Entry[Any]] = []
        size = 0
        while self._waiting and len(batch) < self._entries_max:
            size += len(self._waiting[0].body) + 1
            if batch and size > REQUEST_BYTES_MAX:
                break
            entry = self._waiting.popleft()
            if not entry.future.done():  # its caller was cancelled
                batch.append(entry)
        return batch

    async def _deliver(self, entries: Batch) -> None:
        batch = [entry for entry in entries if not entry.future.done()]  # what is settled is not sent again
        if not batch:
            return
        try:
            await self._send(batch)
        except OutcomeUnknown as error:
            self._fail([entry for entry in batch if not entry.safe], error)
            if rest := [entry for entry in batch if entry.safe]:
                await self._deliver(rest)
        except QueuesError as error:
            if len(batch) > 1 and self._splits(error, batch):
                middle = len(batch) // 2
                await self._deliver(batch[:middle])
                await self._deliver(batch[middle:])
            else:
                self._fail(batch, error)
        except Exception as error:
            self._fail(batch, not_of_this_api(error))

    def _splits(self, error: QueuesError, batch: Batch) -> bool:
        if isinstance(error, BatchTooLarge):
            self._entries_max = max(1, len(batch) // 2)
        return halves_may_pass(error)

    def _fail(self, batch: Iterable[Entry[Any]], error: QueuesError) -> None:
        for entry in batch:
            entry.refuse(own_copy(error))

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

    def submit(self, queue: str, entry: Entry[R]) -> asyncio.Future[R]:
        lane = self._lanes.get(queue)
        if lane is None:
            if len(self._lanes) >= self.LANES_KEPT:
                self._lanes = {name: lane for name, lane in self._lanes.items() if not lane.idle}
            lane = self._lanes[queue] = Lane(self._send_to(queue), self._entries_max)
        return lane.submit(entry)

    async def close(self) -> None:
        for lane in list(self._lanes.values()):
            await lane.close()
