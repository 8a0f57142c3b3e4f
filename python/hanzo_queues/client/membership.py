"""A consumer as a member of its consumer group: named, known to be alive, and gone when it stops.

The server knows a member by its polls. While all of its handlers are busy it does not poll, so it sends heartbeats:
else its session would end, and with it the leases of those very handlers. Must not know what is polled for.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hanzo_queues.errors import QueuesError

if TYPE_CHECKING:
    from hanzo_queues.client.async_queues import AsyncQueues

LEAVE_SECONDS = 2.0
"""How long a stop waits for the answer to its leaving. Without one, the session ends by time."""


def new_consumer_id() -> str:
    """A name that no other consumer has, and that tells people where it runs."""
    return f"{socket.gethostname()[:128]}-{os.getpid()}-{secrets.token_hex(4)}"


class Membership:
    """One consumer's place in the group `group` of `queue`. Belongs to the running event loop."""

    def __init__(
        self,
        client: AsyncQueues,
        queue: str,
        group: str | None,
        consumer_id: str | None,
        on_error: Callable[[QueuesError, None], object],
    ) -> None:
        self.consumer_id = consumer_id or new_consumer_id()
        self._client = client
        self._queue = queue
        self._group = group or "default"
        self._on_error = on_error
        self._loop = asyncio.get_running_loop()
        self._polls = 0
        self._seen_at: float | None = None
        self._keeping: asyncio.Task[None] | None = None

    def start(self, session_timeout: float) -> None:
        """Stays a member from the first poll to `leave`, also when there is no poll for longer than a session."""
        self._keeping = self._loop.create_task(self._keep(session_timeout / 3))

    @contextmanager
    def poll(self) -> Iterator[None]:
        """A poll is open: the server sees us, from its beginning to its end."""
        self._polls += 1
        self._seen_at = self._loop.time()
        try:
            yield
        finally:
            self._polls -= 1
            self._seen_at = self._loop.time()

    async def _keep(self, interval: float) -> None:
        """Sends a heartbeat whenever the server has not seen us for `interval` seconds."""
        while True:
            seen_at = self._loop.time() if self._polls or self._seen_at is None else self._seen_at
            wait = seen_at + interval - self._loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
                continue
            try:
                await self._client.heartbeat(self._queue, self.consumer_id, group=self._group)
            except QueuesError as error:
                self._on_error(error, None)
            self._seen_at = self._loop.time()

    async def leave(self) -> None:
        """Makes room at once: the keys that stick to this member go to others."""
        if self._keeping is not None:
            self._keeping.cancel()
        if self._seen_at is None:
            return
        with suppress(QueuesError, TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._client.leave_group(self._queue, self.consumer_id, group=self._group)
