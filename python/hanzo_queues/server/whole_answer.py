"""Sends an answer that is whole: head and body in one write.

ASGI sends an answer in two messages, and uvicorn checks and joins every header of each; for answers that are made
here and end at once, that is a sixth of an enqueue. So on uvicorn's httptools protocol the bytes are written to its
transport, and its cycle is told that the answer is complete. Anywhere else, and when a client reads too slowly, the
answer goes the way of ASGI. Both ways send the same bytes; a test compares them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from starlette.types import Send

from hanzo_queues.server.problems import Header

Cycle: Any
try:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle as Cycle
except ImportError:  # a uvicorn that is different inside
    Cycle = None

STATUS_LINES = {kind.value: f"HTTP/1.1 {kind.value} {kind.phrase}\r\n".encode() for kind in HTTPStatus}
CLOSE = (b"connection", b"close")
REQUEST_ID = b"x-request-id"
LARGE_BYTES = 64 * 1024  # where writing may pause. Of smaller answers nobody knows when they have left


async def send_whole(
    send: Send,
    status: int,
    headers: tuple[Header, ...],
    body: bytes,
    *,
    last: bool = False,
    on_unread: Callable[[], None] | None = None,
) -> bool:
    """Sends status, headers (beside content-length, which is added) and body. The headers' bytes must be safe: no
    control characters; the last one names the request. `last`: the connection ends with this answer. Returns False
    when the client had gone; where it goes later, before it can have read the answer, `on_unread` is called."""
    cycle: Any = getattr(send, "__self__", None)
    if type(cycle) is not Cycle:
        await _send(send, status, headers, body, last)
        return True
    if cycle.disconnected or cycle.transport.is_closing():
        cycle.disconnected = True
        return False
    if not cycle.flow.write_paused and not cycle.response_started:
        _write(cycle, status, headers, body, last)
        _tell_when_unread(cycle, body, on_unread)
        return True
    try:
        await _send(send, status, headers, body, last)
    except asyncio.CancelledError:
        # The server stops, and this client does not read.
        cycle.disconnected = True
        cycle.transport.abort()
    is_sent = bool(cycle.response_complete and not cycle.disconnected)
    if is_sent:
        _tell_when_unread(cycle, body, on_unread)
    return is_sent


def answer_bytes(
    status: int, default_headers: Iterable[Header], headers: tuple[Header, ...], body: bytes, keep_alive: bool
) -> bytes:
    """An HTTP/1.1 answer, whole."""
    return b"".join(_parts(status, default_headers, headers, body, keep_alive))


def _parts(
    status: int, default_headers: Iterable[Header], headers: tuple[Header, ...], body: bytes, keep_alive: bool
) -> list[bytes]:
    # The last one names the request; what stands before it is the same for all answers of a kind.
    name, value = headers[-1]
    parts = [head_bytes(status, default_headers, headers[:-1], name), value]
    parts.append(b"\r\ncontent-length: %d\r\n" % len(body))
    parts.append(b"\r\n" if keep_alive else b"connection: close\r\n\r\n")
    parts.append(body)
    return parts


def head_bytes(status: int, default_headers: Iterable[Header], headers: tuple[Header, ...], last: bytes) -> bytes:
    """An answer's head up to the value of the header `last`."""
    lines = b"".join(b"%b: %b\r\n" % header for header in default_headers)
    return b"%b%b%b%b: " % (STATUS_LINES[status], lines, _lines(headers), last)


@lru_cache(256)
def _lines(headers: tuple[Header, ...]) -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)


async def _send(send: Send, status: int, headers: tuple[Header, ...], body: bytes, last: bool) -> None:
    sized = [*headers, (b"content-length", b"%d" % len(body)), *((CLOSE,) if last else ())]
    await send({"type": "http.response.start", "status": status, "headers": sized})
    await send({"type": "http.response.body", "body": body})


def _write(cycle: Any, status: int, headers: tuple[Header, ...], body: bytes, last: bool) -> None:
    """What the cycle's own `send` does for two messages, in one go."""
    cycle.response_started = True
    cycle.waiting_for_100_continue = False
    if last:
        cycle.keep_alive = False
    parts = _parts(status, cycle.default_headers, headers, body, cycle.keep_alive)
    if cycle.scope["method"] == "HEAD":
        parts.pop()
    cycle.transport.write(b"".join(parts))
    cycle.response_complete = True
    cycle.message_event.set()
    if not cycle.keep_alive:
        _end(cycle.transport, last)
    cycle.on_response()


def _tell_when_unread(cycle: Any, body: bytes, on_unread: Callable[[], None] | None) -> None:
    if on_unread is not None and len(body) > LARGE_BYTES:
        cycle.unread = on_unread


def _end(transport: Any, unread: bool) -> None:
    discard_rest = getattr(transport.get_protocol(), "discard_rest", None) if unread else None
    if discard_rest is None:
        transport.close()
    else:
        discard_rest()
