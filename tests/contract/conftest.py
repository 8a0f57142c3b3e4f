"""What most tests through HTTP begin with: a server for each file, in its event loop, and a queue for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from itertools import count
from typing import Any

import pytest
import pytest_asyncio

from hanzo_queues.server.whole_request import WholeRequest, WholeRequests
from tests.contract.http_server import Served, served
from tests.steady import SteadyLoop

NUMBERS = count()


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], SteadyLoop]]:
    """Server and clients live in one loop, and in its time."""
    return {"steady": SteadyLoop}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Served]:
    async with served() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def queue(server: Served) -> str:
    return await server.made_queue(f"made-{next(NUMBERS)}")


@pytest.fixture(params=["whole", "asgi"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Receives go past ASGI, or through it; and they all go that way."""
    take = WholeRequests.take
    strays: list[bytes] = []

    def taking(self: WholeRequests, data: bytes, connection: Any) -> WholeRequest | None:
        is_receive = data.startswith(b"GET ") and data.partition(b"?")[0].partition(b" HTTP/")[0].endswith(b"/messages")
        if is_receive and request.param == "asgi":
            return None
        taken = take(self, data, connection)
        if is_receive and taken is None:
            strays.append(data)
        return taken

    monkeypatch.setattr(WholeRequests, "take", taking)
    yield
    assert strays == []
