"""Requests that came whole, answered without ASGI: for the hot paths, when all is plain.

    bytes -> core: head, path, JSON -> a known key, room for the body -> the partition
    reply -> core: head and JSON of the answer -> the socket

The same rules as everywhere, with no task, scope, header list or event for each request: those cost twice what its
message does. Whatever is not surely plain, right or wrong, is not taken, nothing of it was done, and it goes the way of
ASGI, which also says what is wrong. A test compares the answers of both ways. Must not know uvicorn beyond what a
`Cycle` is to its protocol.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from hanzo_queues._core import Reply
from hanzo_queues.server.edge import Edge
from hanzo_queues.server.failures import problem_of
from hanzo_queues.server.faults import Fault
from hanzo_queues.server.partition import Partition
from hanzo_queues.server.problems import Header
from hanzo_queues.server.request_ids import request_id
from hanzo_queues.server.routes import OPERATIONS
from hanzo_queues.server.routes.endpoint import JSON, Rendered, shape
from hanzo_queues.server.whole_answer import REQUEST_ID, answer_bytes, head_bytes

# All hot paths are answered as this one is.
_OPERATION = OPERATIONS["/v1/queues/{queue}/messages"]["POST"]


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
    message_event = _Nobody()

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
                answer = reply.answer_bytes(*self._requests.heads(self._connection.default_headers), self._name)
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

    def fail(self, error: Exception) -> None:
        """It is answered with what `error` becomes."""
        self._send(self._failed(error))

    async def _answer(self, reply: Reply) -> None:
        try:
            rendered = shape(await self._partition.answer(reply), _OPERATION, self._name)
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
            return
        self.response_complete = True
        self._requests.edge.bodies.give_back(self._body_bytes)
        connection = self._connection
        if self.disconnected or connection.transport.is_closing():
            return
        connection.transport.write(answer)
        if not self.keep_alive:
            connection.transport.close()
        connection.on_response_complete()


class WholeRequests:
    """Takes requests from connections."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self._heads: tuple[bytes, bytes] = (b"", b"")
        self._heads_with: list[Header] | None = None

    def take(self, data: bytes, connection: Connection) -> WholeRequest | None:
        """The request that `data` is, on its way to the partition; None when it goes another way. The connection must
        be answering no other, and have read no part of one."""
        edge = self.edge
        try:
            posted = edge.parser.posted(data, edge.keys.admitted)
            if posted is None:
                return None
            command, owner, sent = posted
            size = len(data)
            if size > edge.request_bytes_max:
                return None
            router = edge.router
            partition = router.partition_of_queue(owner) if isinstance(owner, str) else router.partition(owner)
            if partition is None:
                return None
            edge.fitting(command)
            edge.bodies.take(size)
        except Exception:
            return None  # the other way meets it again, and tells it
        request = WholeRequest(self, connection, partition, request_id(sent), size)
        try:
            partition.submit_for(request, command)
        except Fault:
            edge.bodies.give_back(size)
            return None
        except Exception as error:
            request.fail(error)
        return request

    def heads(self, default_headers: list[Header]) -> tuple[bytes, bytes]:
        """An answer's head up to the request's id: of what was created, and of any other success."""
        if default_headers is not self._heads_with:
            created, ok = (head_bytes(status, default_headers, (JSON,), REQUEST_ID) for status in (201, 200))
            self._heads, self._heads_with = (created, ok), default_headers
        return self._heads
