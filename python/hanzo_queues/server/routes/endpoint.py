"""From HTTP to a verb and back: one raw ASGI endpoint for each path, shared by all verbs.

    headers -> request id -> method -> key -> query -> verb -> status, headers, body

Owns what is the same for every request: who may ask, what a success and a problem look like, that nothing unforeseen
reaches the client. Must not know a verb. Hot: no Request, no Response, no middleware.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from starlette.types import Receive, Scope, Send

from hanzo_queues.server.call import Call, ClientGone
from hanzo_queues.server.edge import Edge
from hanzo_queues.server.failures import problem_of
from hanzo_queues.server.partition import Answer
from hanzo_queues.server.problems import Header, Refused, problem
from hanzo_queues.server.query import Parameters, parse_query
from hanzo_queues.server.request_ids import request_id
from hanzo_queues.server.whole_answer import send_whole

JSON = (b"content-type", b"application/json")
NO_STORE = (b"cache-control", b"no-store")


@dataclass(frozen=True, slots=True)
class Page:
    """An answer that no partition gave."""

    status: int
    body: bytes


Verb = Callable[[Edge, Call], Awaitable[Answer | Page]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `public`: no key is needed. `headers`: of a success, beside length and request id."""

    verb: Verb
    query: Parameters = field(default_factory=dict)
    public: bool = False
    headers: tuple[Header, ...] = (JSON,)


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
        try:
            operation = self.operations.get(scope["method"])
            if operation is None:
                raise Refused("method_not_allowed", "", headers=self._allow)
            if not operation.public:
                self._edge.keys.admit(headers.get(b"authorization"))
            query = scope["query_string"]
            parameters = parse_query(query, operation.query) if query else {}
            answer = await operation.verb(self._edge, Call(scope, receive, headers, parameters))
            status, kinds, body = _shape(answer, operation, name)
        except ClientGone:
            return
        except Exception as error:
            failed = problem_of(error, name.decode())
            status, kinds, body = failed.status, failed.headers, failed.body
        await send_whole(send, status, (*kinds, (b"x-request-id", name)), body)


class NotFound:
    """The ASGI application of every path that isn't one."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = request_id(dict(scope["headers"]).get(b"x-request-id"))
        failed = problem("route_not_found", f"There is no path {scope['path']!r}.", name.decode())
        await send_whole(send, failed.status, (*failed.headers, (b"x-request-id", name)), failed.body)


def _shape(answer: Answer | Page, operation: Operation, name: bytes) -> tuple[int, tuple[Header, ...], bytes]:
    if isinstance(answer, Page):
        return answer.status, operation.headers, answer.body
    if answer.rejection is None:
        return (201 if answer.created else 200), operation.headers, answer.body
    code, detail = answer.rejection
    # A refused atomic batch says for each entry why.
    members = answer.body if code == "batch_aborted" else b""
    refused = problem(code, detail, name.decode(), members=members)
    return refused.status, refused.headers, refused.body
