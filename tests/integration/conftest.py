"""What tests of the SDK begin with: a server for each file, a client and a queue for each test. A file whose server or
queue has settings of its own says so itself."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest

from examples.local_server import LocalServer
from hanzo_queues import AsyncQueues

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


@pytest.fixture
async def queues(server: LocalServer) -> AsyncIterator[AsyncQueues]:
    async with AsyncQueues(server.api_key, url=server.url) as client:
        yield client


@pytest.fixture
async def name(queues: AsyncQueues) -> str:
    return (await queues.create(f"sdk-{next(NUMBERS)}")).name
