"""Keeps the leases of running handlers alive: each is extended when a third of it has passed.

One timer for all: leases have one length, so the order in which they are due is the order of insertion, and a handler
that returns quickly costs two dict operations. Must not know what an extension is; `extend` does, and it says with
LeaseLost, MessageNotFound or QueueNotFound that the lease is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from hanzo_queues.errors import LeaseLost, MessageNotFound, QueueNotFound, QueuesError

D = TypeVar("D")

GONE = (LeaseLost, MessageNotFound, QueueNotFound)
"""Errors that say of a settlement or an extension that the lease is gone: with its queue, too."""


class KeepAlive(Generic[D]):
    """The leases of one consumer.

    extend    extends one lease
    on_lost   told once that a lease is gone
    on_error  told that an extension failed otherwise; it is tried again
    """

    def __init__(
        self,
        visibility_timeout: float,
        extend: Callable[[D], Awaitable[object]],
        on_lost: Callable[[D], object],
        on_error: Callable[[BaseException, D], object],
    ) -> None:
        self._interval = visibility_timeout / 3
        self._extend = extend
        self._on_lost = on_lost
        self._on_error = on_error
        self._loop = asyncio.get_running_loop()
        self._due: dict[D, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._extensions: set[asyncio.Task[None]] = set()

    def track(self, delivery: D) -> None:
        """The lease begins now."""
        self._due[delivery] = self._loop.time() + self._interval
        if self._timer is None:
            self._arm()

    def forget(self, delivery: D) -> None:
        """The handler ended."""
        self._due.pop(delivery, None)

    def close(self) -> None:
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
        for extension in self._extensions:
            extension.cancel()

    def _arm(self) -> None:
        first = next(iter(self._due.values()))
        self._timer = self._loop.call_at(first, self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = self._loop.time()
        for delivery, due in tuple(self._due.items()):
            if due > now:
                break
            del self._due[delivery]
            self._due[delivery] = now + self._interval
            extension = self._loop.create_task(self._renew(delivery))
            self._extensions.add(extension)
            extension.add_done_callback(self._extensions.discard)
        if self._due:
            self._arm()

    async def _renew(self, delivery: D) -> None:
        try:
            await self._extend(delivery)
        except GONE:
            if self._due.pop(delivery, None) is not None:
                self._on_lost(delivery)
        except QueuesError as error:
            self._on_error(error, delivery)
