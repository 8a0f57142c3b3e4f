"""The whole server in this process: the ASGI application, the partition, a memory journal, and a clock that stands
still until it is told. No socket; every call runs the loop until it is answered, and nobody waits for a timer: a poll
that finds nothing is over at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import orjson

from hanzo_queues._core import Engine
from hanzo_queues.server.app import App
from hanzo_queues.server.auth import ApiKeys
from hanzo_queues.server.clock import Clock
from hanzo_queues.server.journal.memory import MemoryJournal, MemoryStore
from hanzo_queues.server.settings import Settings
from hanzo_queues.server.writer import Writer
from hanzo_queues.testing.asgi import exchange
from tests.unhurried import UnhurriedLoop

KEY = "test-api-key"
START_MS = 1_767_322_984_000
ANSWER_S = 100
"""Of the loop's time, which is longer than any poll waits."""
TURN_S = 0.001
"""While others have something to do it does not pass."""
T = TypeVar("T")


@dataclass(slots=True)
class Reply:
    """An answer. `json` is its body, parsed."""

    status: int
    headers: dict[str, str]
    text: bytes
    json: Any

    @property
    def code(self) -> str:
        """The problem's code; empty for a success."""
        return "" if self.status < 400 else self.json["code"]


class InProcess:
    """A server and its journal's `store`. `now_ms` is what its clock says, until a wall clock is `skew_ms` off."""

    def __init__(self, *, queues_max: int = 1000) -> None:
        self.loop = UnhurriedLoop()
        self.store = MemoryStore()
        self.now_ms = START_MS
        self.skew_ms = 0
        self._new_engine = partial(Engine, 0, queues_max=queues_max)
        self._start()

    def _start(self) -> None:
        self.serving = asyncio.Event()
        clock = Clock(wall=lambda: self.now_ms + self.skew_ms, monotonic=lambda: self.now_ms)
        journal = MemoryJournal(self.store)
        self.app = App(Settings(), journal, ApiKeys([KEY]), clock=clock, on_serving=self.serving.set)
        self.app.partition._new_engine = self._new_engine

        async def serve() -> None:
            self.app.start()
            await self.serving.wait()

        self._run(serve())

    def restart(self) -> None:
        """Stops and starts again on what the journal holds."""
        self._run(self.app.close())
        self._start()

    def close(self) -> None:
        """Stops for good."""
        self._run(self.app.close())
        self.loop.close()

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Reply:
        """One request. `body`: bytes go as they are, anything else as JSON."""
        return self._run(self.ask(method, path, body, headers))

    def waits_for(self, path: str, method: str, other: str, body: Any) -> tuple[Reply, Reply]:
        """A GET of `path` that waits, and the request that is sent when it does."""

        async def both() -> tuple[Reply, Reply]:
            poll = asyncio.create_task(self.ask("GET", path))
            while not poll.done() and not self.app.partition._polls.parked:  # noqa: ASYNC110
                await asyncio.sleep(TURN_S)
            return await self.ask(method, other, body), await poll

        done, poll = self._run(both())
        return poll, done

    async def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Reply:
        data = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        sent = {"authorization": f"Bearer {KEY}", **(headers or {})}
        answer = await exchange(self.app.http, method, path, data, sent, asyncio.Event())
        assert answer is not None
        parsed = orjson.loads(answer.body) if answer.body else None
        return Reply(answer.status, dict(answer.headers), answer.body, parsed)

    def hashes(self) -> tuple[str, str]:
        """Of the state that serves, and of what the journal's replay gives."""
        writer = self._run(self._at_rest())
        replayed = Engine(0)
        for sequence, batch in sorted(self.store.batches.items()):
            replayed.replay(sequence, batch)
        return writer._engine.state_hash(), replayed.state_hash()

    async def _at_rest(self) -> Writer:
        """The writer, when all it did is durable."""
        while (writer := self.app.partition._writer) is None or writer._in_flight:  # noqa: ASYNC110
            await asyncio.sleep(TURN_S)
        return writer

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(work, ANSWER_S))
