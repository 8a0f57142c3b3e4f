"""Sends an answer that is whole: head and body in one write.

ASGI sends an answer in two messages, and uvicorn checks and joins every header of each; for answers that are made
here and end at once, that is a sixth of an enqueue. So on uvicorn's httptools protocol the bytes are written to its
transport, and its cycle is told that the answer is complete. Anywhere else, and when a client reads too slowly, the
answer goes the way of ASGI. Both ways send the same bytes; a test compares them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.types import Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from hanzo_queues.server.problems import Header


async def send_whole(send: Send, status: int, headers: Sequence[Header], body: bytes) -> None:
    """Sends status, headers (beside content-length, which is added) and body. The headers' bytes must be safe: no
    control characters."""
    cycle = getattr(send, "__self__", None)
    if type(cycle) is RequestResponseCycle and not cycle.flow.write_paused and not cycle.response_started:
        if not cycle.disconnected:
            _write(cycle, status, headers, body)
        return
    sized = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": sized})
    await send({"type": "http.response.body", "body": body})


def _write(cycle: Any, status: int, headers: Sequence[Header], body: bytes) -> None:
    """What the cycle's own `send` does for two messages, in one go."""
    cycle.response_started = True
    cycle.waiting_for_100_continue = False
    parts = [STATUS_LINE[status]]
    for name, value in cycle.default_headers:
        parts += (name, b": ", value, b"\r\n")
    for name, value in headers:
        parts += (name, b": ", value, b"\r\n")
    parts.append(b"content-length: %d\r\n" % len(body))
    parts.append(b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n")
    if cycle.scope["method"] != "HEAD":
        parts.append(body)
    cycle.transport.write(b"".join(parts))
    cycle.response_complete = True
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
