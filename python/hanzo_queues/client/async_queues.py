"""The client, asynchronous. `Queues` is the same for code that blocks.

Puts the parts together, each of which has its verbs and no rule of its own: arguments to JSON (wire), calls to shared
requests (coalescer), requests to answers (transport), answers to values (models), receipts kept (leases).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from hanzo_queues.client.connection import Carrier
from hanzo_queues.client.groups import GroupCalls
from hanzo_queues.client.lease_calls import LeaseCalls
from hanzo_queues.client.message_calls import MessageCalls
from hanzo_queues.client.queue_calls import QueueCalls
from hanzo_queues.client.registration import DeclaresConsumers
from hanzo_queues.client.running import GRACE, run_consumers
from hanzo_queues.client.sweeps import SweepCalls
from hanzo_queues.client.wire import Seconds, seconds


class AsyncQueues(QueueCalls, MessageCalls, LeaseCalls, GroupCalls, SweepCalls, DeclaresConsumers):
    """A client of one Hanzo Queues server.

    api_key            the key; default $HANZO_API_KEY, else the one a server on this machine generated
    url                the server; default $HANZO_URL, else http://localhost:8080
    timeout            seconds a request may take, a long poll's wait not counted; default 30
    retries_max        tries after a first one that failed in a way that can pass; default 8 (10 s of waiting at most)
    batch_entries_max  entries of one request, at most: of calls that share it, or of one for many; default 100
    on_call            called with a `Called` when a request has ended, for metrics, in the event loop of the client
    traceparent        tells the W3C trace context of what runs now, or None, for messages that are enqueued without one
    connect            makes what carries requests in place of HTTP, as `hanzo_queues.testing` does; default: HTTP

    Every method raises a `QueuesError`: an `ApiError` of the server, or `ServerUnreachable` when no answer came.
    The client repeats by itself what is safe to repeat. Close it, or use it as `async with AsyncQueues() as queues`.
    It serves one event loop at a time: in a second one that runs beside the first, calls raise RuntimeError.
    """

    async def run(self, *, grace: Seconds = GRACE, signals: bool = True) -> None:
        """Runs the declared consumers until SIGINT, SIGTERM or `stop()`. With `signals=False` it leaves signals to
        the program it is part of, such as a web server, which then calls `stop()` or cancels it.

        Then no more messages are received, and handlers may finish within `grace` seconds (default 30; a second
        signal ends it). Handlers still running are cancelled and their messages released: due at once, with no
        attempt counted. While the server is away the consumers wait, and go on when it is back.

        Raises what keeps a consumer from starting (QueueNotFound, Unauthorized), ValueError without consumers.
        """
        with self._runs.begun() as stopping:
            await run_consumers(self, tuple(self._registrations), stopping, seconds(grace), signals)

    @contextmanager
    def connected(self, connect: Callable[[], Carrier]) -> Iterator[None]:
        """Within the block requests are carried otherwise: see `hanzo_queues.testing.Broker.serving`."""
        before, self._connection = self._connection, connect()
        try:
            yield
        finally:
            self._connection = before

    async def close(self) -> None:
        """Ends the consumers and the connections. Calls still waiting raise ClientClosed."""
        if not self._closed:
            self._enter()
        self.stop()
        await self._end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
