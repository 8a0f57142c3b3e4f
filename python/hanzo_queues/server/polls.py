"""Parked receives: long polls that found nothing and wait for a message, a token or their time.

Waking a poll means asking again: it goes back to the partition's inbox, and only an answer from a step, durable like
every other, leaves the server. A poll that a rate limit holds back is woken by its token alone, not by more messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from hanzo_queues._core import Command, Reply


@dataclass(slots=True, eq=False)
class Request:
    """One command on its way through the partition. `wait_until` (loop time, seconds) is set for a long poll."""

    command: Command
    reply: asyncio.Future[Reply]
    queue: str = ""
    wait_until: float = 0.0
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)


class Polls:
    """The parked receives of one partition, first come first woken within a queue."""

    def __init__(self, ask_again: Callable[[Request], None]) -> None:
        self._ask_again = ask_again
        self._waiting: dict[str, dict[Request, None]] = {}
        self._limited: dict[Request, None] = {}
        self.parked = 0

    def park(self, request: Request, now: float, retry_after_ms: int | None) -> None:
        """Keeps `request` until a message is ready, its token is due or its time is over."""
        wake_at = request.wait_until
        if retry_after_ms is None:
            self._waiting.setdefault(request.queue, {})[request] = None
        else:
            self._limited[request] = None
            wake_at = min(wake_at, now + retry_after_ms / 1000)
        self.parked += 1
        request.timer = asyncio.get_running_loop().call_at(wake_at, self._wake_one, request)

    def wake(self, queue: str, ready: int) -> None:
        """`ready` messages of `queue` can be received: ask again for as many polls."""
        waiting = self._waiting.get(queue)
        while waiting and ready > 0:
            request = next(iter(waiting))
            ready -= not request.reply.done()
            self._wake_one(request)

    def wake_all(self) -> None:
        """Ask again for every parked poll."""
        for request in [request for queue in self._waiting.values() for request in queue] + list(self._limited):
            self._wake_one(request)

    def forget(self, request: Request) -> None:
        """The client is gone. Does nothing when the request isn't parked."""
        if request.timer is None:
            return
        request.timer.cancel()
        request.timer = None
        self.parked -= 1
        self._limited.pop(request, None)
        waiting = self._waiting.get(request.queue)
        if waiting is not None:
            waiting.pop(request, None)
            if not waiting:
                del self._waiting[request.queue]

    def _wake_one(self, request: Request) -> None:
        self.forget(request)
        if not request.reply.done():
            self._ask_again(request)
