"""One connection that speaks HTTP/1.1: a request out, its whole answer in, one at a time.

Owns a socket's transport and the parser of what it brings (llhttp's, in C). Its failures are OSErrors. Must not know
what the requests are, nor who has the connection next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, cast

import httptools


class Answer(NamedTuple):  # made once a request: a frozen dataclass takes five times as long
    """`headers` by their names as `X-Request-Id`, of those that come twice the last one; none where the status is one
    of success: nobody asks for them there."""

    status: int
    headers: Mapping[str, str]
    body: bytes


NONE: Mapping[str, str] = {}

FRAMING = frozenset({"Content-Length", "Transfer-Encoding"})
"""Headers that say where an answer ends."""


class HttpStream(asyncio.Protocol):
    """`on_lost` is told when the connection has ended. `reusable`: the last answer was read whole, and the next request
    may be sent. `idle_since`: when that was, in the loop's time."""

    def __init__(self, on_lost: Callable[[HttpStream], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_lost = on_lost
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self.reusable = True
        self.idle_since = 0.0
        self._begin()

    def _begin(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._has_head = False

    def ask(self, *request: bytes) -> asyncio.Future[Answer]:
        """Sends a request, whose parts are joined, and returns its answer to come. Raises OSError there."""
        assert self._answer is None, "one request at a time"
        assert self._transport is not None, "it is connected"
        self.reusable = False
        self._answer = self._loop.create_future()
        self._transport.writelines(request)
        return self._answer

    def close(self) -> None:
        """Ends the connection; what was asked and not answered is lost."""
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    # What the socket brings

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._answer is None:  # nobody asked
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(ConnectionError(f"what came is no HTTP answer: {error}"))
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.reusable = False
        if self._has_head and not self._is_framed():
            self._finish()  # the end of the connection was that of the answer
        self._fail(error or ConnectionResetError("the server closed it"))
        self._on_lost(self)

    def eof_received(self) -> None:
        self.reusable = False  # the transport closes itself

    # What the parser finds

    def on_message_begin(self) -> None:
        if self._answer is None:  # more than the answer came
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._has_head = True

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:  # the answer is still to come
            self._begin()
            return
        self.reusable = self._parser.should_keep_alive()
        self._finish()

    def _is_framed(self) -> bool:
        return not FRAMING.isdisjoint(_named(self._headers))

    def _finish(self) -> None:
        answer, self._answer = self._answer, None
        status, headers, body = self._parser.get_status_code(), self._headers, b"".join(self._body)
        self._begin()
        self.idle_since = self._loop.time()
        if answer is None:  # a second answer to one request
            self.close()
        elif not answer.done():
            answer.set_result(Answer(status, _named(headers) if status >= 300 else NONE, body))

    def _fail(self, error: Exception) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(error)


def _named(headers: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    return {name.decode("latin-1").title(): value.decode("latin-1") for name, value in headers}
