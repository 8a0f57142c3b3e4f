"""From HTTP to a verb and back: one raw ASGI endpoint for each path, shared by all verbs.

    headers -> request id -> method -> key -> query -> verb -> status, headers, body

Owns what is the same for every request: who may ask, what a success and a problem look like, that nothing unforeseen
reaches the client. Must not know a verb. Hot: no Request, no Response, no middleware.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from starlette.types import Receive, Scope, Send

from hanzo_queues.server.answer import Answer
from hanzo_queues.server.call import Call, ClientGone
from hanzo_queues.server.edge import Edge
from hanzo_queues.server.failures import ends_connection, problem_of
from hanzo_queues.server.faults import Outcome, stopped_before
from hanzo_queues.server.problems import Header, Refused, problem
from hanzo_queues.server.query import Parameters, parse_query
from hanzo_queues.server.request_body import is_unread
from hanzo_queues.server.request_ids import request_id
from hanzo_queues.server.whole_answer import REQUEST_ID, send_whole

JSON = (b"content-type", b"application/json")
NO_STORE = (b"cache-control", b"no-store")
READING = ("GET", "HEAD")

Rendered = tuple[int, tuple[Header, ...], bytes]
"""Status, headers and body of an answer."""


@dataclass(frozen=True, slots=True)
class Page:
    """An answer that no partition gave."""

    status: int
    body: bytes


Verb = Callable[[Edge, Call], Awaitable[Answer | Page]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `public`: no key is needed. `headers`: of a success, beside length and request id.
    `status`: of a success, when it is not 201 for what was created and 200 for the rest."""

    verb: Verb
    query: Parameters = field(default_factory=dict)
    public: bool = False
    headers: tuple[Header, ...] = (JSON,)
    status: int | None = None


def reading(verb: Verb, query: Parameters | None = None, *, public: bool = False) -> Operation:
    """An operation whose answer is true only now."""
    return Operation(verb, query or {}, public, (JSON, NO_STORE))


class Endpoint:
    """The ASGI application of one path. `operations` by method; HEAD is listed where it is safe."""

    def __init__(self, edge: Edge, operations: Mapping[str, Operation]) -> None:
        self.operations = operations
        self._edge = edge
        self._allow = ((b"allow", ", ".join(sorted(operations)).encode()),)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        name = request_id(headers.get(b"x-request-id"))
        call = Call(scope, receive, headers)
        sent = last = False
        try:
            try:
                operation = self.operations.get(scope["method"])
                if operation is None:
                    raise Refused("method_not_allowed", "", headers=self._allow)
                if not operation.public:
                    self._edge.keys.admit(headers.get(b"authorization"))
                if query := scope["query_string"]:
                    call.query = parse_query(query, operation.query)
                status, kinds, body = shape(await operation.verb(self._edge, call), operation, name)
            except (Exception, asyncio.CancelledError) as error:
                status, kinds, body = _failed(error, scope["method"], call, name)
                last = ends_connection(error)
            last = last or (not call.body_is_read and is_unread(call))
            headers_sent = (*kinds, (REQUEST_ID, name))
            sent = await send_whole(send, status, headers_sent, body, last=last, on_unread=call.on_unsent)
        except ClientGone:
            return
        finally:
            if not sent and call.on_unsent is not None:
                call.on_unsent()
            if call.body_bytes:
                self._edge.bodies.give_back(call.body_bytes)


class NotFound:
    """The ASGI application of every path that isn't one."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call(scope, receive, dict(scope["headers"]))
        name = request_id(call.headers.get(b"x-request-id"))
        failed = problem("route_not_found", f"There is no path {scope['path']!r}.", name.decode())
        headers = (*failed.headers, (REQUEST_ID, name))
        await send_whole(send, failed.status, headers, failed.body, last=is_unread(call))


def _failed(error: Exception | asyncio.CancelledError, method: str, call: Call, name: bytes) -> Rendered:
    """The problem that `error` becomes. Raises ClientGone again: nobody waits for one."""
    if isinstance(error, ClientGone):
        raise error
    if isinstance(error, asyncio.CancelledError):
        # Only a server that has waited long enough for its requests cancels them.
        outcome: Outcome = "none" if method in READING or is_unread(call) else "unknown"
        error = stopped_before(outcome)
    failed = problem_of(error, name.decode())
    return failed.status, failed.headers, failed.body


def shape(answer: Answer | Page, operation: Operation, name: bytes) -> Rendered:
    """How the request of that name is answered."""
    if isinstance(answer, Page):
        return answer.status, operation.headers, answer.body
    if answer.rejection is None:
        status = operation.status or (201 if answer.created else 200)
        return status, operation.headers, answer.body
    code, detail = answer.rejection
    # A refused atomic batch says for each entry why.
    members = answer.body if code == "batch_aborted" else b""
    retry_after_ms = answer.reply.retry_after_ms
    retry_after_s = None if retry_after_ms is None else retry_after_ms / 1000
    refused = problem(code, detail, name.decode(), members=members, retry_after_s=retry_after_s)
    return refused.status, refused.headers, refused.body
