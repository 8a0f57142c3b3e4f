"""Which endpoint a path belongs to: the first of the table that matches it whole. Its endpoint knows the methods.

A parameter is one segment of the path, not empty, as text; an encoded slash is part of it. Hot, and therefore no router
of a framework: those look for mounts, hosts, redirects and converters that this API does not have.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send


class PathTable:
    """The ASGI application of `endpoints` by path template, like `/v1/queues/{queue}`; `default` is every other
    path's. An endpoint finds its parameters in `scope["path_params"]`."""

    def __init__(self, endpoints: Mapping[str, ASGIApp], default: ASGIApp) -> None:
        self._table = [(_pattern(path).fullmatch, endpoint) for path, endpoint in endpoints.items()]
        self._default = default

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        path, raw = scope["path"], scope["raw_path"]
        encoded = b"%" in raw and b"%2f" in raw.lower()
        if encoded:  # decoded, its slash would look like one between segments
            path = raw.decode("latin-1")
        for match, endpoint in self._table:
            found = match(path)
            if found is not None:
                given = found.groupdict()
                scope["path_params"] = {name: unquote(text) for name, text in given.items()} if encoded else given
                return endpoint(scope, receive, send)
        return self._default(scope, receive, send)


def _pattern(path: str) -> re.Pattern[str]:
    """Of `{name}` a group that matches one segment; the rest is literal."""
    pieces = re.split(r"{(\w+)}", path)
    literals = [re.escape(piece) for piece in pieces[::2]]
    groups = [f"(?P<{name}>[^/]+)" for name in pieces[1::2]]
    return re.compile("".join(piece for pair in zip(literals, [*groups, ""], strict=True) for piece in pair))
