"""When consumers have nothing left to do, as the server sees it.

    a request begins or ends --> look: do all consumers wait in a poll, is nothing leased, nothing ready? --> idle
                                   '- only time is in the way, and it may be skipped --> skip it --> look

Must not know how consumers run.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from urllib.parse import quote

from hanzo_queues.testing.in_process import InProcess, Line

LOOK_AGAIN_S = 0.005
"""A handler that settled its message itself still runs: no request tells of its end."""
PAGE = 1000


class NotIdle(TimeoutError):
    """The consumers were not done in time; the text says what was left."""


class Watch:
    """Looks whether `consumers`, so many of each line, have something left to do: now or (`skip_time`) ever. Time is
    skipped by looking. `at_work`: whether one of them has a message. A look raises NotIdle after `within_s` seconds of
    real time."""

    def __init__(
        self, server: InProcess, consumers: Counter[Line], at_work: Callable[[], bool], skip_time: bool, within_s: float
    ) -> None:
        self._server = server
        self._consumers = consumers
        self._at_work = at_work
        self._skip_time = skip_time
        self._within_s = within_s
        self._until = time.monotonic() + within_s
        self._counts: dict[Line, Counter[str]] = {}

    async def is_idle(self) -> bool:
        """Whether nothing is left. On the server's loop."""
        self._server.changed.clear()
        while not self._at_work() and all(
            self._server.waiting(line) >= number for line, number in self._consumers.items()
        ):
            self._check_time()
            self._counts = {line: await _counts(self._server, line) for line in self._consumers}
            left = sum(self._counts.values(), Counter[str]())
            if left["leased"]:
                break
            if not left["ready"] and not (self._skip_time and left["delayed"]):
                return True
            if not self._skip_time:
                break
            await self._server.skip(None if left["ready"] else await _next_due_s(self._server, self._counts))
        self._check_time()
        return False

    def await_change(self) -> None:
        """Returns when it is time for another look."""
        self._server.changed.wait(LOOK_AGAIN_S)

    def _check_time(self) -> None:
        if time.monotonic() > self._until:
            raise NotIdle(_told(self._within_s, self._counts))


async def _counts(server: InProcess, line: Line) -> Counter[str]:
    queue, group = (quote(name, safe="") for name in line)
    answer = await server.ask(f"/v1/queues/{queue}/groups/{group}")
    return Counter({state: number for state, number in answer["counts"].items() if number and state != "dead"})


async def _next_due_s(server: InProcess, counts: dict[Line, Counter[str]]) -> float | None:
    """Seconds until the first delayed message is due, where a look at the queues tells."""
    due_ms = []
    for (queue, group), found in counts.items():
        if found["delayed"] and group == "default":
            page = await server.ask(f"/v1/queues/{quote(queue, safe='')}/peek?state=delayed&limit={PAGE}")
            due_ms += [datetime.fromisoformat(message["dueAt"]).timestamp() * 1000 for message in page["messages"]]
    return max(0.001, (min(due_ms) - server.now_ms()) / 1000) if due_ms else None


def _told(within_s: float, counts: dict[Line, Counter[str]]) -> str:
    left = "; ".join(f"{queue} ({group}): {dict(found)}" for (queue, group), found in counts.items() if found)
    return f"the consumers were not idle within {within_s:g} s: {left or 'handlers run'}"
