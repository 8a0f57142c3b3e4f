"""The polls of one consumer: they ask for no more messages than it can start at once, so that none waits here while
another consumer is free. Why two: docs/adr/0018.

While the server is away it tries again with backoff, for ever. Whatever was received is started, also what arrives
just when a stop interrupts the wait. Must not know how handlers run.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
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


@dataclass(slots=True, eq=False)
class Poll:
    """One of a consumer's polls. `places`: calls of the handler that are kept free for what it brings. `asked`, and
    `asked_at` in monotonic seconds: the newest request. One that failed is repeated as the same attempt."""

    places: int = 0
    asked: int = 0
    asked_at: float = 0.0
    attempt_id: str = ""


class Polling:
    """Receives for one registration. Belongs to the running event loop.

    While messages are taken as they come there are two polls, which take turns: one waits at the server while what the
    other brought is started. So no message waits until its consumer asks again. One that comes back empty, or full
    because messages wait, is not repeated as long as there is the other: one is enough then, and asks for all.
    """

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
        self._answered = False
        self._polls = 0
        self._failing = 0  # of them, those that wait after an error

    async def run(self) -> None:
        """Until cancelled. Raises what the server refuses to begin with, and ClientClosed."""
        try:
            async with asyncio.TaskGroup() as polls:
                self._begin(polls)
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None

    def _begin(self, polls: asyncio.TaskGroup) -> None:
        self._polls += 1
        polls.create_task(self._poll(polls))

    async def _poll(self, polls: asyncio.TaskGroup) -> None:
        poll = Poll()
        failures = 0
        while True:
            await self._keep_places(poll)
            began = time.monotonic()
            try:
                received = await self._receive_and_start(poll)
            except QueuesError as error:
                if isinstance(error, RequestInvalid) and poll.asked > 1:
                    self._ask_max = poll.asked // 2  # MAX_BATCH_SIZE is smaller there; else 1 is refused too
                    continue
                if isinstance(error, ClientClosed) or not (self._answered or is_transient(error)):
                    raise
                failures += 1
                self._failing += 1
                try:
                    await back_off(failures, error, self._reports)
                finally:
                    self._failing -= 1
                continue
            self._answered = True
            if 0 < len(received) < poll.asked:
                if self._polls < self._polls_max:
                    self._begin(polls)
            elif self._polls > 1 and not self._failing:
                self._polls -= 1
                return
            if received or time.monotonic() - began > self._options.wait_time / 2:
                failures = 0
            else:  # an early empty answer: a limit holds the queue back, or the server stops
                failures += 1
                asked_to_wait = received.retry_after or BACKOFF.backoff(failures)
                await asyncio.sleep(min(asked_to_wait, self._options.wait_time))

    @property
    def _polls_max(self) -> int:
        """Two batches, each of what is there, would be two halves of one."""
        return 1 if self._options.batch_size is not None else min(self._handlers.limit, 2)

    async def _keep_places(self, poll: Poll) -> None:
        """One of two polls has half of them at most, so that the other can be asked for something, too. One that failed
        has kept its own."""
        while poll.places == 0:
            await self._handlers.room.wait()
            if self._options.batch_size is not None:
                most = 1
            else:
                most = self._handlers.limit if self._polls == 1 else max(1, self._handlers.limit // 2)
            poll.places = self._handlers.keep_free(most)

    async def _receive_and_start(self, poll: Poll) -> Received:
        filling = asyncio.create_task(self._fill(poll))
        try:
            return await asyncio.shield(filling)
        except asyncio.CancelledError:
            await asyncio.wait([filling], timeout=max(0.0, poll.asked_at + LAST_ANSWER_SECONDS - time.monotonic()))
            filling.cancel()
            await asyncio.wait([filling])
            raise

    async def _fill(self, poll: Poll) -> Received:
        """Starts what one poll brings, or a batch: as much as comes within its wait, however that ends."""
        size = self._options.batch_size or poll.places
        received = await self._receive(poll, size, self._options.wait_time)
        held = self._handlers.hold(received)
        try:
            if received and self._options.batch_size is not None:
                await self._fill_up(poll, held, size)
        finally:  # whatever ended it, what is here goes on
            places, poll.places = poll.places, 0
            self._handlers.start(held, places)
        return received

    async def _fill_up(self, poll: Poll, held: list[Delivery], size: int) -> None:
        until = time.monotonic() + self._options.batch_wait
        full = len(held) == poll.asked  # more may be there at this moment than one request can ask for
        while (missing := size - len(held)) > 0:
            left = max(0.0, until - time.monotonic())
            if not full and left == 0:
                return
            received = await self._receive(poll, missing, left)
            held += self._handlers.hold(received)
            full = len(received) == poll.asked

    async def _receive(self, poll: Poll, messages_max: int, wait: float) -> Received:
        poll.asked = min(messages_max, self._ask_max)
        poll.asked_at = time.monotonic()
        poll.attempt_id = poll.attempt_id or uuid4().hex
        with self._membership.poll():
            received = await self._client._receive(
                self._options.queue,
                max_messages=poll.asked,
                wait_time=wait,
                visibility_timeout=self._visibility_timeout,
                consumer_group=self._options.consumer_group,
                consumer_id=self._membership.consumer_id,
                policy=ONE_TRY,
                attempt_id=poll.attempt_id,
            )
        poll.attempt_id = ""
        return received


async def back_off(failures: int, error: QueuesError, reports: Reports) -> None:
    """Tells the error, and waits: longer after each failure in a row, and not less than the server asks for."""
    reports.failed(error, None)
    asked = error.retry_after if isinstance(error, ApiError) else None
    await asyncio.sleep((asked or 0.0) + BACKOFF.backoff(failures))
