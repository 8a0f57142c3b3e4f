"""The route that does nothing: what any route on this HTTP stack costs at least, the request's body read included."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def noop(request: Request) -> Response:
    """Answers with nothing."""
    return Response(b"")


app = Starlette(routes=[Route("/noop", noop, methods=["GET", "POST"])])
