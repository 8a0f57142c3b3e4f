"""The server in this process: the application on a journal in memory, in a thread and an event loop of its own.

No socket and no other process; clients of any thread and loop may use it. Must not know how tests are written: the
broker does.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Coroutine, Iterable
from concurrent.futures import Future
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlencode

import orjson

from hanzo_queues.client.http_stream import Answer
from hanzo_queues.server.app import App
from hanzo_queues.server.auth import ApiKeys
from hanzo_queues.server.clock import Clock
from hanzo_queues.server.journal.memory import MemoryJournal, MemoryStore
from hanzo_queues.server.settings import Settings
from hanzo_queues.testing.asgi import exchange
from hanzo_queues.testing.skipping import SkippingLoop

KEY = "in-memory-key"
HEADERS = {"authorization": f"Bearer {KEY}"}
EMPTY = Answer(200, {}, b'{"messages":[]}')

T = TypeVar("T")
Line = tuple[str, str]
"""A queue and a consumer group: what a consumer receives from."""


class InProcess:
    """A server, whose journal outlives its restarts. Its clock begins with `began_ms` since 1970, and moves as time is
    skipped; `running`: by itself, too."""

    def __init__(self, settings: Settings, began_ms: int, *, running: bool) -> None:
        self._settings = settings
        self._began_ms = began_ms
        self._began_at = time.monotonic() if running else None
        self._store = MemoryStore()
        self._loop = SkippingLoop(running=running)
        self._thread = threading.Thread(target=self._run_loop, name="hanzo-queues-in-memory", daemon=True)
        self._polls: dict[Line, set[asyncio.Event]] = {}
        self._over: set[asyncio.Event] = set()
        self._ended: Counter[Line] = Counter()
        self.changed = threading.Event()
        """Set when a client's request begins or ends."""
        self._thread.start()
        self.run(self._start())

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _start(self) -> None:
        serving = asyncio.Event()
        failures: list[str] = []

        def failed(why: str) -> None:
            failures.append(why)
            serving.set()

        clock = Clock(wall=self.now_ms, monotonic=self.now_ms)
        journal = MemoryJournal(self._store)
        self._app = App(self._settings, journal, ApiKeys([KEY]), clock=clock, on_failed=failed, on_serving=serving.set)
        self._app.start()
        await serving.wait()
        if failures:
            raise RuntimeError(failures[0])

    def now_ms(self) -> float:
        """What its clock says, in milliseconds since 1970."""
        passed_s = 0.0 if self._began_at is None else time.monotonic() - self._began_at
        return self._began_ms + passed_s * 1000 + self._loop.skipped_us / 1000

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begins it on the server's loop."""
        if self._loop.is_closed():
            work.close()
            raise RuntimeError("the broker is closed")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def leave(self, gone: asyncio.Event) -> None:
        """The client that waits for this event's request is gone."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(gone.set)

    def end_poll(self, gone: asyncio.Event) -> None:
        """The client of this event's long poll has waited long enough."""

        def end() -> None:
            if any(gone in polls for polls in self._polls.values()):
                self._over.add(gone)
                gone.set()

        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(end)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs it on the server's loop, and waits for its result."""
        return self.submit(work).result()

    async def skip(self, seconds: float | None) -> None:
        """Skips so many seconds, or to the next timer. On return everything that was due has happened."""
        await self._loop.skip(seconds)
        await self.ask("/v1/queues?limit=1")  # a step of the engine at the very end

    async def restart(self) -> None:
        """Stops and starts again on what the journal holds."""
        await self._app.close()
        await self._start()

    def close(self) -> None:
        """Ends the server and its thread."""
        if self._loop.is_closed():
            return
        self.run(self._app.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def ask(self, target: str) -> Any:
        """What a GET of the broker's own is answered. Raises LookupError."""
        answer = await exchange(self._app.http, "GET", target, None, HEADERS, asyncio.Event())
        assert answer is not None
        if answer.status != 200:
            raise LookupError(answer.body.decode())
        return orjson.loads(answer.body)

    def waiting(self, line: Line) -> int:
        """How many long polls of it are under way."""
        return len(self._polls.get(line, ()))

    async def end_polls(self, lines: Iterable[Line]) -> None:
        """Answers the long polls of these lines, and those to come: their consumers stop."""
        self._ended.update(lines)
        for line in lines:
            for gone in self._polls.get(line, ()):
                gone.set()

    async def admit_polls(self, lines: Iterable[Line]) -> None:
        """Takes the `end_polls` of these lines back."""
        self._ended.subtract(lines)

    async def serve(self, method: str, target: str, body: bytes | None, gone: asyncio.Event) -> Answer | None:
        """Carries out a client's request. None: nobody waits for the answer."""
        line, _ = line_and_wait(method, target)
        self.changed.set()
        if line is None:
            answer = await exchange(self._app.http, method, target, body, HEADERS, gone)
        else:
            answer = await self._poll(line, target, gone)
        self.changed.set()
        return answer

    async def _poll(self, line: Line, target: str, gone: asyncio.Event) -> Answer | None:
        """It waits until there are messages or its client says that its time is over: skipped time does not end it."""
        self._polls.setdefault(line, set()).add(gone)
        try:
            while not self._ended[line]:
                answer = await exchange(self._app.http, "GET", target, None, HEADERS, gone)
                if gone in self._over:
                    return await exchange(self._app.http, "GET", _without_wait(target), None, HEADERS, asyncio.Event())
                if not _is_empty(answer):
                    return EMPTY if answer is None else answer
            return EMPTY
        finally:
            self._polls[line].discard(gone)
            self._over.discard(gone)


def line_and_wait(method: str, target: str) -> tuple[Line | None, float]:
    """Of a receive that waits: what it receives from, and for how many seconds."""
    path, _, query = target.partition("?")
    parts = path.split("/")
    if method != "GET" or len(parts) != 5 or parts[4] != "messages":
        return None, 0.0
    given = dict(parse_qsl(query))
    wait_s = float(given.get("waitTime", 0))
    return ((unquote(parts[3]), given.get("consumerGroup", "default")), wait_s) if wait_s > 0 else (None, 0.0)


def _without_wait(target: str) -> str:
    path, _, query = target.partition("?")
    return f"{path}?{urlencode([(name, value) for name, value in parse_qsl(query) if name != 'waitTime'])}"


def _is_empty(answer: Answer | None) -> bool:
    return answer is not None and answer.status == 200 and not orjson.loads(answer.body)["messages"]
