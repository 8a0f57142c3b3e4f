"""Requests that came whole, answered without ASGI: for the hot paths, when all is plain.

    bytes -> core: head, path, query, JSON -> a known key, room for the body -> the partition
    reply -> core: head and JSON of the answer -> the socket

The same rules as everywhere, with no task, scope, header list or event for each request: those cost twice what its
message does. Whatever is not surely plain, right or wrong, is not taken, nothing of it was done, and it goes the way of
ASGI, which also says what is wrong. A test compares the answers of both ways. Must not know uvicorn beyond what a
`Cycle` is to its protocol.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from hanzo_queues._core import Command, Reply
from hanzo_queues.server.edge import Edge
from hanzo_queues.server.failures import ends_connection, problem_of
from hanzo_queues.server.faults import Fault, Outcome, stopped_before
from hanzo_queues.server.inbox import Request
from hanzo_queues.server.partition import Partition
from hanzo_queues.server.problems import Header
from hanzo_queues.server.request_ids import request_id
from hanzo_queues.server.routes import OPERATIONS
from hanzo_queues.server.routes.endpoint import JSON, NO_STORE, Operation, Rendered, shape
from hanzo_queues.server.whole_answer import LARGE_BYTES, REQUEST_ID, answer_bytes, head_bytes

_MESSAGES = OPERATIONS["/v1/queues/{queue}/messages"]

_NOTHING: Mapping[int, bytes] = {}

Poll = tuple[str, int, str]
"""Of a receive: the queue as the engine wakes it, the milliseconds it waits, its consumer."""

Heads = tuple[bytes, bytes, bytes]
"""Of answers, up to the request's id: of what was created, of what was done, of what was received."""


class Connection(Protocol):
    """What brought a request."""

    transport: Any
    tasks: set[asyncio.Task[Any]]

    @property
    def default_headers(self) -> list[Header]:
        """Of every answer."""

    def on_response_complete(self) -> None:
        """The next request may be answered."""


class _Nobody:
    """An event that nobody waits for."""

    def set(self) -> None:
        """Tells nobody."""


class WholeRequest:
    """One that is in flight: to the partition it is who waits for the reply, to the connection its cycle."""

    __slots__ = (
        "_body_bytes", "_connection", "_name", "_partition", "_requests", "disconnected", "keep_alive",
        "response_complete",
    )  # fmt: skip

    more_body = False
    message_event: Any = _Nobody()  # set when the client has gone

    _operation: Operation = _MESSAGES["POST"]  # all that post are answered as this one is
    _outcome: Outcome = "unknown"  # when it can't be told what became of it

    def __init__(
        self, requests: WholeRequests, connection: Connection, partition: Partition, name: bytes, body_bytes: int
    ) -> None:
        self._requests = requests
        self._connection = connection
        self._partition = partition
        self._name = name
        self._body_bytes = body_bytes
        self.disconnected = False
        self.keep_alive = True
        self.response_complete = False

    def begin(self, command: Command) -> None:
        """On its way to the partition. Raises Fault."""
        self._partition.submit_for(self, command)

    # -- what the partition calls

    def cancelled(self) -> bool:
        """Never: what was asked is done, whether or not its client is still there."""
        return False

    def done(self) -> bool:
        """Whether it was answered."""
        return self.response_complete

    def set_result(self, reply: Reply) -> None:
        """The reply is durable."""
        answer = None
        if self.keep_alive:
            try:
                answer = self._whole(reply)
            except Exception as error:
                self.fail(error)
                return
        if answer is not None:
            self._complete(answer)
        else:
            answering = asyncio.ensure_future(self._answer(reply))
            self._connection.tasks.add(answering)
            answering.add_done_callback(self._connection.tasks.discard)

    def set_exception(self, fault: Fault) -> None:
        """There will be no reply."""
        self.fail(fault)

    # -- its answer

    def fail(self, error: Exception) -> None:
        """It is answered with what `error` becomes."""
        self.keep_alive = self.keep_alive and not ends_connection(error)
        self._send(self._failed(error))

    def cut_off(self) -> None:
        """The server waits for its answer no longer, and begins nothing behind it."""
        self.keep_alive = False
        self.fail(stopped_before(self._outcome))

    def _whole(self, reply: Reply) -> bytes | None:
        """The answer, when it is a success and all that it takes is at hand."""
        created, ok, _ = self._requests.heads(self._connection.default_headers)
        return reply.answer_bytes(created, ok, self._name, _NOTHING)

    async def _answer(self, reply: Reply) -> None:
        try:
            rendered = shape(await self._partition.answer(reply, self._outcome), self._operation, self._name)
        except Exception as error:
            rendered = self._failed(error)
        self._send(rendered)

    def _failed(self, error: Exception) -> Rendered:
        failed = problem_of(error, self._name.decode())
        return failed.status, failed.headers, failed.body

    def _send(self, rendered: Rendered) -> None:
        status, headers, body = rendered
        named = (*headers, (REQUEST_ID, self._name))
        self._complete(answer_bytes(status, self._connection.default_headers, named, body, self.keep_alive))

    def _complete(self, answer: bytes) -> None:
        if self.response_complete:  # it was cut off meanwhile
            self._unsent()
            return
        self.response_complete = True
        self._requests.edge.bodies.give_back(self._body_bytes)
        connection = self._connection
        if self.disconnected or connection.transport.is_closing():
            self._unsent()
            return
        connection.transport.write(answer)
        if not self.keep_alive:
            connection.transport.close()
        connection.on_response_complete()

    def _unsent(self) -> None:
        """Its client will not see the answer."""


class WholeReceive(WholeRequest):
    """A receive: it may wait, it ends with its client, and leases that nobody will see are given back."""

    __slots__ = ("_asked", "_poll", "_reply")

    _operation = _MESSAGES["GET"]
    _outcome = "none"

    def __init__(
        self, requests: WholeRequests, connection: Connection, partition: Partition, name: bytes, poll: Poll
    ) -> None:
        super().__init__(requests, connection, partition, name, 0)
        self._poll = poll
        self._asked: Request | None = None  # while somebody waits for it
        self._reply: Reply | None = None  # until its client has it

    def begin(self, command: Command) -> None:
        queue, wait_ms, consumer = self._poll
        asked = self._partition.receive_for(self, queue, command, wait_ms / 1000, consumer)
        if self._reply is None and not self.response_complete:
            self._asked = asked

    def cancelled(self) -> bool:
        """Nobody waits for it any more."""
        return self.disconnected or self.response_complete

    done = cancelled

    def set_result(self, reply: Reply) -> None:
        """The reply is durable, and somebody waits for it."""
        self._asked, self._reply = None, reply
        super().set_result(reply)

    def cut_off(self) -> None:
        """As for all; the leases of an answer that is not ready are given back."""
        self._unsent()
        super().cut_off()

    @property
    def message_event(self) -> WholeReceive:
        """What is set when its client has gone."""
        return self

    def set(self) -> None:
        """Its client has gone."""
        asked, self._asked = self._asked, None
        if asked is not None and self._reply is None and not self.response_complete:
            self._partition.abandon(asked)

    def _whole(self, reply: Reply) -> bytes | None:
        try:
            batches = self._partition.held(reply)
            if batches is None:
                return None
            *_, received = self._requests.heads(self._connection.default_headers)
            return reply.answer_bytes(received, received, self._name, batches)
        except Exception:
            return None  # the partition meets it again, gives the leases back and tells

    def _complete(self, answer: bytes) -> None:
        super()._complete(answer)
        if len(answer) <= LARGE_BYTES:
            self._reply = None
        self._asked = None  # the request refers to this one: what is over would wait for the collector

    def unread(self) -> None:
        """The connection ended before a large answer had left it."""
        self._unsent()

    def _unsent(self) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            self._partition.give_back(reply)


class WholeRequests:
    """Takes requests from connections."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self._heads: Heads = (b"", b"", b"")
        self._heads_with: list[Header] | None = None

    def take(self, data: bytes, connection: Connection) -> WholeRequest | None:
        """The request that `data` is, on its way to the partition; None when it goes another way. The connection must
        be answering no other, and have read no part of one."""
        edge = self.edge
        size = 0
        try:
            whole = edge.parser.whole(data, edge.keys.admitted)
            if whole is None:
                return None
            command, owner, sent, poll = whole
            router = edge.router
            partition = router.partition_of_queue(owner) if isinstance(owner, str) else router.partition(owner)
            if partition is None:
                return None
            request: WholeRequest
            if poll is None:
                size = len(data)
                if size > edge.request_bytes_max:
                    return None
                edge.fitting(command)
                edge.bodies.take(size)
                request = WholeRequest(self, connection, partition, request_id(sent), size)
            elif poll[1] > edge.limits["wait_time_ms_max"]:
                return None
            else:
                request = WholeReceive(self, connection, partition, request_id(sent), poll)
        except Exception:
            return None  # the other way meets it again, and tells it
        try:
            request.begin(command)
        except Fault:
            edge.bodies.give_back(size)
            return None
        except Exception as error:
            request.fail(error)
        return request

    def heads(self, default_headers: list[Header]) -> Heads:
        """Those of answers with these headers."""
        if default_headers is not self._heads_with:
            created, ok = (head_bytes(status, default_headers, (JSON,), REQUEST_ID) for status in (201, 200))
            received = head_bytes(200, default_headers, (JSON, NO_STORE), REQUEST_ID)
            self._heads, self._heads_with = (created, ok, received), default_headers
        return self._heads
