"""One HTTP exchange over pooled connections: bytes out, status, headers and bytes in.

Finds the server, keeps its connections, and turns their failures into `ServerUnreachable` with an outcome: nothing was
sent (`none`), or who knows (`unknown`). Never repeats anything: the transport does. Bound to the event loop of its
first exchange.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Protocol

from hanzo_queues.client.access import Access
from hanzo_queues.client.http_stream import Answer, HttpStream
from hanzo_queues.errors import ServerUnreachable

CONNECT_TIMEOUT = 5.0
"""Seconds for each of the server's addresses."""
KEEPALIVE = 30.0
"""Seconds an idle connection is used again: less than the server (75) and common proxies (60) keep it, so that a
request never meets a closing connection, where its outcome would be unknown."""
CONNECTIONS_MAX = 1000


class Carrier(Protocol):
    """What carries the requests of a client: a `Connection`, or what stands for a server without one."""

    async def exchange(self, method: str, target: str, body: bytes | None, within: float) -> Answer:
        """`target` is the encoded path and query. Raises ServerUnreachable; `within`: seconds for all of it."""

    def abandon(self) -> None:
        """Lets go of what belongs to an event loop that has ended."""

    async def close(self) -> None:
        """Ends what is open."""


class Connection:
    """A pool of connections to one server."""

    def __init__(self, access: Access, user_agent: str) -> None:
        url = access.url
        self._base = str(url)
        self._path = url.raw_path.rstrip("/")
        self._host = url.raw_host or ""
        self._port = url.port or 80
        self._tls = ssl.create_default_context() if url.scheme == "https" else None
        self._head = (
            f" HTTP/1.1\r\nHost: {url.host_port_subcomponent}\r\nAuthorization: Bearer {access.api_key}\r\n"
            f"User-Agent: {user_agent}\r\nAccept: application/json\r\n"
        )
        self.abandon()

    async def exchange(self, method: str, target: str, body: bytes | None, within: float) -> Answer:
        """One request over HTTP."""
        stream: HttpStream | None = None
        try:
            async with asyncio.timeout(within), self._places:
                stream = self._take() or await self._connected()
                return await self._ask(stream, method, target, body)
        except (OSError, TimeoutError) as error:
            if stream is None:
                why = "it did not come about in time" if type(error) is TimeoutError else error
                text = f"no connection to {self._base}: {why}. Does the server run there?"
                raise ServerUnreachable(text) from error
            if isinstance(error, TimeoutError):
                text = f"no answer from {self._base} within {within:g} s"
            else:
                text = f"the connection to {self._base} broke: {error or type(error).__name__}"
            raise ServerUnreachable(text, outcome="unknown") from error
        finally:
            if stream is not None:
                self._give_back(stream)

    def _ask(self, stream: HttpStream, method: str, target: str, body: bytes | None) -> asyncio.Future[Answer]:
        line = f"{method} {self._path}{target}{self._head}"
        if body is not None:
            head = f"{line}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            return stream.ask(head.encode("latin-1"), body)
        bare = "" if method in ("GET", "DELETE") else "Content-Length: 0\r\n"
        return stream.ask(f"{line}{bare}\r\n".encode("latin-1"))

    def _take(self) -> HttpStream | None:
        """The connection that was used last: the others may then become idle for good."""
        oldest = asyncio.get_running_loop().time() - KEEPALIVE
        while self._idle:
            stream, _ = self._idle.popitem()
            if stream.reusable and stream.idle_since > oldest:
                return stream
            stream.close()
        return None

    async def _connected(self) -> HttpStream:
        """Tries one address after the other. Raises OSError."""
        loop, places = asyncio.get_running_loop(), self._places
        found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        failed: OSError = OSError(f"{self._host} has no address")
        for _, _, _, _, (address, port, *_) in found:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    _, stream = await loop.create_connection(
                        lambda: HttpStream(self._forget),
                        str(address),
                        int(port),
                        ssl=self._tls,
                        server_hostname=self._host if self._tls else None,
                    )
                if not stream.reusable:
                    raise ConnectionResetError("the server closed it before anything was asked")
                if self._places is not places:
                    stream.close()
                    raise ConnectionAbortedError("the client was closed")
                self._open.add(stream)
                return stream
            except OSError as error:  # TimeoutError is one
                failed = error
        raise failed

    def _give_back(self, stream: HttpStream) -> None:
        if stream.reusable and stream in self._open:
            self._idle[stream] = None
        else:
            stream.close()

    def _forget(self, stream: HttpStream) -> None:
        self._open.discard(stream)
        self._idle.pop(stream, None)

    def abandon(self) -> None:
        """Lets go of connections whose event loop has ended without closing them."""
        self._open: set[HttpStream] = set()
        self._idle: dict[HttpStream, None] = {}
        self._places = asyncio.Semaphore(CONNECTIONS_MAX)

    async def close(self) -> None:
        streams = tuple(self._open)
        self.abandon()  # what is being connected is not used either
        for stream in streams:
            stream.close()
        if streams:
            await asyncio.sleep(0)  # lets the transports report their end before the loop does
