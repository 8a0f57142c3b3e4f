"""The broker of a test: a server in memory, clients of it, its clock, what lies in its queues."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar, get_args

from hanzo_queues.client.async_queues import AsyncQueues
from hanzo_queues.client.models import MessageView
from hanzo_queues.client.queues import Queues
from hanzo_queues.client.spec import State
from hanzo_queues.client.wire import Seconds, seconds
from hanzo_queues.server.settings import read_settings
from hanzo_queues.testing.carrier import Carrier, Weather
from hanzo_queues.testing.idle import Watch
from hanzo_queues.testing.in_process import InProcess, Line

RETRIES_MAX = 2
PAGE = 1000

Q = TypeVar("Q", Queues, AsyncQueues)


class Broker:
    """A Hanzo Queues server in this process, with its journal in memory, for tests. Close it, or use it as
    `with Broker() as broker`.

    now            what its clock says at first, an aware datetime; default: the present
    running_clock  whether its clock goes on by itself; default: it stands still, and `advance` moves it
    settings       the server's settings by their variables, such as {"DEFAULT_MAX_RETRIES": "0"}

    Its methods may be called from tests that are coroutines too, and from any thread: none needs the caller's event
    loop to go on. A long poll (`wait_time`) waits in real time, whatever the clock does.
    """

    def __init__(
        self,
        *,
        now: datetime | None = None,
        running_clock: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        given = datetime.now(UTC) if now is None else now
        if given.tzinfo is None:
            raise ValueError("now has no time zone; make it with datetime(..., tzinfo=UTC)")
        began_ms = round(given.timestamp() * 1000)
        self._weather = Weather()
        self._server = InProcess(read_settings(settings or {}), began_ms, running=running_clock)
        self._made: list[Queues] = []
        self._own = self.queues()

    # -- clients

    def queues(self, *, retries_max: int = RETRIES_MAX, **options: Any) -> Queues:
        """A client of it. Options as of `Queues`; calls are tried thrice, not nine times."""
        made = Queues(connect=self._carrier, retries_max=retries_max, **options)
        self._made.append(made)
        return made

    def async_queues(self, *, retries_max: int = RETRIES_MAX, **options: Any) -> AsyncQueues:
        """A client of it for coroutines; see `queues`."""
        return AsyncQueues(connect=self._carrier, retries_max=retries_max, **options)

    @contextmanager
    def serving(self, client: Q) -> Iterator[Q]:
        """Within the block a program's own client, with the consumers it declared, is one of this broker."""
        with client.connected(self._carrier):
            yield client

    def _carrier(self) -> Carrier:
        return Carrier(self._server, self._weather)

    # -- time

    @property
    def now(self) -> datetime:
        """What its clock says."""
        return datetime.fromtimestamp(self._server.now_ms() / 1000, UTC)

    def advance(self, by: Seconds) -> datetime:
        """Moves its clock on by so many seconds (or a timedelta). What comes due within them has happened when it
        returns, each thing in its time: delays, ends of leases, retries, windows, limits, sweeps. Returns the new time.

        It waits for no handler: a lease that ends meanwhile is lost, as when a program hung for that long.
        """
        if seconds(by) < 0:
            raise ValueError("time does not go back")
        self._server.run(self._server.skip(seconds(by)))
        return self.now

    # -- consumers

    def run_until_idle(self, client: Queues, *, skip_time: bool = False, timeout: Seconds = 10) -> None:
        """Runs the consumers that the client declared until nothing is left for them to do, then stops them.

        skip_time  go on with what is delayed, due for a retry, or held back by a limit: the clock is moved to when it
                   is due, whenever all handlers have returned; default: that is left
        timeout    seconds of real time; then `TimeoutError` says what is left; default 10

        Raises what keeps a consumer from starting. What handlers raise is told to `on_error`, as usual.
        """
        raised: list[BaseException] = []

        def run() -> None:
            try:
                client.run(signals=False)
            except BaseException as error:
                raised.append(error)

        lines = _lines(client)
        watch = self._watch(client, lines, skip_time, timeout)
        running = threading.Thread(target=run, name="consumers")
        running.start()
        try:
            while running.is_alive() and not self._server.run(watch.is_idle()):
                watch.await_change()
        finally:
            client.stop()
            self._server.run(self._server.end_polls(lines))
            running.join()
            self._server.run(self._server.admit_polls(lines))
        for error in raised:
            raise error

    async def run_until_idle_async(
        self,
        client: AsyncQueues,
        *,
        skip_time: bool = False,
        timeout: Seconds = 10,  # noqa: ASYNC109 (it is of real time, and says what is left)
    ) -> None:
        """As `run_until_idle`, in the event loop that this is awaited in."""
        lines = _lines(client)
        watch = self._watch(client, lines, skip_time, timeout)
        running = asyncio.create_task(client.run(signals=False))
        try:
            while not running.done() and not await asyncio.wrap_future(self._server.submit(watch.is_idle())):
                await asyncio.to_thread(watch.await_change)
        finally:
            client.stop()
            self._server.run(self._server.end_polls(lines))
            await asyncio.wait([running])
            self._server.run(self._server.admit_polls(lines))
        running.result()

    def _watch(self, client: Queues | AsyncQueues, lines: list[Line], skip_time: bool, timeout: Seconds) -> Watch:
        return Watch(self._server, Counter(lines), lambda: client._leases.watches, skip_time, seconds(timeout))

    # -- what lies there

    def messages(self, queue: str, state: State | None = None) -> list[MessageView]:
        """The messages of a queue in one state, or in all of them, in the order they were accepted. Looking changes
        nothing. Raises QueueNotFound."""
        states = get_args(State) if state is None else (state,)
        found = [message for one in states for message in self._in_state(queue, one)]
        return sorted(found, key=lambda message: (message.enqueued_at, message.id))

    def _in_state(self, queue: str, state: State) -> list[MessageView]:
        found: list[MessageView] = []
        after: str | None = None
        while True:
            page = self._own.peek(queue, state=state, limit=PAGE, after=after)
            found += page
            after = page.next
            if after is None:
                return found

    def dead_letters(self, queue: str) -> list[MessageView]:
        """What died in a queue, wherever it lies now: in the queue itself, or in its dead-letter queue. `dead_letter`
        of each says why. Raises QueueNotFound."""
        found = self.messages(queue, "dead")
        elsewhere = self._own.get(queue).config.dead_letter_queue
        if elsewhere is not None:
            moved = self.messages(elsewhere)
            found += [one for one in moved if one.dead_letter is not None and one.dead_letter.source_queue == queue]
        return found

    # -- trouble

    def restart(self) -> None:
        """The server stops, and starts again on its journal. Nothing that was acknowledged is lost."""
        self._server.run(self._server.restart())

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        """Within the block no request reaches it: calls raise `ServerUnreachable`."""
        self._weather.unreachable = True
        try:
            yield
        finally:
            self._weather.unreachable = False

    def lose_answers(self, number: int = 1) -> None:
        """So many requests to come are carried out, and their answers lost. The client repeats what is safe to repeat;
        the rest raises `OutcomeUnknown`."""
        self._weather.answers_to_lose = number

    def close(self) -> None:
        """Ends it, and the clients that `queues` made."""
        for made in self._made:
            made.close()
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _lines(client: Queues | AsyncQueues) -> list[Line]:
    """What its consumers receive from."""
    return [(declared.queue, declared.consumer_group or "default") for declared in client._registrations]
