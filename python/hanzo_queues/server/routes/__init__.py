"""The table of routes: every path, its methods, and the verb behind each. Hot paths come first: the first match wins.

spec/openapi.yaml lists the same paths, methods and parameters; a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import ASGIApp

from hanzo_queues.server.edge import Edge
from hanzo_queues.server.routes import enqueue, groups, health, messages, openapi, peek, queues, receive, settle, sweeps
from hanzo_queues.server.routes.endpoint import Endpoint, NotFound, Operation, reading
from hanzo_queues.server.routes.path_table import PathTable

# A receive leases, so it has no HEAD; neither has anything that changes something.
SAFE = frozenset(
    {
        "/v1/messages/{message}",
        "/v1/messages/{message}/explain",
        "/v1/queues",
        "/v1/queues/{queue}",
        "/v1/queues/{queue}/groups",
        "/v1/queues/{queue}/groups/{group}",
        "/v1/queues/{queue}/peek",
        "/v1/redrives/{redrive}",
        "/v1/sweeps",
        "/v1/sweeps/{sweep}",
        "/health/live",
        "/health/ready",
        "/openapi.json",
    }
)

OPERATIONS: Mapping[str, Mapping[str, Operation]] = {
    "/v1/queues/{queue}/messages": {
        "POST": Operation(enqueue.enqueue),
        "GET": reading(receive.receive, receive.RECEIVE),
    },
    "/v1/messages/{message}/ack": {"POST": Operation(settle.ack)},
    "/v1/queues/{queue}/messages/batch": {"POST": Operation(enqueue.enqueue_batch)},
    "/v1/queues/{queue}/settle": {"POST": Operation(settle.settle)},
    "/v1/messages/{message}/nack": {"POST": Operation(settle.nack)},
    "/v1/messages/{message}/extend": {"POST": Operation(settle.extend)},
    "/v1/messages/{message}/release": {"POST": Operation(settle.release)},
    "/v1/messages/{message}": {
        "GET": reading(messages.get_message),
        "PATCH": Operation(messages.change_message),
        "DELETE": Operation(messages.delete_message),
    },
    "/v1/messages/{message}/explain": {"GET": reading(messages.explain_message, messages.EXPLAIN)},
    "/v1/queues": {
        "POST": Operation(queues.create_queue),
        "GET": reading(queues.list_queues, queues.LIST_QUEUES),
    },
    "/v1/queues/{queue}": {
        "GET": reading(queues.get_queue),
        "PATCH": Operation(queues.update_queue),
        "DELETE": Operation(queues.delete_queue),
    },
    "/v1/queues/{queue}/pause": {"POST": Operation(queues.pause_queue)},
    "/v1/queues/{queue}/resume": {"POST": Operation(queues.resume_queue)},
    "/v1/queues/{queue}/purge": {"POST": Operation(queues.purge_queue)},
    "/v1/queues/{queue}/groups": {
        "POST": Operation(groups.create_group),
        "GET": reading(groups.list_groups),
    },
    "/v1/queues/{queue}/groups/{group}": {
        "GET": reading(groups.get_group),
        "DELETE": Operation(groups.delete_group),
    },
    "/v1/queues/{queue}/redrive": {"POST": Operation(sweeps.redrive, status=202)},
    "/v1/queues/{queue}/sweep": {"POST": Operation(sweeps.sweep, status=202)},
    "/v1/redrives/{redrive}": {
        "GET": reading(sweeps.get_sweep),
        "DELETE": Operation(sweeps.cancel_sweep),
    },
    "/v1/sweeps": {"GET": reading(sweeps.list_sweeps, sweeps.LIST_SWEEPS)},
    "/v1/sweeps/{sweep}": {
        "GET": reading(sweeps.get_sweep),
        "DELETE": Operation(sweeps.cancel_sweep),
    },
    "/v1/queues/{queue}/groups/{group}/members/{consumer}": {
        "PUT": Operation(groups.heartbeat),
        "DELETE": Operation(groups.leave),
    },
    "/v1/queues/{queue}/peek": {"GET": reading(peek.peek, peek.PEEK)},
    "/health/live": {"GET": reading(health.live, public=True)},
    "/health/ready": {"GET": reading(health.ready, public=True)},
    "/openapi.json": {"GET": Operation(openapi.openapi)},
}


def build_routes(edge: Edge) -> ASGIApp:
    """The ASGI application of the API."""
    return PathTable({path: Endpoint(edge, with_head(path)) for path in OPERATIONS}, NotFound())


def with_head(path: str) -> dict[str, Operation]:
    """The operations of `path` by method, HEAD among them where it is safe."""
    operations = dict(OPERATIONS[path])
    if path in SAFE:
        operations["HEAD"] = operations["GET"]
    return operations
