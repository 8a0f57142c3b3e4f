"""What most tests through HTTP begin with: a server for each file, in its event loop, and a queue for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count

import pytest_asyncio

from tests.contract.http_server import Served, served

NUMBERS = count()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Served]:
    async with served() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def queue(server: Served) -> str:
    return await server.made_queue(f"made-{next(NUMBERS)}")
