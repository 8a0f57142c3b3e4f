"""Consumers as users declare them: the decorator, its options, and what a handler may raise.

Declaring starts nothing; running.py does. Shared by both clients.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from hanzo_queues.client.models import Message
from hanzo_queues.client.wire import Seconds, seconds

Handler = Callable[[Message], Any]
H = TypeVar("H", bound=Handler)

HandledAs = Literal["acked", "retried", "rejected", "settled", "lease_lost", "unsettled"]


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


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of one delivery, for metrics."""

    message: Message
    outcome: HandledAs
    """acked, retried, rejected; settled: the handler acked or nacked itself; lease_lost: another consumer may
    have it; unsettled: the server could not be told, the message comes again when its lease ends."""
    handler_seconds: float
    error: BaseException | None
    """What the handler raised, or what went wrong when settling."""


OnError = Callable[[BaseException, Message | None], object]
OnHandled = Callable[[Handled], object]


@dataclass(frozen=True, slots=True)
class Registration:
    """A declared consumer. The fields are the arguments of `consumer`."""

    queue: str
    handler: Handler
    concurrency: int
    visibility_timeout: float | None
    wait_time: float
    consumer_group: str | None
    consumer_id: str | None
    cancel_on_lease_lost: bool
    on_error: OnError | None
    on_handled: OnHandled | None


class DeclaresConsumers:
    """The part of a client that declares consumers, and stops them."""

    def __init__(self) -> None:
        self._registrations: list[Registration] = []
        self._runs: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def consumer(
        self,
        name: str,
        *,
        concurrency: int = 10,
        visibility_timeout: Seconds | None = None,
        wait_time: Seconds = 20,
        consumer_group: str | None = None,
        consumer_id: str | None = None,
        cancel_on_lease_lost: bool = True,
        on_error: OnError | None = None,
        on_handled: OnHandled | None = None,
    ) -> Callable[[H], H]:
        """Declares a function as the handler of a queue's messages; `run` starts it. It stays callable.

        The message is acked when the handler returns, and nacked with the error's text when it raises; see also
        `Retry` and `Reject`. Its lease is extended while the handler runs. Handlers are `async` functions, or plain
        ones, which run in threads of their own.

        name                  the queue
        concurrency           handlers that run at once; default 10
        visibility_timeout    seconds of a lease, extended at a third of it; default the queue's at the start
        wait_time             seconds one long poll waits, above 0 to 30; default 20
        consumer_group        default "default"
        consumer_id           names this consumer, where members matter
        cancel_on_lease_lost  cancel an async handler whose message may be with another consumer; default True
        on_error              called with (error, message or None) for what failed; default: logged
        on_handled            called with `Handled` after every delivery
        """
        if not isinstance(name, str):
            raise TypeError('name the queue: @queues.consumer("emails")')
        if concurrency < 1:
            raise ValueError(f"concurrency is {concurrency}; it must be at least 1")
        if not 0 < seconds(wait_time) <= 30:
            raise ValueError(f"wait_time is {wait_time}; it must be above 0 and at most 30 seconds")
        visible = None if visibility_timeout is None else seconds(visibility_timeout)

        if any(map(inspect.iscoroutinefunction, (on_error, on_handled))):
            raise TypeError("on_error and on_handled are called, not awaited: give plain functions")

        def declare(handler: H) -> H:
            if not callable(handler) or inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
                raise TypeError(f"a handler is a function, async or not, and no generator: {handler!r}")
            self._registrations.append(
                Registration(
                    name,
                    handler,
                    concurrency,
                    visible,
                    seconds(wait_time),
                    consumer_group,
                    consumer_id,
                    cancel_on_lease_lost,
                    on_error,
                    on_handled,
                )
            )
            return handler

        return declare

    def stop(self) -> None:
        """Makes `run` return, as SIGTERM does: no further messages, handlers may finish. From any thread."""
        for loop, stopping in tuple(self._runs):
            if not loop.is_closed():
                loop.call_soon_threadsafe(stopping.set)
