"""One connection to nats-servers: how it is made, watched, ended, and replaced when it was closed for good.

Owns what nats-py must be told for a journal to be safe, above all `pending_size=-1`: a publish made while disconnected
fails now instead of committing after the reconnect. Knows nothing of journals or leases.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client

from hanzo_queues.server.ending import end
from hanzo_queues.server.nats_access import NatsAccess
from hanzo_queues.server.nats_reading import hand_on_directly, read_in_large_pieces

logger = logging.getLogger(__name__)

read_in_large_pieces()

CLOSE_S = 1.0
"""That a server has to take what is left for it, when a connection is ended in order."""

OPTIONS: dict[str, Any] = {
    "pending_size": -1,
    "max_reconnect_attempts": -1,
    "reconnect_time_wait": 0.25,
    "ping_interval": 2,
    "max_outstanding_pings": 2,
    "connect_timeout": 2,
}


class NatsUnreachable(Exception):
    """No nats-server let us in, or none before the deadline. The text says where and why."""


@dataclass(frozen=True, slots=True)
class NatsEndpoint:
    """One or more nats:// or tls:// URLs of one cluster, and how it lets us in when they do not say."""

    urls: tuple[str, ...]
    token: str | None = None
    access: NatsAccess = field(default_factory=NatsAccess)

    def __str__(self) -> str:
        """For people: without what the URLs hold of credentials."""
        return ", ".join(map(_place, self.urls))


def _place(url: str) -> str:
    parts = urlsplit(url if "://" in url else f"nats://{url}")
    return f"{parts.hostname}:{parts.port or 4222}"


class _Client(Client):
    """nats-py's closes the socket of a connection that it gave up by writing what is left, and waits for that: for
    ever, when the server is frozen or cut off and does not read. Only then it would look for another server. And it
    tells who it is without TLS, although that was asked for, where a server offers none."""

    def __init__(self, *, is_encrypted: bool) -> None:
        super().__init__()
        self._is_encrypted = is_encrypted

    async def _attempt_reconnect(self) -> None:
        _abort(self)
        await super()._attempt_reconnect()

    async def _read_loop(self) -> None:
        hand_on_directly(self)
        await super()._read_loop()

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        server = self._current_server
        asked = self._is_encrypted or (server is not None and server.uri.scheme == "tls")
        if initial_connection and asked and not info.get("tls_required"):
            raise nats.errors.Error("it offers no TLS, and nothing is told to it without")
        await super()._process_info(info, initial_connection)


def _abort(client: Client) -> None:
    """Ends its socket, whatever is left to be written."""
    transport: Any = client._transport
    if transport is not None and transport._io_writer is not None:
        transport._io_writer.transport.abort()


class NatsConnection:
    """One connection. Once made it reconnects by itself, until nats-py closes it for good, as it does at most refusals.
    `on_down` is called with a reason each time it is lost."""

    def __init__(self, endpoint: NatsEndpoint, name: str, on_down: Callable[[str], None]) -> None:
        self._endpoint = endpoint
        self._name = name
        self._on_down = on_down
        self._last_error = "no answer"
        self.client: Client = _Client(is_encrypted=endpoint.access.is_encrypted)

    async def connect(self, timeout_s: float) -> None:
        """Connects. Raises NatsUnreachable."""
        connecting = asyncio.create_task(self._connect())
        try:
            await asyncio.wait([connecting], timeout=timeout_s)
            if not connecting.done():
                raise TimeoutError
            await connecting
        except BaseException as error:
            await end(connecting)
            await self.close()
            if isinstance(error, TimeoutError):
                raise self._unreachable(self._last_error) from None
            if isinstance(error, (nats.errors.Error, OSError, ValueError)):  # ValueError: no NATS speaks there
                raise self._unreachable(str(error) or type(error).__name__) from error
            raise

    async def _connect(self) -> None:
        """Goes on for as long as it is refused."""
        await self.client.connect(
            servers=list(self._endpoint.urls),
            token=self._endpoint.token,
            **self._endpoint.access.options(),
            name=self._name,
            error_cb=self._error,
            disconnected_cb=self._disconnected,
            reconnected_cb=self._reconnected,
            closed_cb=self._closed,
            **OPTIONS,
        )

    @property
    def is_over(self) -> bool:
        """It is closed for good, or its attempts to connect again ended with a bug: those nobody tells."""
        attempts = self.client._reconnection_task
        gave_up = not self.client.is_connected and attempts is not None and attempts.done()
        return bool(self.client.is_closed or gave_up)

    async def close(self) -> None:
        """Ends the connection."""
        self._on_down = _ignore
        if self.client.is_closed:
            return
        late = asyncio.get_running_loop().call_later(CLOSE_S, _abort, self.client)
        try:
            with suppress(OSError, RuntimeError):  # what is left for a server that is gone; RuntimeError: uvloop's
                await self.client.close()
        finally:
            late.cancel()

    def _unreachable(self, why: str) -> NatsUnreachable:
        return NatsUnreachable(f"no nats-server could be reached at {self._endpoint}: {why}")

    async def _error(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        logger.debug("%s: %s", self._name, text)
        if "authorization" not in self._last_error.lower():  # says more than the reset that may follow it
            self._last_error = text

    async def _disconnected(self) -> None:
        if self._on_down is not _ignore:
            logger.warning("%s: the connection to nats-server was lost", self._name)
        self._on_down("the connection to nats-server was lost")

    async def _reconnected(self) -> None:
        self._last_error = "no answer"
        logger.info("%s: connected to nats-server again", self._name)

    async def _closed(self) -> None:
        self._on_down(f"nats-server closed the connection: {self._last_error}")


class LastingConnection:
    """A connection made when it is first needed, and made again when nats-py has closed it for good: that it does at
    most refusals, as when credentials are changed on a server. `timeout_s` bounds each attempt to connect."""

    def __init__(
        self, endpoint: NatsEndpoint, name: str, *, timeout_s: float, on_down: Callable[[str], None] | None = None
    ) -> None:
        self._endpoint = endpoint
        self._name = name
        self._timeout_s = timeout_s
        self._on_down = on_down or _ignore
        self._connection: NatsConnection | None = None
        self._making = asyncio.Lock()

    async def client(self) -> Client:
        """The client to use now, another one after each loss for good. Raises NatsUnreachable: try again."""
        async with self._making:
            if self._connection is None or self._connection.is_over:
                over, self._connection = self._connection, None
                if over is not None and not over.client.is_closed:  # else it tells of that itself
                    await over.close()
                logger.info("%s: connecting to %s", self._name, self._endpoint)
                connection = NatsConnection(self._endpoint, self._name, self._on_down)
                await connection.connect(self._timeout_s)
                self._connection = connection
            return self._connection.client

    async def close(self) -> None:
        """Ends the connection. `client` makes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def write_at_once(client: Client, parts: tuple[bytes, ...]) -> None:
    """Writes protocol bytes to the socket now. They are never kept for a later connection, and never copied together.

    nats-py has no public way to do this; without it an append that waits in its buffer survives a reconnect.
    """
    transport: Any = client._transport
    transport.writelines(parts)


def _ignore(_reason: str) -> None:
    pass
