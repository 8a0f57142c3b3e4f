"""One running consumer: polls, starts handlers, keeps their leases, stops gracefully.

It asks for no more messages than it can start at once, so that none waits here while another consumer is free. While
the server is away it tries again with backoff, for ever. The invariant: every received message is in `_running` until
its handler ended, and in `_unsettled` until the server was told.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from hanzo_queues.client.delivery import Delivery, settle
from hanzo_queues.client.keepalive import KeepAlive
from hanzo_queues.client.models import Message, Received
from hanzo_queues.client.registration import Handled, HandledAs, Handler, Registration
from hanzo_queues.client.retry import RetryPolicy, is_transient
from hanzo_queues.errors import ApiError, ClientClosed, QueuesError, RequestInvalid

if TYPE_CHECKING:
    from hanzo_queues.client.async_queues import AsyncQueues

ONE_TRY = RetryPolicy(retries_max=0)
SETTLE_SECONDS = 5.0
"""How long a stop waits for cancelled handlers and last nacks."""
LAST_ANSWER_SECONDS = 0.3
"""A poll younger than this at a stop may be answered at this moment: its messages are ours, and nobody else gets them
before their leases end. An older one waits for a message to come, and is ended at once."""

log = logging.getLogger("hanzo_queues")


class Consumer:
    """Runs one registration. Belongs to the running event loop."""

    def __init__(self, client: AsyncQueues, registration: Registration) -> None:
        self._client = client
        self._options = registration
        self._is_async = is_async(registration.handler)
        self._threads = None if self._is_async else ThreadPoolExecutor(registration.concurrency, "hanzo-queues")
        self._running: set[Delivery] = set()
        self._unsettled: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._room.set()
        self._policy = RetryPolicy()
        self._ask_max = client.batch_entries_max
        self._visibility_timeout = 0.0
        self._leases: KeepAlive[Delivery] | None = None

    async def run(self, stopping: asyncio.Event, hurry: asyncio.Event, grace: float) -> None:
        """Until `stopping` is set, and up to `grace` seconds longer unless `hurry` is set. Raises QueuesError when
        it can't even start: no such queue, wrong key."""
        polling = asyncio.create_task(self._start_and_poll())
        stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait([polling, stop], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            polling.cancel()
            await asyncio.wait([polling])
            await self._finish(hurry, grace)
        if not polling.cancelled():
            polling.result()

    # Starting

    async def _start_and_poll(self) -> None:
        self._visibility_timeout = await self._find_visibility_timeout()
        self._leases = KeepAlive(self._visibility_timeout, self._extend, self._lose, self._extension_failed)
        await self._poll()

    async def _find_visibility_timeout(self) -> float:
        """The queue's, unless one was given. Leases are always asked for by length, so that a config changed
        while we run can't make them shorter than we think."""
        failures = 0
        while True:
            try:
                queue = await self._client.get(self._options.queue)
                return self._options.visibility_timeout or queue.config.visibility_timeout
            except QueuesError as error:
                if not is_transient(error):
                    raise
                failures += 1
                await self._back_off(failures, error)

    # Polling

    async def _poll(self) -> None:
        failures = 0
        answered = False
        while True:
            await self._room.wait()
            asked_at = time.monotonic()
            asked = min(self._options.concurrency - len(self._running), self._ask_max)
            try:
                received = await self._receive_and_start(asked)
            except QueuesError as error:
                if isinstance(error, RequestInvalid) and asked > 1:
                    self._ask_max = asked // 2  # MAX_BATCH_SIZE is smaller there; if it isn't that, 1 is refused too
                    continue
                if isinstance(error, ClientClosed) or not (answered or is_transient(error)):
                    raise
                failures += 1
                await self._back_off(failures, error)
                continue
            answered = True
            if received or time.monotonic() - asked_at > self._options.wait_time / 2:
                failures = 0
            else:  # an early empty answer: a limit holds the queue back, or the server stops
                failures += 1
                asked_to_wait = received.retry_after or self._policy.backoff(failures)
                await asyncio.sleep(min(asked_to_wait, self._options.wait_time))

    async def _receive_and_start(self, max_messages: int) -> Received:
        """Starts the handlers of what is received, also of what arrives just when a stop interrupts the wait."""
        began = time.monotonic()
        asking = asyncio.create_task(self._receive(max_messages))
        asking.add_done_callback(self._start_all)
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            await asyncio.wait([asking], timeout=max(0.0, began + LAST_ANSWER_SECONDS - time.monotonic()))
            asking.cancel()
            await asyncio.wait([asking])
            raise

    def _start_all(self, asking: asyncio.Task[Received]) -> None:
        if not asking.cancelled() and asking.exception() is None:
            for message in asking.result():
                self._start(message)

    async def _receive(self, max_messages: int) -> Received:
        options = self._options
        return await self._client._receive(
            options.queue,
            max_messages,
            options.wait_time,
            self._visibility_timeout,
            options.consumer_group,
            options.consumer_id,
            ONE_TRY,
        )

    async def _back_off(self, failures: int, error: QueuesError) -> None:
        self._report(error, None)
        asked = error.retry_after if isinstance(error, ApiError) else None
        await asyncio.sleep((asked or 0.0) + self._policy.backoff(failures))

    # Handling

    def _start(self, message: Message) -> None:
        delivery = Delivery(message)
        self._running.add(delivery)
        if len(self._running) >= self._options.concurrency:
            self._room.clear()
        task = asyncio.get_running_loop().create_task(self._process(delivery))
        delivery.running = task
        self._unsettled.add(task)
        task.add_done_callback(self._unsettled.discard)

    async def _process(self, delivery: Delivery) -> None:
        assert self._leases is not None
        began = time.monotonic()
        raised: BaseException | None = None
        self._client._leases.watch(delivery.message)
        self._leases.track(delivery)
        try:
            await self._call(delivery.message)
        except (KeyboardInterrupt, SystemExit):
            raise  # ends the whole program; the message comes again when its lease ends
        except BaseException as error:
            raised = error
        finally:
            delivery.running = None  # from here on nothing interrupts us
            self._leases.forget(delivery)
            self._running.discard(delivery)
            self._room.set()
        took = time.monotonic() - began
        outcome, error_seen = await self._settle(delivery, raised)
        self._client._leases.unwatch(delivery.message)
        if error_seen is not None:
            self._report(error_seen, delivery.message)
        if self._options.on_handled is not None:
            self._hook(self._options.on_handled, Handled(delivery.message, outcome, took, error_seen))

    async def _settle(
        self, delivery: Delivery, raised: BaseException | None
    ) -> tuple[HandledAs, BaseException | None]:
        """Goes on while the server is away and the lease, extended at a third, must still last: else work that is
        done would be done again."""
        until = time.monotonic() + self._visibility_timeout * 2 / 3
        failures = 0
        while True:
            outcome, error = await settle(self._client, delivery, raised)
            if outcome != "unsettled" or not isinstance(error, QueuesError) or not is_transient(error):
                return outcome, error
            failures += 1
            wait = self._policy.backoff(failures)
            if time.monotonic() + wait > until:
                return outcome, error
            await asyncio.sleep(wait)

    async def _call(self, message: Message) -> None:
        if self._threads is None:
            await self._options.handler(message)
            return
        loop = asyncio.get_running_loop()
        result = await loop.run_in_executor(self._threads, call_plain, self._options.handler, message)
        if inspect.isawaitable(result):  # a plain wrapper around an async function: its work is still to do
            await result

    # Leases

    async def _extend(self, delivery: Delivery) -> None:
        await self._client.extend(delivery.message, self._visibility_timeout)

    def _lose(self, delivery: Delivery) -> None:
        """A plain function can't be interrupted: it keeps its place until it returns, but isn't acked."""
        if not self._client._leases.is_settled(delivery.message):
            delivery.end("lease_lost", cancel=self._is_async and self._options.cancel_on_lease_lost)

    def _extension_failed(self, error: BaseException, delivery: Delivery) -> None:
        self._report(error, delivery.message)

    # Stopping

    async def _finish(self, hurry: asyncio.Event, grace: float) -> None:
        """Handlers may finish within `grace` seconds; the rest are cancelled and their messages given back."""
        try:
            if self._unsettled:
                finished = asyncio.create_task(_all_of(self._unsettled))
                hurried = asyncio.create_task(hurry.wait())
                await asyncio.wait([finished, hurried], timeout=grace, return_when=asyncio.FIRST_COMPLETED)
                hurried.cancel()
                finished.cancel()
            for delivery in tuple(self._running):
                delivery.end("stop", cancel=True)
            if self._unsettled:
                await asyncio.wait(self._unsettled, timeout=SETTLE_SECONDS)
        finally:
            if self._leases is not None:
                self._leases.close()
            if self._threads is not None:
                self._threads.shutdown(wait=False, cancel_futures=True)

    # Telling

    def _report(self, error: BaseException, message: Message | None) -> None:
        if self._options.on_error is not None:
            self._hook(self._options.on_error, error, message)
        elif message is None:
            log.warning("consumer of %s: %s", self._options.queue, error)
        else:
            log.error("message %s of %s failed", message.id, message.queue, exc_info=error)

    def _hook(self, hook: object, *arguments: object) -> None:
        """A hook that fails must not stop the consumer."""
        try:
            assert callable(hook)
            hook(*arguments)
        except Exception:
            log.exception("a hook of the consumer of %s failed", self._options.queue)


async def _all_of(tasks: Collection[asyncio.Task[None]]) -> None:
    """Waits for them, and leaves them alone when cancelled."""
    await asyncio.wait(tuple(tasks))


def call_plain(handler: Handler, message: Message) -> object:
    """Calls it. A StopIteration would end in no future at all (PEP 479), and its caller wait for ever."""
    try:
        return handler(message)
    except StopIteration as error:
        raise RuntimeError("the handler raised StopIteration") from error


def is_async(handler: object) -> bool:
    """Whether calling it gives a coroutine; also for objects with an async `__call__`, and partials."""
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        getattr(handler, "__call__", None)  # noqa: B004
    )
