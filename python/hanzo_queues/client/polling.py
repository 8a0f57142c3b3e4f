"""The polls of one consumer: it asks for no more messages than it can start at once, so that none waits here while
another consumer is free.

While the server is away it tries again with backoff, for ever. Whatever was received is started, also what arrives
just when a stop interrupts the wait. Must not know how handlers run.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from hanzo_queues.client.delivery import Delivery
from hanzo_queues.client.handlers import Handlers
from hanzo_queues.client.membership import Membership
from hanzo_queues.client.models import Received
from hanzo_queues.client.registration import Registration
from hanzo_queues.client.reports import Reports
from hanzo_queues.client.retry import RetryPolicy, is_transient
from hanzo_queues.errors import ApiError, ClientClosed, QueuesError, RequestInvalid

if TYPE_CHECKING:
    from hanzo_queues.client.async_queues import AsyncQueues

ONE_TRY = RetryPolicy(retries_max=0)
BACKOFF = RetryPolicy()
LAST_ANSWER_SECONDS = 0.3
"""A poll younger than this at a stop may be answered at this moment: its messages are ours, and nobody else gets them
before their leases end. An older one waits for a message to come, and is ended at once."""


class Polling:
    """Receives for one registration. Belongs to the running event loop."""

    def __init__(
        self,
        client: AsyncQueues,
        options: Registration,
        visibility_timeout: float,
        handlers: Handlers,
        membership: Membership,
        reports: Reports,
    ) -> None:
        self._client = client
        self._options = options
        self._visibility_timeout = visibility_timeout
        self._handlers = handlers
        self._membership = membership
        self._reports = reports
        self._ask_max = client.batch_entries_max
        self._asked = 0
        self._asked_at = 0.0
        self._attempt_id = uuid4().hex

    async def run(self) -> None:
        """Until cancelled. Raises what the server refuses to begin with, and ClientClosed."""
        failures = 0
        answered = False
        while True:
            await self._handlers.room.wait()
            began = time.monotonic()
            try:
                received = await self._receive_and_start()
            except QueuesError as error:
                if isinstance(error, RequestInvalid) and self._asked > 1:
                    self._ask_max = self._asked // 2  # MAX_BATCH_SIZE is smaller there; else 1 is refused too
                    continue
                if isinstance(error, ClientClosed) or not (answered or is_transient(error)):
                    raise
                failures += 1
                await back_off(failures, error, self._reports)
                continue
            answered = True
            if received or time.monotonic() - began > self._options.wait_time / 2:
                failures = 0
            else:  # an early empty answer: a limit holds the queue back, or the server stops
                failures += 1
                asked_to_wait = received.retry_after or BACKOFF.backoff(failures)
                await asyncio.sleep(min(asked_to_wait, self._options.wait_time))

    async def _receive_and_start(self) -> Received:
        filling = asyncio.create_task(self._fill())
        try:
            return await asyncio.shield(filling)
        except asyncio.CancelledError:
            await asyncio.wait([filling], timeout=max(0.0, self._asked_at + LAST_ANSWER_SECONDS - time.monotonic()))
            filling.cancel()
            await asyncio.wait([filling])
            raise

    async def _fill(self) -> Received:
        """Starts what one poll brings, or a batch: as much as comes within its wait, however that ends."""
        size = self._options.batch_size or self._handlers.free
        received = await self._receive(size, self._options.wait_time)
        held = self._handlers.hold(received)
        try:
            if received and self._options.batch_size is not None:
                await self._fill_up(held, size)
        finally:  # whatever ended it, what is here goes on
            self._handlers.start(held)
        return received

    async def _fill_up(self, held: list[Delivery], size: int) -> None:
        until = time.monotonic() + self._options.batch_wait
        full = len(held) == self._asked  # more may be there at this moment than one request can ask for
        while (missing := size - len(held)) > 0:
            left = max(0.0, until - time.monotonic())
            if not full and left == 0:
                return
            received = await self._receive(missing, left)
            held += self._handlers.hold(received)
            full = len(received) == self._asked

    async def _receive(self, messages_max: int, wait: float) -> Received:
        self._asked = min(messages_max, self._ask_max)
        self._asked_at = time.monotonic()
        with self._membership.poll():
            received = await self._client._receive(
                self._options.queue,
                max_messages=self._asked,
                wait_time=wait,
                visibility_timeout=self._visibility_timeout,
                consumer_group=self._options.consumer_group,
                consumer_id=self._membership.consumer_id,
                policy=ONE_TRY,
                attempt_id=self._attempt_id,
            )
        self._attempt_id = uuid4().hex  # a poll that fails is repeated as the same one
        return received


async def back_off(failures: int, error: QueuesError, reports: Reports) -> None:
    """Tells the error, and waits: longer after each failure in a row, and not less than the server asks for."""
    reports.failed(error, None)
    asked = error.retry_after if isinstance(error, ApiError) else None
    await asyncio.sleep((asked or 0.0) + BACKOFF.backoff(failures))
