"""The contract, served by the server that keeps it."""

from __future__ import annotations

import asyncio
from functools import cache

import orjson
import yaml

from hanzo_queues.server.call import Call
from hanzo_queues.server.edge import Edge
from hanzo_queues.server.routes.endpoint import Page
from hanzo_queues.server.spec_files import read_spec


async def openapi(edge: Edge, call: Call) -> Page:
    """GET /openapi.json"""
    return Page(200, await asyncio.to_thread(openapi_json))


@cache
def openapi_json() -> bytes:
    """spec/openapi.yaml as JSON. Slow the first time."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return orjson.dumps(yaml.load(read_spec("openapi.yaml"), loader))
