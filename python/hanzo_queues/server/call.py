"""One HTTP request on its way through a route: what of it routes may see.

A thin view of the ASGI scope, made once a request and cheap. Must not know the API or what is behind it.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import Receive, Scope


class Call:
    """A request. `query` holds the parsed parameters, `headers` the last value of each header, by lower-case name.

    `body_is_read`: the body was read whole. `body_bytes`: what it holds of the budget for bodies. `on_unsent` is
    called when the answer can't have reached its client.
    """

    __slots__ = ("body_bytes", "body_is_read", "headers", "on_unsent", "path", "query", "receive")

    def __init__(self, scope: Scope, receive: Receive, headers: dict[bytes, bytes]) -> None:
        self.path: dict[str, str] = scope.get("path_params", {})
        self.receive = receive
        self.headers = headers
        self.query: dict[str, str | int] = {}
        self.body_is_read = False
        self.body_bytes = 0
        self.on_unsent: Callable[[], None] | None = None

    def text(self, name: str) -> str | None:
        """A text parameter; None when it was not sent."""
        value = self.query.get(name)
        assert value is None or isinstance(value, str)
        return value

    def number(self, name: str) -> int | None:
        """A numeric parameter, durations in milliseconds; None when it was not sent."""
        value = self.query.get(name)
        assert value is None or isinstance(value, int)
        return value


class ClientGone(Exception):
    """The client closed its connection: nobody waits for an answer."""
