"""httptools' parser of requests, for a server that speaks HTTP/1.1 and nothing else.

A client may offer another protocol with any request, as curl does with `--http2` and Java's client with the first one
of each connection. httptools then takes whatever follows the head for that protocol's, the request's own body too.
Here the offer is passed over: what follows is read as HTTP. Knows of its protocol what httptools does, and its headers.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httptools

OF_HEADS = ("on_message_begin", "on_url", "on_header", "on_headers_complete")


class RequestParser:
    """Tells `protocol` what httptools' own parser would, of a client that offers nothing."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._parser = self._made({name: getattr(protocol, name) for name in OF_HEADS})

    def get_method(self) -> bytes:
        """Of the request whose head was read last, like all that follow."""
        return self._parser.get_method()

    def get_http_version(self) -> str:
        """As `1.1`."""
        return self._parser.get_http_version()

    def should_keep_alive(self) -> bool:
        """Whether the client may send another."""
        return self._parser.should_keep_alive()

    def should_upgrade(self) -> bool:
        """Never."""
        return False

    def feed_data(self, data: bytes) -> None:
        """Reads on. Raises httptools.HttpParserError."""
        while data:
            try:
                return self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                data = data[offer.args[0] :]
                if framing := self._framing():
                    self._read_body(framing)

    def _made(self, of_heads: dict[str, Callable[..., None]]) -> httptools.HttpRequestParser:
        on_body = self._protocol.on_body
        parser = httptools.HttpRequestParser(
            SimpleNamespace(**of_heads, on_body=on_body, on_message_complete=self._complete)
        )
        # What comes behind the last request of a connection must not cost that one its answer.
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def _complete(self) -> None:
        if not (self._parser.should_upgrade() and self._framing()):  # else its body is still to come
            self._protocol.on_message_complete()

    def _framing(self) -> bytes:
        """The headers that say how long the body is; none when there is no body."""
        headers = self._protocol.headers
        lines = [b"%b: %b\r\n" % (name, value) for name, value in headers if _announces_body(name, value)]
        return b"".join(lines)

    def _read_body(self, framing: bytes) -> None:
        """With another parser, which takes it for that of a request like this one that offers nothing."""
        is_told = False

        def once_told(callback: Callable[..., None]) -> Callable[..., None]:
            def call(*arguments: bytes) -> None:
                if is_told:
                    callback(*arguments)

            return call

        self._parser = self._made({name: once_told(getattr(self._protocol, name)) for name in OF_HEADS})
        self._parser.feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n")
        is_told = True


def _announces_body(name: bytes, value: bytes) -> bool:
    return name == b"transfer-encoding" or (name == b"content-length" and int(value) > 0)
