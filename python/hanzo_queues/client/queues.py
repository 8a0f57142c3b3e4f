"""The client for code that blocks: each method of `AsyncQueues`, waiting for its result.

A thin facade: no request is made here. Usable from many threads, whose calls share requests, and after a fork.
Consumers run on an event loop of their own in the thread that calls `run`, so that a handler may use this client too.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from hanzo_queues.client.access import find_access
from hanzo_queues.client.async_queues import AsyncQueues
from hanzo_queues.client.background import Background, new_event_loop
from hanzo_queues.client.called import OnCall
from hanzo_queues.client.connection import Carrier
from hanzo_queues.client.leases import Leases
from hanzo_queues.client.registration import DeclaresConsumers
from hanzo_queues.client.running import GRACE
from hanzo_queues.client.spec import BATCH_ENTRIES_MAX
from hanzo_queues.client.sweeps import Sweep, looks
from hanzo_queues.client.transport import TIMEOUT
from hanzo_queues.client.wire import Seconds

P = ParamSpec("P")
R = TypeVar("R")


def _blocking(
    method: Callable[Concatenate[AsyncQueues, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Queues, P], R]:
    """The method, waiting for its result; same arguments, same errors."""

    @functools.wraps(method)
    def call(self: Queues, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._background.call(lambda client: method(client, *args, **kwargs))

    return call


class Queues(DeclaresConsumers):
    """A client of one Hanzo Queues server, for code that blocks; see `AsyncQueues` for the arguments.

    Close it, or use it as `with Queues() as queues`; what is left open is closed at exit.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        url: str | None = None,
        timeout: float = TIMEOUT,
        retries_max: int = 8,
        batch_entries_max: int = BATCH_ENTRIES_MAX,
        on_call: OnCall | None = None,
        traceparent: Callable[[], str | None] | None = None,
        connect: Callable[[], Carrier] | None = None,
    ) -> None:
        super().__init__()
        if connect is None:
            access = find_access(url, api_key)  # now, so that what is missing is said where it is missing
            url, api_key = str(access.url), access.api_key
        self._connect = connect
        self._leases = Leases()

        def make() -> AsyncQueues:
            client = AsyncQueues(
                api_key,
                url=url,
                timeout=timeout,
                retries_max=retries_max,
                batch_entries_max=batch_entries_max,
                on_call=on_call,
                traceparent=traceparent,
                connect=self._connect,
            )
            client._leases = self._leases  # a message received by one is settled by id through any
            return client

        self._make = make
        self._background = Background(make, AsyncQueues.close)

    create = _blocking(AsyncQueues.create)
    update = _blocking(AsyncQueues.update)
    pause = _blocking(AsyncQueues.pause)
    resume = _blocking(AsyncQueues.resume)
    purge = _blocking(AsyncQueues.purge)
    delete = _blocking(AsyncQueues.delete)
    get = _blocking(AsyncQueues.get)
    list = _blocking(AsyncQueues.list)
    enqueue = _blocking(AsyncQueues.enqueue)
    enqueue_batch = _blocking(AsyncQueues.enqueue_batch)
    receive = _blocking(AsyncQueues.receive)
    ack = _blocking(AsyncQueues.ack)
    ack_all = _blocking(AsyncQueues.ack_all)
    nack = _blocking(AsyncQueues.nack)
    release = _blocking(AsyncQueues.release)
    extend = _blocking(AsyncQueues.extend)
    get_message = _blocking(AsyncQueues.get_message)
    peek = _blocking(AsyncQueues.peek)
    explain = _blocking(AsyncQueues.explain)
    update_message = _blocking(AsyncQueues.update_message)
    run_now = _blocking(AsyncQueues.run_now)
    cancel_message = _blocking(AsyncQueues.cancel_message)
    create_group = _blocking(AsyncQueues.create_group)
    list_groups = _blocking(AsyncQueues.list_groups)
    get_group = _blocking(AsyncQueues.get_group)
    delete_group = _blocking(AsyncQueues.delete_group)
    heartbeat = _blocking(AsyncQueues.heartbeat)
    leave_group = _blocking(AsyncQueues.leave_group)
    redrive = _blocking(AsyncQueues.redrive)
    cancel_messages = _blocking(AsyncQueues.cancel_messages)
    update_messages = _blocking(AsyncQueues.update_messages)
    get_sweep = _blocking(AsyncQueues.get_sweep)
    list_sweeps = _blocking(AsyncQueues.list_sweeps)
    cancel_sweep = _blocking(AsyncQueues.cancel_sweep)

    def wait_for_sweep(
        self,
        sweep: Sweep | str,
        *,
        timeout: Seconds | None = None,
        on_progress: Callable[[Sweep], object] | None = None,
    ) -> Sweep:
        """As of `AsyncQueues`. `on_progress` is called in the caller's thread, so it may use this client."""
        for look in looks(sweep, timeout):
            seen = self._background.call(look)
            if on_progress is not None:
                on_progress(seen)
            if seen.ended:
                return seen
        raise AssertionError("there is always another look")

    def run(self, *, grace: Seconds = GRACE, signals: bool = True) -> None:
        """Runs the declared consumers until SIGINT, SIGTERM or `stop()`; see `AsyncQueues.run`.

        `async` handlers share one event loop in this thread: a blocking call in one, also of this client, holds up
        the others. Plain functions run in threads of their own.
        """
        if asyncio._get_running_loop() is not None:
            raise RuntimeError("run() blocks, and an event loop runs here: use AsyncQueues and `await queues.run()`")
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(self._run(grace, signals))

    async def _run(self, grace: Seconds, signals: bool) -> None:
        async with self._make() as client:
            client._registrations = self._registrations
            client._runs = self._runs
            await client.run(grace=grace, signals=signals)

    @contextmanager
    def connected(self, connect: Callable[[], Carrier]) -> Iterator[None]:
        """Within the block requests are carried otherwise: see `hanzo_queues.testing.Broker.serving`."""
        before = self._connect, self._background
        self._connect, self._background = connect, Background(self._make, AsyncQueues.close)
        try:
            yield
        finally:
            self._background.close()
            self._connect, self._background = before

    def close(self) -> None:
        """Ends the connections and the background thread. Calls still waiting raise ClientClosed."""
        self.stop()
        self._background.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
