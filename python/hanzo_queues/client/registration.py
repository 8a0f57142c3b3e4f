"""Consumers as users declare them: the decorators, their options, and what a handler may raise.

Declaring starts nothing; running.py does. Shared by both clients.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from hanzo_queues.client.models import Message
from hanzo_queues.client.stopping import Runs
from hanzo_queues.client.wire import Seconds, seconds

Handler = Callable[[Message], Any]
BatchHandler = Callable[[list[Message]], Any]
H = TypeVar("H", bound=Handler)
B = TypeVar("B", bound=BatchHandler)
C = TypeVar("C", bound=Callable[[Any], Any])

HandledAs = Literal["acked", "retried", "rejected", "released", "settled", "lease_lost", "unsettled"]


class Retry(Exception):
    """Raise it in a handler: deliver this message again, `delay` seconds from now (default the queue's backoff).
    It counts as a failed attempt."""

    def __init__(self, delay: Seconds | None = None, reason: str = "the handler asked for a retry") -> None:
        super().__init__(reason)
        self.delay = delay


class Reject(Exception):
    """Raise it in a handler: this message can never succeed, make it a dead letter at once."""

    def __init__(self, reason: str = "the handler rejected the message") -> None:
        super().__init__(reason)


class Limited(Exception):
    """Raise it in a handler: a limit elsewhere (a service that answers 429) keeps this message from being done now;
    deliver it again `delay` seconds from now. It does not count as a failed attempt, however often it is raised."""

    def __init__(self, delay: Seconds, reason: str = "the handler is limited") -> None:
        super().__init__(reason)
        self.delay = delay


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of one delivery, for metrics."""

    message: Message
    outcome: HandledAs
    """acked, retried, rejected; released: given back with no attempt counted, by `Limited` or a stop; settled: the
    handler settled it itself; lease_lost: another consumer may have it; unsettled: the server could not be told, the
    message comes again when its lease ends."""
    handler_seconds: float
    """How long the handler ran, for a batch with all its messages."""
    running: int
    """Handlers of this consumer that run now."""
    concurrency: int
    """Handlers of this consumer that may run at once, now."""
    error: BaseException | None
    """What the handler raised, or what went wrong when settling."""


OnError = Callable[[BaseException, Message | None], object]
OnHandled = Callable[[Handled], object]


@dataclass(frozen=True, slots=True)
class Registration:
    """A declared consumer. The fields are the arguments of `consumer` and `batch_consumer`."""

    queue: str
    handler: Callable[[Any], Any]
    concurrency: int | tuple[int, int]
    visibility_timeout: float | None
    wait_time: float
    consumer_group: str | None
    consumer_id: str | None
    cancel_on_lease_lost: bool
    keep_results: bool
    on_error: OnError | None
    on_handled: OnHandled | None
    batch_size: int | None = None
    """None: the handler gets one message, not a list."""
    batch_wait: float = 0

    @property
    def bounds(self) -> tuple[int, int]:
        """The least and the most handlers that run at once."""
        return self.concurrency if isinstance(self.concurrency, tuple) else (self.concurrency, self.concurrency)

    def __post_init__(self) -> None:
        if not isinstance(self.queue, str):
            raise TypeError('name the queue: @queues.consumer("emails")')
        for name, least in (("concurrency", self.bounds[0]), ("batch_size", self.batch_size)):
            if least is not None and least < 1:
                raise ValueError(f"{name} is {least}; it must be at least 1")
        if self.bounds[0] > self.bounds[1]:
            raise ValueError(f"concurrency is {self.concurrency}; give the smaller bound first")
        if not 0 < self.wait_time <= 30:
            raise ValueError(f"wait_time is {self.wait_time}; it must be above 0 and at most 30 seconds")
        if not 0 <= self.batch_wait <= 30:
            raise ValueError(f"batch_wait is {self.batch_wait}; it must be from 0 to 30 seconds")
        if any(map(inspect.iscoroutinefunction, (self.on_error, self.on_handled))):
            raise TypeError("on_error and on_handled are called, not awaited: give plain functions")


class DeclaresConsumers:
    """The part of a client that declares consumers, and stops them."""

    def __init__(self) -> None:
        super().__init__()
        self._registrations: list[Registration] = []
        self._runs = Runs()

    def consumer(
        self,
        name: str,
        *,
        concurrency: int | tuple[int, int] = 10,
        visibility_timeout: Seconds | None = None,
        wait_time: Seconds = 20,
        consumer_group: str | None = None,
        consumer_id: str | None = None,
        cancel_on_lease_lost: bool = True,
        keep_results: bool = False,
        on_error: OnError | None = None,
        on_handled: OnHandled | None = None,
    ) -> Callable[[H], H]:
        """Declares a function as the handler of a queue's messages; `run` starts it. It stays callable.

        The message is acked when the handler returns, and nacked with the error's text when it raises; see also
        `Retry`, `Reject` and `Limited`. Its lease is extended while the handler runs. Handlers are `async` functions,
        or plain ones, which run in threads of their own.

        name                  the queue
        concurrency           handlers that run at once; default 10. Two numbers are bounds: within them it follows
                              backlog and handler time
        visibility_timeout    seconds of a lease, extended at a third of it; default the queue's at the start
        wait_time             seconds one long poll waits, above 0 to 30; default 20
        consumer_group        default "default"
        consumer_id           names this consumer, a member of its group; no two that run may share it. Default: a
                              new one each run
        cancel_on_lease_lost  cancel an async handler whose message may be with another consumer; default True
        keep_results          what the handler returns, any JSON value, is kept by the server as the message's result;
                              default False. A value that can't be kept is told to on_error, and the message is acked
        on_error              called with (error, message or None) for what failed; default: logged
        on_handled            called with `Handled` after every delivery
        """
        return self._declare(
            lambda handler: Registration(
                queue=name,
                handler=handler,
                concurrency=concurrency,
                visibility_timeout=None if visibility_timeout is None else seconds(visibility_timeout),
                wait_time=seconds(wait_time),
                consumer_group=consumer_group,
                consumer_id=consumer_id,
                cancel_on_lease_lost=cancel_on_lease_lost,
                keep_results=keep_results,
                on_error=on_error,
                on_handled=on_handled,
            )
        )

    def batch_consumer(
        self,
        name: str,
        *,
        batch_size: int = 100,
        batch_wait: Seconds = 0,
        concurrency: int | tuple[int, int] = 1,
        visibility_timeout: Seconds | None = None,
        wait_time: Seconds = 20,
        consumer_group: str | None = None,
        consumer_id: str | None = None,
        cancel_on_lease_lost: bool = True,
        keep_results: bool = False,
        on_error: OnError | None = None,
        on_handled: OnHandled | None = None,
    ) -> Callable[[B], B]:
        """Declares a function as the handler of batches of a queue's messages: it gets a list of them, never empty.

        When it returns None, all are acked; when it raises, all have failed, as with `consumer`. Or it returns a
        list with the outcome of each message, in order: an exception (also `Retry`, `Reject`, `Limited`) means that
        this one failed, anything else that it is done. That is what `asyncio.gather(..., return_exceptions=True)`
        returns. They are settled together, in one request of up to the client's `batch_entries_max` entries.

        batch_size   messages of a batch at most; default 100
        batch_wait   seconds to wait for a batch to fill after its first message, 0 to 30; default 0: what is there
        concurrency  batches that are handled at once; default 1

        The other arguments are those of `consumer`. With `cancel_on_lease_lost` an async handler is cancelled when
        the leases of all its messages are lost.
        """
        return self._declare(
            lambda handler: Registration(
                queue=name,
                handler=handler,
                concurrency=concurrency,
                visibility_timeout=None if visibility_timeout is None else seconds(visibility_timeout),
                wait_time=seconds(wait_time),
                consumer_group=consumer_group,
                consumer_id=consumer_id,
                cancel_on_lease_lost=cancel_on_lease_lost,
                keep_results=keep_results,
                on_error=on_error,
                on_handled=on_handled,
                batch_size=batch_size,
                batch_wait=seconds(batch_wait),
            )
        )

    def _declare(self, registration_of: Callable[[Callable[[Any], Any]], Registration]) -> Callable[[C], C]:
        registration_of(_nothing)  # checks the options where they are written

        def declare(handler: C) -> C:
            if not callable(handler) or inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
                raise TypeError(f"a handler is a function, async or not, and no generator: {handler!r}")
            self._registrations.append(registration_of(handler))
            return handler

        return declare

    def stop(self) -> None:
        """Makes `run` return, as SIGTERM does: no further messages, handlers may finish. From any thread. Before
        the first `run` has begun, that one returns at once: a stop that comes early is not lost."""
        self._runs.stop()


def _nothing(_: object) -> None: ...
