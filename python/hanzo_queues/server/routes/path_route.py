"""A route of Starlette's router for one path and every method: its endpoint knows the methods.

Starlette's own looks for a root path, converts parameters and merges them with those of outer routes on every request;
this router is the outermost and its parameters are texts, so none of it could change anything.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

NO_MATCH: tuple[Match, dict[str, Any]] = (Match.NONE, {})


class PathRoute(Route):
    """`endpoint` is a raw ASGI application."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        found = self.path_regex.fullmatch(scope["path"])  # its `$` would match before a line break, too
        if found is None:
            return NO_MATCH
        return Match.FULL, {"endpoint": self.endpoint, "path_params": found.groupdict()}

    def handle(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        served: Coroutine[Any, Any, None] = self.endpoint(scope, receive, send)
        return served
