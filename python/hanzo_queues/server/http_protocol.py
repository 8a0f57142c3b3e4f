"""uvicorn's HTTP/1.1 protocol, with the bounds it lacks and no silent end.

Owns one connection's framing: how large a request's head may be and how long it may take, how slowly a body may come
and an answer may be read, what malformed HTTP is told, that every unfinished request learns that its client has gone,
and that a client still sending sees the answer that ends its connection. Must not know the API. Overrides what
uvicorn's own class calls; a test of each notices when an upgrade changes it.
"""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hanzo_queues.server.limits_table import LIMITS
from hanzo_queues.server.open_connections import OpenConnections
from hanzo_queues.server.problems import Header, problem
from hanzo_queues.server.progress import TURN_S, Progress
from hanzo_queues.server.request_ids import request_id
from hanzo_queues.server.request_parser import RequestParser
from hanzo_queues.server.whole_answer import answer_bytes
from hanzo_queues.server.whole_request import WholeRequest, WholeRequests

HEADER_BYTES_MAX = LIMITS["header_bytes_max"]
HEADERS_MAX = LIMITS["headers_max"]
HEAD_TIMEOUT_S = LIMITS["head_timeout_ms"] / 1000
LINGER_S = 2.0  # for a client that still sends to read its answer
PIPELINED_MAX = 16  # with more, reading pauses and a client's end is noticed late


class HttpProtocol(HttpToolsProtocol):
    """One connection. `cycle` is the newest request; older ones that have no answer yet are `_ahead` of it."""

    def __init__(
        self, *arguments: Any, open_connections: OpenConnections, whole_requests: WholeRequests, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self.parser = RequestParser(self)  # type: ignore[assignment]  # what of a parser is asked, it has
        self._open = open_connections
        self._whole_requests = whole_requests
        self._body_bytes = 0  # of all bodies so far
        self._body = Progress(self.loop, lambda: self._body_bytes, self._body_stalled)
        self._reading = Progress(self.loop, self._bytes_read, self._reader_stalled)
        self._ahead: list[Any] = []
        self._deadline: asyncio.TimerHandle | None = None
        self._in_message = False  # a part of a request was read, and not all of it
        self._scope_with_head: Any = None
        self._chunk_bytes = 0  # of what came last
        self._head_bytes = 0  # of the chunks since the one in which the unfinished head began
        self._oversized = False
        self._discarding = False
        self._idle_since = 0.0

    @property
    def default_headers(self) -> list[Header]:
        """Of every answer."""
        return self.server_state.default_headers

    # -- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        if self._open.admit(self):
            self._expect_head()
        else:
            self._refuse("overloaded")

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_expecting()
        self._stop_idling()
        self._body.stop()
        self._reading.stop()
        self._open.leave(self)
        for cycle in self._ahead:
            _tell_gone(cycle)
        unread = getattr(self.cycle, "unread", None)
        if unread is not None and self.flow.write_paused:
            unread()  # the answer that was written last has not left
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._discarding or self._is_whole(data):
            return
        self._chunk_bytes = len(data)
        if self.scope is not self._scope_with_head:
            self._head_bytes += len(data)
        super().data_received(data)
        in_head = self.scope is not self._scope_with_head
        if in_head and self._head_bytes > HEADER_BYTES_MAX:
            self._refuse("headers_too_large")
        elif self._deadline is None and (in_head or not self._is_answering()):
            self._expect_head()
        if not in_head and self.cycle is not None and self.cycle.more_body:
            self._body.start()

    def cut_off(self) -> None:
        """The server waits for answers no longer. (Requests that are tasks are cancelled.)"""
        for cycle in (*self._ahead, self.cycle):
            if isinstance(cycle, WholeRequest) and not cycle.done():
                cycle.cut_off()

    def _is_whole(self, data: bytes) -> bool:
        """Whether `data` was a request that needs nothing of what follows here."""
        if self._in_message or self._is_answering() or self.flow.write_paused or self.transport.is_closing():
            return False
        request = self._whole_requests.take(data, self)
        if request is None:
            return False
        self.cycle = request  # type: ignore[assignment]  # what of a cycle is asked here, it has
        if self._deadline is not None:
            self._stop_expecting()
        return True

    def discard_rest(self) -> None:
        """Ends the connection after what was written: whatever still comes is thrown away for a while, since a client
        that is cut off while it sends sees a reset instead of its answer."""
        self._discarding = True
        self._stop_expecting()
        self._body.stop()
        if not self.transport.is_closing():
            self.flow.resume_reading()
            self.transport.write_eof()
            self._deadline = self.loop.call_later(LINGER_S, self._close)

    def _close(self) -> None:
        """Ends the connection when what was written is read. That has to get on, however little it is: else the peer
        would keep its place for ever."""
        self.transport.close()
        self._reading.start()

    # -- an answer that is read slowly

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reading.start()
        self._open.stall(self)

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():  # else the rest has to be read, too
            self._reading.stop()
        self._open.flow(self)

    def unread_bytes(self) -> int:
        """Of answers, not taken by the client yet."""
        return self.transport.get_write_buffer_size()

    def abort(self) -> None:
        """Ends the connection at once; what was not read is lost to the client."""
        self.transport.abort()

    def _bytes_read(self) -> int:
        return -(self.unread_bytes() + bytes_in_kernel(self.transport))

    def _reader_stalled(self) -> None:
        self.abort()

    # -- between requests

    def on_response_complete(self) -> None:
        """As uvicorn's, with one timer for all pauses: to set and cancel one each time costs more than to look again
        when it rings."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            if self.transport.is_closing():
                self._reading.start()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._idle_for(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """What had come by now is read first."""
        self.timeout_keep_alive_task = self.loop.call_later(TURN_S, self._pause_is_over)

    def _pause_is_over(self) -> None:
        self.timeout_keep_alive_task = None
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if self._in_message or self._is_answering():
            return  # the answer's end sets it again
        if left > 0:
            self._idle_for(left)
        else:
            self._close()

    def _idle_for(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _unset_keepalive_if_required(self) -> None:
        """It goes on, and looks whether there was a pause."""

    def _stop_idling(self) -> None:
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None

    # -- a request's head

    def on_message_begin(self) -> None:
        self._in_message = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.scope is self._scope_with_head:
            raise ValueError("a trailer")  # read by nobody, so held for nobody
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._scope_with_head = self.scope
        if self._deadline is not None:
            self._stop_expecting()
        if len(self.headers) > HEADERS_MAX or (
            self._head_bytes + self._chunk_bytes > HEADER_BYTES_MAX and self._head_size() > HEADER_BYTES_MAX
        ):
            self._oversized = True
            raise ValueError("the head is too large")  # the parser stops, and its caller sends the answer
        self._head_bytes = 0
        before = self.cycle
        super().on_headers_complete()
        if self.pipeline:
            self._ahead = [*(cycle for cycle in self._ahead if not cycle.response_complete), before]
            if len(self.pipeline) <= PIPELINED_MAX:
                self.flow.resume_reading()

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    # -- a request's body

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_message = False
        self._body.stop()
        super().on_message_complete()

    def _body_stalled(self) -> None:
        if self.pipeline or self.flow.read_paused:
            self._body.start()  # the server does not read: the client can't get on
        elif self.cycle.more_body and self._is_answering():
            self._refuse("request_timeout")

    # -- refusals

    def send_400_response(self, msg: str) -> None:
        self._refuse("headers_too_large" if self._oversized else "http_malformed")

    def _refuse(self, code: str) -> None:
        """Answers what can't be read on from. Requests before it get their answers first: then that is the end."""
        if self._is_answering():
            if self.pipeline or not self.cycle.more_body:
                self._discarding = True
                self.cycle.keep_alive = False
                return
            _tell_gone(self.cycle)
        name = request_id(None)
        refused = problem(code, "", name.decode())
        headers = (*refused.headers, (b"x-request-id", name))
        default_headers = self.server_state.default_headers
        self.transport.write(answer_bytes(refused.status, default_headers, headers, refused.body, keep_alive=False))
        self.discard_rest()

    def _is_answering(self) -> bool:
        # Answers leave in order: with the newest, all have left.
        return self.cycle is not None and not self.cycle.response_complete

    # -- time

    def _expect_head(self, within_s: float | None = None) -> None:
        within_s = HEAD_TIMEOUT_S if within_s is None else within_s
        self._deadline = self.loop.call_later(within_s, self._head_is_due)

    def _stop_expecting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _head_is_due(self) -> None:
        """What had come by now is read first."""
        self._deadline = self.loop.call_later(TURN_S, self._head_is_overdue)

    def _head_is_overdue(self) -> None:
        self._deadline = None
        left = self._idle_since + HEAD_TIMEOUT_S - self.loop.time()
        if self._is_answering():
            self._expect_head()  # reading may pause until the answer is sent
        elif left > 0:
            self._expect_head(left)  # it was sent since
        else:
            self._close()


def bytes_in_kernel(transport: asyncio.BaseTransport) -> int:
    """What was written to the socket of `transport` and its peer has not taken: megabytes can lie there, so without it
    a client that reads slowly looks like one that does not read."""
    try:
        found = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
    except (OSError, AttributeError):
        return 0
    return int.from_bytes(found, sys.byteorder)


def _tell_gone(cycle: Any) -> None:
    if not cycle.response_complete:
        cycle.disconnected = True
        cycle.message_event.set()
