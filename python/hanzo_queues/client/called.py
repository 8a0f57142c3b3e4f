"""What a client tells of each request, for metrics: `on_call` gets a `Called` when one has ended."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from hanzo_queues.client.spec import OPERATIONS

log = logging.getLogger("hanzo_queues")


@dataclass(frozen=True, slots=True)
class Called:
    """A request to the server that has ended, with all its tries."""

    operation: str
    """Its operationId in spec/openapi.yaml, such as "enqueue", "enqueueBatch", "receive", "settle"."""
    queue: str | None
    """The queue it was sent to; None: it names none, or a message alone."""
    messages: int
    """How many messages it enqueued, received or settled, those of all calls that shared it; 0 for other operations."""
    attempts: int
    """How often it was tried."""
    seconds: float
    """From the first try to the end, waits between tries included; of a receive its long poll, too."""
    error: BaseException | None
    """What it ended with; None: an answer."""


OnCall = Callable[[Called], object]


def operation_of(method: str, target: str) -> tuple[str, str | None]:
    """The operation of a request, and the queue its path names."""
    parts = target.partition("?")[0].split("/")[2:]
    queue = unquote(parts[1]) if parts[0] == "queues" and len(parts) > 1 else None
    named = ["*" if index % 2 else part for index, part in enumerate(parts)]
    fixed = [*named[:3], *parts[3:]]
    key = f"{method} {'/'.join(fixed)}"
    return OPERATIONS.get(key) or OPERATIONS[f"{method} {'/'.join(named)}"], queue


def tell(on_call: OnCall, called: Called) -> None:
    """Calls the hook. One that fails stops nothing."""
    try:
        on_call(called)
    except Exception:
        log.exception("on_call failed")
