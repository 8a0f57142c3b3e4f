"""The handlers of one consumer: called with what was received, their leases kept, their ends told to the server.

The invariant: a message's lease is kept from `hold` until its handler ended, and the call that has it is in
`_unsettled` until the server was told. Must not know how messages are received.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from hanzo_queues.client.delivery import DONE, Delivery, Handling, Outcome, settle
from hanzo_queues.client.keepalive import KeepAlive
from hanzo_queues.client.models import AckResult, Message
from hanzo_queues.client.registration import Handled, HandledAs, Registration
from hanzo_queues.client.reports import Reports
from hanzo_queues.client.retry import RetryPolicy, is_transient
from hanzo_queues.client.scaling import Seen
from hanzo_queues.client.wire import NOT_GIVEN
from hanzo_queues.errors import QueuesError

if TYPE_CHECKING:
    from hanzo_queues.client.async_queues import AsyncQueues

SETTLE_SECONDS = 5.0
"""How long a stop waits for cancelled handlers and the last releases."""


class Handlers:
    """Runs the handler of one registration. Belongs to the running event loop."""

    def __init__(
        self, client: AsyncQueues, options: Registration, visibility_timeout: float, reports: Reports
    ) -> None:
        self._client = client
        self._options = options
        self._visibility_timeout = visibility_timeout
        self._reports = reports
        self._is_async = is_async(options.handler)
        self._threads = None if self._is_async else ThreadPoolExecutor(options.bounds[1], "hanzo-queues")
        self._running: set[Handling] = set()
        self._unsettled: set[asyncio.Future[Any]] = set()
        self._policy = RetryPolicy()
        self._leases = KeepAlive[Delivery](visibility_timeout, self._extend, self._lose, self._extension_failed)
        self._keys: dict[str, asyncio.Task[None]] = {}
        """Of each ordering key at work, its last call."""
        self._ended = (0.0, 0)
        """Since the last look: seconds that calls took, and their messages."""
        self.limit = options.bounds[0]
        """Calls that may run at once."""
        self.room = asyncio.Event()
        """Set while a further call can start."""
        self.room.set()

    @property
    def free(self) -> int:
        """Calls that can start at once."""
        return self.limit - len(self._running)

    def resize(self, limit: int) -> None:
        """From now on so many calls may run at once."""
        self.limit = limit
        self._update_room()

    def _update_room(self) -> None:
        if self.free > 0:
            self.room.set()
        else:
            self.room.clear()

    def look(self, waiting: float) -> Seen:
        """A look at the work; so many messages wait for it."""
        (seconds, messages), self._ended = self._ended, (0.0, 0)
        in_hand = sum(len(handling.deliveries) for handling in self._running)
        return Seen(waiting + in_hand, seconds / messages if messages else 0.0, self.free <= 0)

    def hold(self, messages: Sequence[Message]) -> list[Delivery]:
        """The messages were received: their leases are kept from now on."""
        deliveries = [Delivery(message) for message in messages]
        for delivery in deliveries:
            self._client._leases.watch(delivery.message)
            self._leases.track(delivery)
        return deliveries

    def start(self, deliveries: Sequence[Delivery]) -> None:
        """Calls the handler with them: once for all of a batch, else once for each."""
        if self._options.batch_size is None:
            for delivery in deliveries:
                self._start(Handling((delivery,)))
        elif deliveries:
            self._start(Handling(deliveries))

    def _start(self, handling: Handling) -> None:
        self._running.add(handling)
        self._update_room()
        key = None if self._options.batch_size is not None else handling.deliveries[0].message.ordering_key
        before = None if key is None else self._keys.get(key)
        running = asyncio.get_running_loop().create_task(self._process(handling, before))
        handling.running = running
        self._await_settled(running)
        if key is not None:
            self._keys[key] = running
            running.add_done_callback(lambda _: self._keys.pop(key) if self._keys[key] is running else None)

    def _await_settled(self, future: asyncio.Future[Any]) -> None:
        self._unsettled.add(future)
        future.add_done_callback(self._unsettled.discard)

    async def _process(self, handling: Handling, before: asyncio.Task[None] | None) -> None:
        """`before`: the last call of the same ordering key. The server lets go of a key when its message's lease is
        lost; but a handler that can't be interrupted may still run here while the next delivery arrives."""
        began = time.monotonic()
        deliveries = handling.deliveries
        try:
            if before is not None:
                await asyncio.wait([before])
                began = time.monotonic()
            if handling.is_lost:  # while it waited for its turn
                outcomes = [Outcome()] * len(deliveries)
            else:
                outcomes = self._outcomes(await self._call(handling), len(deliveries))
        except (KeyboardInterrupt, SystemExit):
            raise  # ends the whole program; the messages come again when their leases end
        except BaseException as error:
            outcomes = [Outcome(error)] * len(deliveries)
        finally:
            handling.running = None  # from here on nothing interrupts us
            for delivery in deliveries:
                self._leases.forget(delivery)
                delivery.handling = None  # they hold each other, which only a collector would notice
            took = time.monotonic() - began
            self._ended = (self._ended[0] + took, self._ended[1] + len(deliveries))
            self._running.discard(handling)
            self._update_room()
        if len(deliveries) == 1:
            if outcomes[0] is not DONE or not self._ack(deliveries[0], took):
                await self._end(deliveries[0], outcomes[0], took)
        else:  # at the same time, so that they share a request
            ends = (self._end(*ended, took) for ended in zip(deliveries, outcomes, strict=True))
            await asyncio.gather(*ends)

    async def _call(self, handling: Handling) -> Any:
        deliveries = handling.deliveries
        given: Any = deliveries[0].message
        if self._options.batch_size is not None:
            given = [delivery.message for delivery in deliveries]
        if self._is_async:
            return await self._options.handler(given)
        loop = asyncio.get_running_loop()
        returned = await loop.run_in_executor(self._threads, call_plain, self._options.handler, given)
        if inspect.isawaitable(returned):  # a plain wrapper around an async function: its work is still to do
            return await returned
        return returned

    def _outcomes(self, returned: Any, number: int) -> list[Outcome]:
        """What a handler that returned says of each of its messages. Raises TypeError."""
        keep = self._options.keep_results
        if self._options.batch_size is None:
            return [Outcome(result=returned) if keep else DONE]
        if returned is None:
            return [DONE] * number
        if not isinstance(returned, list | tuple) or len(returned) != number:
            raise TypeError(
                f"a batch's handler returns None or a list with the outcome of each of its {number} messages, "
                f"not {returned!r:.100}"
            )
        return [
            Outcome(one) if isinstance(one, BaseException) else Outcome(result=one if keep else NOT_GIVEN)
            for one in returned
        ]

    # Settling

    def _ack(self, delivery: Delivery, took: float) -> bool:
        """Sends the ack that needs no task to wait for it; False: it is not that simple. Should it fail, it is repeated
        by one that knows what to do."""
        message = delivery.message
        if delivery.ended_by or self._client._leases.is_settled(message):
            return False
        try:
            acking = self._client._acking(message.queue, message.id, message.receipt)
        except QueuesError:
            return False
        acking.add_done_callback(partial(self._acked, delivery, took))
        self._await_settled(acking)
        return True

    def _acked(self, delivery: Delivery, took: float, acking: asyncio.Future[AckResult]) -> None:
        if acking.cancelled() or acking.exception() is not None:
            self._await_settled(asyncio.get_running_loop().create_task(self._end(delivery, DONE, took)))
            return
        self._client._leases.forget(delivery.message.id, delivery.message.receipt)
        self._tell_handled(delivery, "acked", took, None)

    async def _end(self, delivery: Delivery, outcome: Outcome, took: float) -> None:
        ended_as, error = await self._settle(delivery, outcome)
        self._client._leases.unwatch(delivery.message)
        if error is not None and ended_as != "released":
            self._reports.failed(error, delivery.message)
        self._tell_handled(delivery, ended_as, took, error)

    def _tell_handled(
        self, delivery: Delivery, ended_as: HandledAs, took: float, error: BaseException | None
    ) -> None:
        if self._options.on_handled is not None:
            running = len(self._running)
            self._reports.handled(Handled(delivery.message, ended_as, took, running, self.limit, error))

    async def _settle(self, delivery: Delivery, outcome: Outcome) -> tuple[HandledAs, BaseException | None]:
        """Goes on while the server is away and the lease, extended at a third, must still last: else work that is
        done would be done again."""
        until = time.monotonic() + self._visibility_timeout * 2 / 3
        failures = 0
        while True:
            ended_as, error = await settle(self._client, delivery, outcome)
            if ended_as != "unsettled" or not isinstance(error, QueuesError) or not is_transient(error):
                return ended_as, error
            failures += 1
            wait = self._policy.backoff(failures)
            if time.monotonic() + wait > until:
                return ended_as, error
            await asyncio.sleep(wait)

    # Leases

    async def _extend(self, delivery: Delivery) -> None:
        await self._client.extend(delivery.message, self._visibility_timeout)

    def _lose(self, delivery: Delivery) -> None:
        """A plain function can't be interrupted: it keeps its place until it returns, but isn't acked."""
        if self._client._leases.is_settled(delivery.message):
            return
        delivery.ended_by = "lease_lost"
        if delivery.handling is not None and self._is_async and self._options.cancel_on_lease_lost:
            delivery.handling.cancel_if_lost()

    def _extension_failed(self, error: BaseException, delivery: Delivery) -> None:
        self._reports.failed(error, delivery.message)

    # Stopping

    async def finish(self, hurry: asyncio.Event, grace: float) -> None:
        """Handlers may finish within `grace` seconds; the rest are cancelled and their messages given back."""
        try:
            if self._unsettled:
                finished = asyncio.create_task(_all_of(self._unsettled))
                hurried = asyncio.create_task(hurry.wait())
                await asyncio.wait([finished, hurried], timeout=grace, return_when=asyncio.FIRST_COMPLETED)
                hurried.cancel()
                finished.cancel()
            for handling in tuple(self._running):
                handling.stop()
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_SECONDS):
                    await _all_of(self._unsettled)
        finally:
            self._leases.close()
            if self._threads is not None:
                self._threads.shutdown(wait=False, cancel_futures=True)


async def _all_of(unsettled: set[asyncio.Future[Any]]) -> None:
    """Waits for them, and for those that they lead to, and leaves them alone when cancelled."""
    while unsettled:
        await asyncio.wait(tuple(unsettled))


def call_plain(handler: Any, given: Any) -> object:
    """Calls it. A StopIteration would end in no future at all (PEP 479), and its caller wait for ever."""
    try:
        return handler(given)
    except StopIteration as error:
        raise RuntimeError("the handler raised StopIteration") from error


def is_async(handler: object) -> bool:
    """Whether calling it gives a coroutine; also for objects with an async `__call__`, and partials."""
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        getattr(handler, "__call__", None)  # noqa: B004
    )
