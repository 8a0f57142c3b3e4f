"""One HTTP exchange over pooled connections: bytes out, status, headers and bytes in.

Knows aiohttp, and turns its failures into `ServerUnreachable` with an outcome. Never repeats anything: the
transport does. Bound to the event loop of its first exchange.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from hanzo_queues.client.access import Access
from hanzo_queues.errors import ServerUnreachable

CONNECT_TIMEOUT = 5.0
KEEPALIVE = 30.0
"""Seconds an idle connection is kept: less than the server (75) and common proxies (60) keep it, so that a request
never meets a closing connection, where its outcome would be unknown."""
CONNECTIONS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


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
        self._base = str(access.url)
        self._headers = CIMultiDict(
            {
                "Authorization": f"Bearer {access.api_key}",
                "User-Agent": user_agent,
                "Accept": "application/json",
            }
        )
        self._headers_json = CIMultiDict(self._headers)
        self._headers_json["Content-Type"] = "application/json"
        self._session: aiohttp.ClientSession | None = None

    async def exchange(self, method: str, target: str, body: bytes | None, within: float) -> Answer:
        """One request over HTTP."""
        session = self._session or self._open()
        headers = self._headers if body is None else self._headers_json
        limits = aiohttp.ClientTimeout(total=within, sock_connect=CONNECT_TIMEOUT)
        try:
            async with session.request(
                method,
                URL(self._base + target, encoded=True),
                data=body,
                headers=headers,
                timeout=limits,
                allow_redirects=False,
            ) as response:
                return Answer(response.status, response.headers, await response.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise ServerUnreachable(f"no connection to {self._base}: {error}. Does the server run there?") from error
        except TimeoutError as error:
            text = f"no answer from {self._base} within {within:g} s"
            raise ServerUnreachable(text, outcome="unknown") from error
        except (aiohttp.ClientError, OSError) as error:
            text = f"the connection to {self._base} broke: {error or type(error).__name__}"
            raise ServerUnreachable(text, outcome="unknown") from error

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS_MAX, keepalive_timeout=KEEPALIVE)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept-Encoding", "Content-Type"),
        )
        return self._session

    def abandon(self) -> None:
        """Lets go of connections whose event loop has ended without closing them."""
        self._session = None

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()
            await asyncio.sleep(0)  # lets the transports report their end before the loop does
