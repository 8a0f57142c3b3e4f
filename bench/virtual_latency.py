"""How long messages wait, from when they are due to their handlers, on a clock that stands still while code works:
`python -m bench.virtual_latency`.

The SDK and the server as they are, in one process; sockets and commits take what is said here, and nothing else takes
time. So it tells what the order of requests costs, the same on any machine, and nothing of what their work costs.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from unittest.mock import patch

from hanzo_queues import AsyncQueues, Message
from hanzo_queues.client.http_stream import Answer
from hanzo_queues.server.app import App
from hanzo_queues.server.auth import ApiKeys
from hanzo_queues.server.clock import Clock
from hanzo_queues.server.journal.memory import MemoryJournal
from hanzo_queues.server.settings import Settings
from hanzo_queues.testing.asgi import exchange
from tests.unhurried import UnhurriedLoop

RATE = 2000
SOCKET_S = 0.0003
"""One way, with the turn of the event loop before it."""
COMMIT_S = 0.0008
TIMER_S = 0.0006
"""A timer is up to so late."""
KEY = "virtual-key"


class SlowJournal(MemoryJournal):
    """Commits in order, each after its time."""

    def __init__(self, draws: random.Random) -> None:
        super().__init__()
        self._draws = draws
        self._last = 0.0

    async def append(self, batch: bytes, expected_last_sequence: int) -> None:
        now = asyncio.get_running_loop().time()
        self._last = max(self._last + 1e-6, now + COMMIT_S * self._draws.uniform(0.7, 1.4))
        await asyncio.sleep(self._last - now)
        await super().append(batch, expected_last_sequence)


class Carrier:
    """Sockets between client and server."""

    def __init__(self, app: App, draws: random.Random) -> None:
        self._app = app
        self._draws = draws

    async def exchange(self, method: str, target: str, body: bytes | None, within: float) -> Answer:
        await self._travel()
        headers, gone = {"authorization": f"Bearer {KEY}"}, asyncio.Event()
        asked = asyncio.create_task(exchange(self._app.http, method, target, body, headers, gone))
        try:
            answer = await asyncio.shield(asked)
        except asyncio.CancelledError:
            gone.set()
            raise
        assert answer is not None, "its client stays"
        await self._travel()
        return answer

    async def _travel(self) -> None:
        await asyncio.sleep(SOCKET_S * self._draws.uniform(0.8, 1.2))

    def abandon(self) -> None: ...

    async def close(self) -> None: ...


async def measure(messages: int, seed: int = 5) -> Mapping[str, float]:
    """Percentiles in milliseconds, and how many commits a message took."""
    loop, draws = asyncio.get_running_loop(), random.Random(seed)
    serving = asyncio.Event()
    journal = SlowJournal(draws)
    clock = Clock(wall=lambda: 1.7e12 + loop.time() * 1000, monotonic=lambda: loop.time() * 1000)
    app = App(Settings(), journal, ApiKeys([KEY]), clock=clock, on_serving=serving.set)
    app.start()
    await serving.wait()
    waited: list[float] = []
    sending, receiving = Carrier(app, draws), Carrier(app, draws)
    sender = AsyncQueues(KEY, connect=lambda: sending)
    receiver = AsyncQueues(KEY, connect=lambda: receiving)
    await sender.create("latency")

    @receiver.consumer("latency", concurrency=64)
    async def note(message: Message) -> None:
        waited.append(loop.time() - message.payload)
        if len(waited) == messages:
            receiver.stop()

    async def send(due: float) -> None:
        await asyncio.sleep(max(0.0, due + draws.uniform(0, TIMER_S) - loop.time()))
        await sender.enqueue("latency", due)

    consuming = asyncio.create_task(receiver.run(signals=False))
    await asyncio.sleep(0.1)
    began = loop.time()
    await asyncio.gather(*(send(began + number / RATE) for number in range(messages)))
    await consuming
    commits = await journal.last_sequence()
    for queues in (sender, receiver):
        await queues.close()
    await app.close()
    waited.sort()
    percentiles = {f"p{percent} ms": 1000 * waited[messages * percent // 100] for percent in (50, 90, 99)}
    return {**percentiles, "commits a message": commits / messages}


def run(messages: int) -> Mapping[str, float]:
    """On a loop of its own."""
    loop = UnhurriedLoop()
    try:
        with patch.object(time, "monotonic", loop.time):
            return loop.run_until_complete(measure(messages))
    finally:
        loop.close()


if __name__ == "__main__":
    print(", ".join(f"{name} {value:.2f}" for name, value in run(8000).items()))
