"""The live server of the scenarios: the one the environment names, or one of this run's own.

Speaks of the server as spec/vectors/README.md does: a URL, a key, and a kill after which it is ready again.
"""

from __future__ import annotations

import asyncio
import os
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from examples.local_server import LocalServer
from hanzo_queues import AsyncQueues


@dataclass(frozen=True)
class Live:
    """`connect` makes a client of it."""

    connect: Callable[[], AsyncQueues]
    kill_and_start: Callable[[], None]

    async def kill(self) -> None:
        """Returns when the server is ready again."""
        await asyncio.to_thread(self.kill_and_start)


@contextmanager
def live_server() -> Iterator[Live]:
    """A running server."""
    url = os.environ.get("CONFORMANCE_URL")
    if url is not None:
        control = os.environ["CONFORMANCE_CONTROL"]

        def ask() -> None:
            with urllib.request.urlopen(urllib.request.Request(control, method="POST"), timeout=90):
                pass

        yield Live(lambda: AsyncQueues(os.environ["CONFORMANCE_KEY"], url=url), ask)
        return
    with LocalServer() as server:

        def kill_and_start() -> None:
            server.kill()
            server.start()

        yield Live(lambda: AsyncQueues(server.api_key, url=server.url), kill_and_start)
