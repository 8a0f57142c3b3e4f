"""The handlers of one consumer: called with what was received, their leases kept, their ends told to the server.

The invariant: a message's lease is kept from `hold` until its handler ended. Its call is in `_running` until then, and
itself one of those `_settling` from then until the server was told. Must not know how messages are received.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import time
from collections.abc import Awaitable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

from hanzo_queues.client.delivery import DONE, Delivery, Handling, Outcome, refused_as, settle
from hanzo_queues.client.keepalive import KeepAlive
from hanzo_queues.client.models import Message, entry_error
from hanzo_queues.client.registration import Handled, HandledAs, Registration
from hanzo_queues.client.reports import Reports
from hanzo_queues.client.retry import RetryPolicy, is_transient
from hanzo_queues.client.scaling import Seen
from hanzo_queues.client.settlements import Results, Settlement
from hanzo_queues.client.wire import encode
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
        self._loop = asyncio.get_running_loop()
        self._is_async = is_async(options.handler)
        self._threads = None if self._is_async else ThreadPoolExecutor(options.bounds[1], "hanzo-queues")
        self._running: set[Handling] = set()
        self._settling = 0
        """Messages whose handler ended, and of which the server is being told."""
        self._ending: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        """Set while nothing is running, nor settling."""
        self._idle.set()
        self._policy = RetryPolicy()
        self._leases = KeepAlive[Delivery](visibility_timeout, self._extend, self._lose, self._extension_failed)
        self._keys: dict[str, asyncio.Task[None]] = {}
        """Of each ordering key at work, its last call."""
        self._ended = (0.0, 0)
        """Since the last look: seconds that calls took, and their messages."""
        self.limit = options.bounds[0]
        """Calls that may run at once."""
        self._kept = 0
        """Of them, those that are kept free for what polls bring."""
        self.room = asyncio.Event()
        """Set while a further call can start, and none is kept free for it."""
        self.room.set()

    def keep_free(self, most: int) -> int:
        """Keeps calls free for a poll until `start` is given what it brought: all that can start, `most` at most. Says
        how many: none when there is no room."""
        kept = max(0, min(most, self.limit - len(self._running) - self._kept))
        self._kept += kept
        self._update_room()
        return kept

    def resize(self, limit: int) -> None:
        """From now on so many calls may run at once."""
        self.limit = limit
        self._update_room()

    def _update_room(self) -> None:
        if self.limit - len(self._running) > self._kept:
            self.room.set()
        else:
            self.room.clear()

    def look(self, waiting: float) -> Seen:
        """A look at the work; so many messages wait for it."""
        (seconds, messages), self._ended = self._ended, (0.0, 0)
        in_hand = sum(len(handling.deliveries) for handling in self._running)
        return Seen(waiting + in_hand, seconds / messages if messages else 0.0, len(self._running) >= self.limit)

    def hold(self, messages: Sequence[Message]) -> list[Delivery]:
        """The messages were received: their leases are kept from now on."""
        deliveries = [Delivery(message) for message in messages]
        for delivery in deliveries:
            self._client._leases.watch(delivery.message)
            self._leases.track(delivery)
        return deliveries

    def start(self, deliveries: Sequence[Delivery], kept: int) -> None:
        """Calls the handler with them: once for all of a batch, else once for each. So many calls were kept free for it
        until now."""
        self._kept -= kept
        if self._options.batch_size is None:
            for delivery in deliveries:
                self._start(Handling((delivery,)))
        elif deliveries:
            self._start(Handling(deliveries))
        self._update_room()

    def _start(self, handling: Handling) -> None:
        self._running.add(handling)
        self._idle.clear()
        key = None if self._options.batch_size is not None else handling.deliveries[0].message.ordering_key
        before = None if key is None else self._keys.get(key)
        running = self._loop.create_task(self._process(handling, before))
        handling.running = running
        if key is not None:
            self._keys[key] = running
            running.add_done_callback(lambda _: self._keys.pop(key) if self._keys[key] is running else None)

    def _update_idle(self) -> None:
        if not self._running and not self._settling:
            self._idle.set()

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
                outcomes = [DONE] * len(deliveries)
            else:
                outcomes = self._outcomes(await self._call(deliveries), len(deliveries))
        except (KeyboardInterrupt, SystemExit):
            self._settling -= len(deliveries)  # nobody is told: it ends the whole program, and their leases end, too
            raise
        except BaseException as error:
            outcomes = [Outcome(error)] * len(deliveries)
        finally:
            handling.running = None  # from here on nothing interrupts us
            now = time.monotonic()
            for delivery in deliveries:
                self._leases.forget(delivery)
                delivery.handling = None  # they hold each other, which only a collector would notice
                delivery.took = now - began
            self._ended = (self._ended[0] + now - began, self._ended[1] + len(deliveries))
            self._settling += len(deliveries)
            self._running.discard(handling)
            self._update_room()
            self._update_idle()
        if ending := self._settle_all(deliveries, outcomes):
            await ending

    def _call(self, deliveries: Sequence[Delivery]) -> Awaitable[Any]:
        """The handler's call, whose end is what it returns."""
        given: Any = deliveries[0].message
        if self._options.batch_size is not None:
            given = [delivery.message for delivery in deliveries]
        called: Awaitable[Any] = self._options.handler(given) if self._is_async else self._call_in_thread(given)
        return called

    async def _call_in_thread(self, given: Any) -> Any:
        returned = await self._loop.run_in_executor(self._threads, call_plain, self._options.handler, given)
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
        if not isinstance(returned, list | tuple) or hasattr(returned, "_fields") or len(returned) != number:
            raise TypeError(
                f"a batch's handler returns None or a list with the outcome of each of its {number} messages, "
                f"not {returned!r:.100}"
            )
        return [
            Outcome(one) if isinstance(one, BaseException) else Outcome(result=one) if keep else DONE
            for one in returned
        ]

    # Settling

    def _settle_all(
        self, deliveries: Sequence[Delivery], outcomes: Sequence[Outcome]
    ) -> asyncio.Future[list[None]] | None:
        """Tells the server of all at the same time, so that they share a request. Returns what is to be awaited: an ack
        needs nobody who waits for it, as long as it goes well."""
        acks: list[Settlement] = []
        others = []
        for delivery, outcome in zip(deliveries, outcomes, strict=True):
            if outcome is DONE and not delivery.ended_by and not self._client._leases.is_settled(delivery.message):
                acks.append(_Ack(self, delivery))
            else:
                others.append(self._end(delivery, outcome))
        ending = asyncio.gather(*others) if others else None  # before the acks, whose lane would go on without them
        if acks:
            try:
                self._client._settled_by(self._options.queue, acks)
            except Exception as error:  # whatever it is, nobody else would end them
                refused = error if isinstance(error, QueuesError) else QueuesError(repr(error))
                for ack in acks:
                    ack.refuse(refused)
        return ending

    def acked(self, delivery: Delivery, context: Context) -> None:
        """The server knows that it is done. What is told of it is told in the handler's context, not in that of whoever
        brought the answer."""
        self._client._leases.forget(delivery.message.id, delivery.message.receipt)
        self._settled()
        if self._options.on_handled is not None:
            context.run(self._tell_handled, delivery, "acked", None)

    def not_acked(self, delivery: Delivery, refused: QueuesError, context: Context) -> None:
        """What becomes of it takes a task to find out."""
        ending = self._loop.create_task(self._end(delivery, DONE, refused), context=context)
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def _end(self, delivery: Delivery, outcome: Outcome, refused: QueuesError | None = None) -> None:
        try:
            ended_as, error = await self._settle(delivery, outcome, refused)
        finally:
            self._settled()
        self._client._leases.unwatch(delivery.message)
        if error is not None and ended_as != "released":
            self._reports.failed(error, delivery.message)
        self._tell_handled(delivery, ended_as, error)

    def _settled(self) -> None:
        self._settling -= 1
        self._update_idle()

    def _tell_handled(self, delivery: Delivery, ended_as: HandledAs, error: BaseException | None) -> None:
        if self._options.on_handled is not None:
            running = len(self._running)
            self._reports.handled(Handled(delivery.message, ended_as, delivery.took, running, self.limit, error))

    async def _settle(
        self, delivery: Delivery, outcome: Outcome, refused: QueuesError | None
    ) -> tuple[HandledAs, BaseException | None]:
        """Goes on while the server is away and the lease, extended at a third, must still last: else work that is
        done would be done again. `refused`: what the first try met, when there was one."""
        until = time.monotonic() + self._visibility_timeout * 2 / 3
        ended_as: HandledAs
        error: BaseException | None
        if refused is None:
            ended_as, error = await settle(self._client, delivery, outcome)
        elif self._client._leases.is_settled(delivery.message):  # meanwhile, by another call
            ended_as, error = "settled", None
        else:
            ended_as, error = refused_as(refused), refused
        for failures in itertools.count(1):
            if ended_as != "unsettled" or not isinstance(error, QueuesError) or not is_transient(error):
                break
            wait = self._policy.backoff(failures)
            if time.monotonic() + wait > until:
                break
            await asyncio.sleep(wait)
            ended_as, error = await settle(self._client, delivery, outcome)
        return ended_as, error

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
            if not self._idle.is_set():
                finished = asyncio.create_task(self._idle.wait())
                hurried = asyncio.create_task(hurry.wait())
                await asyncio.wait([finished, hurried], timeout=grace, return_when=asyncio.FIRST_COMPLETED)
                hurried.cancel()
                finished.cancel()
            for handling in tuple(self._running):
                handling.stop()
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_SECONDS):
                    await self._idle.wait()
        finally:
            self._leases.close()
            if self._threads is not None:
                self._threads.shutdown(wait=False, cancel_futures=True)


class _Ack(Settlement):
    """That of a delivery whose handler is done: nobody awaits it, the handlers are told."""

    __slots__ = ("_context", "_delivery", "_handlers", "body")

    kind = "acks"
    count = 1

    def __init__(self, handlers: Handlers, delivery: Delivery) -> None:
        self.body = encode({"id": delivery.message.id, "receipt": delivery.message.receipt})
        self._handlers: Handlers | None = handlers
        self._delivery = delivery
        self._context = copy_context()

    def waits(self) -> bool:
        return self._handlers is not None

    def answer(self, results: Results, first: int) -> None:
        result = results[first]
        if "error" in result:
            self.refuse(entry_error(result["error"]))
            return
        handlers, self._handlers = self._handlers, None
        if handlers is not None:
            handlers.acked(self._delivery, self._context)

    def refuse(self, error: QueuesError) -> None:
        handlers, self._handlers = self._handlers, None
        if handlers is not None:
            handlers.not_acked(self._delivery, error, self._context)


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
