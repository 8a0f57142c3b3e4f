"""What every part of a client makes its calls with: the transport, the shared requests, the receipts.

Belongs to the event loop of its first call; when that has ended, to the loop of the next one. Must not know the API:
its parts do, each with its own verbs (queue_calls, message_calls, lease_calls, groups, sweeps).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from hanzo_queues.client.access import find_access
from hanzo_queues.client.batch_limit import BatchLimit
from hanzo_queues.client.called import OnCall
from hanzo_queues.client.coalescer import Coalescer
from hanzo_queues.client.connection import Carrier, Connection
from hanzo_queues.client.enqueues import Enqueue, enqueues_to
from hanzo_queues.client.leases import Leases
from hanzo_queues.client.models import EnqueueResult
from hanzo_queues.client.retry import RetryPolicy
from hanzo_queues.client.settlements import SettleCall, Settlement, settlements_of
from hanzo_queues.client.spec import BATCH_ENTRIES_MAX
from hanzo_queues.client.transport import TIMEOUT, Transport
from hanzo_queues.client.version import USER_AGENT
from hanzo_queues.errors import ClientClosed


class Calls:
    """The part of a client that its verbs stand on."""

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
        self._batch_limit = BatchLimit(batch_entries_max)
        self._connection = Connection(find_access(url, api_key), USER_AGENT) if connect is None else connect()
        self._transport = Transport(
            self._exchange, RetryPolicy(retries_max), timeout=timeout, sleep=self._pause, on_call=on_call
        )
        self._traceparent = traceparent
        self._leases = Leases()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        """What belongs to one event loop, anew."""
        self._closing = asyncio.Event()
        self._enqueues = Coalescer(lambda queue: enqueues_to(self._transport, queue), self._batch_limit)
        self._settles = Coalescer(lambda queue: settlements_of(self._transport, queue), self._batch_limit)

    @property
    def batch_entries_max(self) -> int:
        """Entries of one request, at most: as given, less once the server has refused so many."""
        return self._batch_limit.entries

    def _enter(self) -> asyncio.AbstractEventLoop:
        """A call begins, in the loop that is returned. Raises ClientClosed, and RuntimeError where another running loop
        has this client."""
        if self._closed:
            raise ClientClosed
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return loop
        if self._loop is not None:
            if not self._loop.is_closed():
                raise RuntimeError("this client belongs to another event loop: make one client in each loop")
            self._connection.abandon()
            self._begin()
        self._loop = loop
        return loop

    async def _exchange(self, method: str, target: str, body: bytes | None, within: float) -> Any:
        self._enter()
        return await self._connection.exchange(method, target, body, within)

    async def _pause(self, delay: float) -> None:
        """A wait between two requests, which `close` ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._closing.wait()

    def _traced(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """The message, part of the trace that runs now, unless it says of which it is. Raises TypeError."""
        if not isinstance(message, (dict, Mapping)):  # nearly all are dicts, which costs less to see
            raise TypeError(f"a message to enqueue is a dict, like {{'payload': ...}}, not {message!r:.100}")
        if self._traceparent is None or message.get("traceparent") is not None:
            return message
        return {**message, "traceparent": self._traceparent()}

    def _enqueued(self, queue: str, body: bytes, safe: bool) -> asyncio.Future[EnqueueResult]:
        # Two thirds of what the loop's `create_future` takes, or one that has to ask for the loop.
        future: asyncio.Future[EnqueueResult] = asyncio.Future(loop=self._enter())
        enqueue = Enqueue()
        enqueue.body = body
        enqueue.safe = safe
        enqueue.future = future
        self._enqueues.lane(queue).submit(enqueue)
        return future

    def _settled(
        self, queue: str, kind: str, body: bytes, settles: tuple[str, str] | None = None
    ) -> asyncio.Future[Any]:
        """Of the kinds that `settlements.RESULTS` names. `settles`: id and receipt of a lease that it ends."""
        future: asyncio.Future[Any] = self._enter().create_future()
        self._settles.lane(queue).submit(SettleCall(kind, body, future, self._leases, settles))
        return future

    def _settled_by(self, queue: str, settlements: Iterable[Settlement]) -> None:
        """They go with the next requests that settle leases of this queue."""
        self._enter()
        lane = self._settles.lane(queue)
        for settlement in settlements:
            lane.submit(settlement)

    async def _end(self) -> None:
        """Ends the connections. Calls still waiting raise ClientClosed."""
        self._closed = True
        self._closing.set()
        await self._enqueues.close()
        await self._settles.close()
        await self._connection.close()
