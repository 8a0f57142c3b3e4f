"""The client: every call of the API, asynchronous. `Queues` is the same for code that blocks.

Puts the parts together: arguments to JSON (wire), calls to shared requests (coalescer), requests to answers
(transport), answers to values (models), receipts kept (leases). Holds no rule of its own. Belongs to the event loop
of its first call; when that has ended, to the loop of the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from hanzo_queues.client import requests
from hanzo_queues.client.access import find_access
from hanzo_queues.client.coalescer import Coalescer, Entry
from hanzo_queues.client.config import to_wire
from hanzo_queues.client.connection import Connection
from hanzo_queues.client.leases import Leases
from hanzo_queues.client.models import (
    AckResult,
    EnqueueResult,
    EntryResult,
    Message,
    MessageView,
    NackResult,
    QueueInfo,
    Received,
    State,
)
from hanzo_queues.client.registration import DeclaresConsumers
from hanzo_queues.client.retry import RetryPolicy
from hanzo_queues.client.running import GRACE, run_consumers
from hanzo_queues.client.transport import TIMEOUT, Transport
from hanzo_queues.client.version import USER_AGENT
from hanzo_queues.client.wire import (
    Seconds,
    encode,
    encode_message,
    encode_some,
    join,
    message_target,
    milliseconds_kept,
    queue_target,
    seconds,
    with_query,
)
from hanzo_queues.errors import BatchAborted, ClientClosed

R = TypeVar("R")
Entries = list[EntryResult]  # inside the class, `list` is a method
Views = list[MessageView]

BATCH_ENTRIES_MAX = 100
"""Calls that share one request; the server's MAX_BATCH_SIZE by default."""


class AsyncQueues(DeclaresConsumers):
    """A client of one Hanzo Queues server.

    api_key            the key; default $HANZO_API_KEY, else the one a server on this machine generated
    url                the server; default $HANZO_URL, else http://localhost:8080
    timeout            seconds a request may take, a long poll's wait not counted; default 30
    retries_max        tries after a first one that failed in a way that can pass; default 8 (about 10 s)
    batch_entries_max  concurrent calls that share one request, at most; default 100

    Every method raises a `QueuesError`: an `ApiError` of the server, or `ServerUnreachable` when no answer came.
    The client repeats by itself what is safe to repeat. Close it, or use it as `async with AsyncQueues() as queues`.
    It serves one event loop at a time: in a second one that runs beside the first, calls raise RuntimeError.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        url: str | None = None,
        timeout: float = TIMEOUT,
        retries_max: int = 8,
        batch_entries_max: int = BATCH_ENTRIES_MAX,
    ) -> None:
        super().__init__()
        self.batch_entries_max = batch_entries_max
        self._connection = Connection(find_access(url, api_key), USER_AGENT)
        self._transport = Transport(self._exchange, RetryPolicy(retries_max), timeout=timeout, sleep=self._pause)
        self._leases = Leases()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        """What belongs to one event loop, anew."""
        entries_max = self.batch_entries_max
        self._closing = asyncio.Event()
        self._enqueues = Coalescer(lambda queue: requests.enqueues_to(self._transport, queue), entries_max)
        self._settles = Coalescer(lambda queue: requests.settlements_of(self._transport, queue), entries_max)

    def _enter(self) -> None:
        """A call begins. Raises ClientClosed, and RuntimeError where another running loop has this client."""
        if self._closed:
            raise ClientClosed
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        if self._loop is not None:
            if not self._loop.is_closed():
                raise RuntimeError("this client belongs to another event loop: make one client in each loop")
            self._connection.abandon()
            self._begin()
        self._loop = loop

    async def _exchange(self, method: str, target: str, body: bytes | None, within: float) -> Any:
        self._enter()
        return await self._connection.exchange(method, target, body, within)

    async def _pause(self, delay: float) -> None:
        """A wait between two tries, which `close` ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._closing.wait()

    # Queues

    async def create(self, name: str, config: Mapping[str, Any] | None = None) -> QueueInfo:
        """Makes a queue, or finds it there with an equal config; safe to call at every start.

        name    a letter or digit, then up to 127 letters, digits, dots, dashes, underscores
        config  keys as in `QueueConfig`; what is left out has the server's default

        Raises QueueConflict when it exists with another config, ValueError for a key that does not exist.
        """
        body = encode({"name": name} if config is None else {"name": name, "config": to_wire(config)})
        return QueueInfo.of(await self._transport.call("POST", "/v1/queues", body, safe=True))

    async def update(self, name: str, config: Mapping[str, Any]) -> QueueInfo:
        """Changes the given keys of a queue's config and leaves the others. Raises QueueNotFound."""
        body = encode({"config": to_wire(config)})
        return QueueInfo.of(await self._transport.call("PATCH", queue_target(name), body, safe=True))

    async def delete(self, name: str) -> int:
        """Deletes a queue with all its messages, and returns how many these were. Raises QueueNotFound, and
        OutcomeUnknown when the answer was lost."""
        answer = await self._transport.call("DELETE", queue_target(name), safe=False)
        return int(answer["messages"])

    async def get(self, name: str) -> QueueInfo:
        """A queue, with its counts. Raises QueueNotFound."""
        return QueueInfo.of(await self._transport.call("GET", queue_target(name), safe=True))

    async def list(self) -> list[QueueInfo]:
        """All queues, by name."""
        found: list[QueueInfo] = []
        after: str | None = None
        while True:
            target = with_query("/v1/queues", {"after": after})
            answer = await self._transport.call("GET", target, safe=True)
            found += [QueueInfo.of(queue) for queue in answer["queues"]]
            after = answer.get("next")
            if after is None:
                return found

    # Messages

    async def enqueue(
        self,
        queue: str,
        payload: Any,
        *,
        priority: int | None = None,
        delay: Seconds | None = None,
        dedup_id: str | None = None,
        ordering_key: str | None = None,
        fairness_key: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        ttl: Seconds | None = None,
        max_retries: int | None = None,
    ) -> EnqueueResult:
        """Stores one message; when this returns, it is durable. Concurrent calls share requests.

        payload       any JSON value; not bytes. A float that is no number becomes null
        priority      0 to 255, higher is sooner; default 1
        delay         seconds before it may be delivered; default the queue's
        dedup_id      one message per id and dedup window; also makes the call safe to repeat
        ordering_key  messages of one key are delivered in order, one at a time
        fairness_key  keys of one priority take turns
        metadata      a JSON object kept beside the payload
        ttl           seconds after which it is a dead letter; default the queue's
        max_retries   deliveries that may follow a failed first one; default the queue's

        Raises QueueNotFound, DedupConflict (the id was used with another payload), PayloadTooLarge, RequestInvalid,
        OutcomeUnknown (no dedup_id, and the answer was lost).
        """
        body = encode_message(
            {
                "payload": payload,
                "priority": priority,
                "delay": delay,
                "dedup_id": dedup_id,
                "ordering_key": ordering_key,
                "fairness_key": fairness_key,
                "metadata": metadata,
                "ttl": ttl,
                "max_retries": max_retries,
            }
        )
        entry: Entry[EnqueueResult] = Entry(body, safe=dedup_id is not None)
        return await self._enqueued(queue, entry)

    async def enqueue_batch(
        self, queue: str, messages: Iterable[Mapping[str, Any]], *, atomic: bool = False
    ) -> Entries:
        """Stores several messages in one request, each with its own result, in order.

        messages  up to the server's MAX_BATCH_SIZE (default 100) dicts with the arguments of `enqueue`
        atomic    all or nothing: raises BatchAborted (its `results` say why) when one is refused

        Raises what `enqueue` raises, for the batch as a whole; an entry that is refused has an `error` instead.
        """
        given = list(messages)
        entries = join(encode_message(message) for message in given)
        body = b'{"messages":' + entries + (b',"atomic":true}' if atomic else b"}")
        safe = all(message.get("dedup_id") is not None for message in given)
        try:
            answer = await self._transport.call("POST", queue_target(queue, "/messages/batch"), body, safe=safe)
        except BatchAborted as error:
            error.results = tuple(EntryResult.of(result) for result in error.body.get("results", ()))
            raise
        return [EntryResult.of(result) for result in answer["results"]]

    async def receive(
        self,
        queue: str,
        *,
        max_messages: int = 1,
        wait_time: Seconds = 0,
        visibility_timeout: Seconds | None = None,
        consumer_group: str | None = None,
        consumer_id: str | None = None,
    ) -> Received:
        """Leases up to `max_messages` messages; the list says why when a limit kept it empty.

        max_messages        1 to the server's MAX_BATCH_SIZE; default 1
        wait_time           seconds to wait for a first message, 0 to 30; default 0
        visibility_timeout  seconds each is yours; default the queue's
        consumer_group      default "default"
        consumer_id         names this consumer, where members matter

        Raises QueueNotFound, GroupNotFound, RequestInvalid. Should the answer be lost, its messages come back when
        their leases end.
        """
        return await self._receive(
            queue, max_messages, wait_time, visibility_timeout, consumer_group, consumer_id, None
        )

    async def _receive(
        self,
        queue: str,
        max_messages: int,
        wait_time: Seconds,
        visibility_timeout: Seconds | None,
        consumer_group: str | None,
        consumer_id: str | None,
        policy: RetryPolicy | None,
    ) -> Received:
        wait = seconds(wait_time)
        target = queue_target(
            queue,
            "/messages",
            maxMessages=max_messages,
            waitTime=milliseconds_kept(wait) or None,
            visibilityTimeout=None if visibility_timeout is None else milliseconds_kept(visibility_timeout),
            consumerGroup=consumer_group,
            consumerId=consumer_id,
        )
        answer = await self._transport.call("GET", target, safe=True, wait=wait, policy=policy)
        received = Received(map(Message.of, answer["messages"]))
        received.limited_by = answer.get("limitedBy")
        received.retry_after = answer.get("retryAfter")
        self._leases.remember(received)
        return received

    async def ack(self, message: Message | str) -> AckResult:
        """The message is done and gone. Takes a received message, or the id of one this client received.
        Repeating it is harmless. Raises LeaseLost, ReceiptUnknown."""
        queue, message_id, receipt = self._leases.find(message)
        entry: Entry[AckResult] = Entry(_lease(message_id, receipt), safe=True, kind="acks")
        result = await self._settled(queue, entry)
        self._leases.forget(message_id, receipt)
        return result

    async def nack(
        self,
        message: Message | str,
        *,
        delay: Seconds | None = None,
        priority: int | None = None,
        error: str | None = None,
        reject: bool = False,
    ) -> NackResult:
        """This delivery failed: the message is delivered again, or is a dead letter after its last retry.

        delay     seconds before the next delivery; default the queue's backoff
        priority  0 to 255; default the same
        error     why, kept with a dead letter; up to 8192 bytes
        reject    it can never succeed: a dead letter at once

        Repeating it is harmless. Raises LeaseLost, ReceiptUnknown.
        """
        queue, message_id, receipt = self._leases.find(message)
        body = encode_some(
            id=message_id,
            receipt=receipt,
            delay=delay,
            priority=priority,
            error=error,
            reject=reject or None,
        )
        entry: Entry[NackResult] = Entry(body, safe=True, kind="nacks")
        result = await self._settled(queue, entry)
        self._leases.forget(message_id, receipt)
        return result

    async def extend(self, message: Message | str, visibility_timeout: Seconds | None = None) -> datetime:
        """The lease lasts `visibility_timeout` seconds (default the queue's) from now; returns its new end.
        Raises LeaseLost, ReceiptUnknown."""
        queue, message_id, receipt = self._leases.find(message)
        body = encode_some(id=message_id, receipt=receipt, visibilityTimeout=visibility_timeout)
        entry: Entry[datetime] = Entry(body, safe=True, kind="extends")
        return await self._settled(queue, entry)

    async def get_message(self, message_id: str) -> MessageView:
        """A message by id, leased to nobody by looking. Raises MessageNotFound."""
        return MessageView.of(await self._transport.call("GET", message_target(message_id), safe=True))

    async def peek(
        self, queue: str, *, state: State | None = None, limit: int | None = None, after: str | None = None
    ) -> Views:
        """Looks at a queue's messages in one state (default "ready"), up to `limit` (default 10) after the id
        `after`; leases nothing. Raises QueueNotFound."""
        target = queue_target(queue, "/peek", state=state, limit=limit, after=after)
        answer = await self._transport.call("GET", target, safe=True)
        return [MessageView.of(message) for message in answer["messages"]]

    def _enqueued(self, queue: str, entry: Entry[R]) -> asyncio.Future[R]:
        self._enter()
        return self._enqueues.submit(queue, entry)

    def _settled(self, queue: str, entry: Entry[R]) -> asyncio.Future[R]:
        self._enter()
        return self._settles.submit(queue, entry)

    # Consumers: declared by `consumer`, see registration.py

    async def run(self, *, grace: Seconds = GRACE, signals: bool = True) -> None:
        """Runs the declared consumers until SIGINT, SIGTERM or `stop()`. With `signals=False` it leaves signals to
        the program it is part of, such as a web server, which then calls `stop()` or cancels it.

        Then no more messages are received, and handlers may finish within `grace` seconds (default 30; a second
        signal ends it). Handlers still running are cancelled and their messages nacked, due at once. While the
        server is away the consumers wait, and go on when it is back.

        Raises what keeps a consumer from starting (QueueNotFound, Unauthorized), ValueError without consumers.
        """
        run = (asyncio.get_running_loop(), asyncio.Event())
        self._runs.add(run)
        try:
            await run_consumers(self, tuple(self._registrations), run[1], seconds(grace), signals)
        finally:
            self._runs.discard(run)

    async def close(self) -> None:
        """Ends the consumers and the connections. Calls still waiting raise ClientClosed."""
        if not self._closed:
            self._enter()
        self._closed = True
        self._closing.set()
        self.stop()
        await self._enqueues.close()
        await self._settles.close()
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _lease(message_id: str, receipt: str) -> bytes:
    return encode({"id": message_id, "receipt": receipt})
