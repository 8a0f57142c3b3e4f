"""Parked receives: long polls that found nothing and wait for a message, a token or their time.

Waking a poll means asking again: it goes back to the inbox, and only an answer from a step, durable like every other,
leaves the server. A message whose ordering key sticks to a member wakes a poll of that member. In a queue that its rate
limit holds back one poll is asked at a time, first come first asked, and whoever is answered or gone passes the turn
on: a token wakes one poll, however many wait.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from hanzo_queues.server.inbox import Request


@dataclass(slots=True)
class _Line:
    """The polls of one queue or further group, and among them those of each member. `limited`: the last answer was "no
    token yet"; `token` is the timer for it, `asking` the poll whose turn it is."""

    polls: OrderedDict[Request, None] = field(default_factory=OrderedDict)
    members: dict[str, OrderedDict[Request, None]] = field(default_factory=dict)
    limited: bool = False
    token: asyncio.TimerHandle | None = None
    asking: Request | None = None

    @property
    def is_idle(self) -> bool:
        return not self.polls and self.token is None and self.asking is None


class Polls:
    """The parked receives of one partition. `ask_again` puts one back into the inbox."""

    def __init__(self, ask_again: Callable[[Request], None]) -> None:
        self._ask_again = ask_again
        self._lines: dict[str, _Line] = {}
        self.parked = 0

    def park(self, request: Request, retry_after_ms: int | None) -> None:
        """Keeps `request` until a message is ready, its token is due (after `retry_after_ms`) or its time is over."""
        loop = asyncio.get_running_loop()
        line = self._lines.setdefault(request.queue, _Line())
        line.polls[request] = None
        if request.consumer:
            line.members.setdefault(request.consumer, OrderedDict())[request] = None
        others = bool(line.members) and line.limited and retry_after_ms is None
        if line.asking is request:
            line.polls.move_to_end(request, last=others)
            line.asking = None
        line.limited = retry_after_ms is not None
        if retry_after_ms is not None:
            # Of another key the token may come sooner than the one that is waited for.
            due = loop.time() + retry_after_ms / 1000
            if line.token is not None and due < line.token.when():
                line.token.cancel()
                line.token = None
            if line.token is None:
                line.token = loop.call_at(due, self._token_due, request.queue)
        request.timer = loop.call_at(request.wait_until, self._wake_one, request)
        self.parked += 1
        if others:
            # No limit held it back: there is nothing for this member, but there may be for others.
            for other in [poll for poll in line.polls if poll is not request]:
                self._wake_one(other)

    def wake(self, queue: str, ready: int) -> None:
        """`ready` messages of `queue` can be received: ask again for as many polls."""
        line = self._lines.get(queue)
        if line is None:
            return
        if line.limited:
            self._ask_first(line)
            return
        while line.polls and ready > 0:
            ready -= 1
            self._wake_one(next(iter(line.polls)))

    def wake_member(self, queue: str, consumer: str, ready: int) -> None:
        """`ready` messages can be received by that member alone: ask again for as many polls of it."""
        line = self._lines.get(queue)
        polls = line.members.get(consumer) if line is not None else None
        while polls and ready > 0:
            ready -= 1
            self._wake_one(next(iter(polls)))

    def wake_all(self) -> None:
        """Ask again for every parked poll: a new writer begins, or the last one ends. Turns begin anew, since who had
        one may have been refused meanwhile."""
        for queue, line in list(self._lines.items()):
            line.asking = None
            for request in list(line.polls):
                self._wake_one(request)
            self._drop_if_idle(queue, line)

    def leave(self, request: Request) -> None:
        """`request` was answered or its client is gone, wherever it was: its turn, if it had one, goes to the next."""
        self._unpark(request)
        line = self._lines.get(request.queue)
        if line is not None:
            if line.asking is request:
                line.asking = None
                self._ask_first(line)
            self._drop_if_idle(request.queue, line)

    def _token_due(self, queue: str) -> None:
        line = self._lines[queue]
        line.token = None
        self._ask_first(line)
        self._drop_if_idle(queue, line)

    def _ask_first(self, line: _Line) -> None:
        if line.asking is None and line.polls:
            line.asking = next(iter(line.polls))
            self._wake_one(line.asking)

    def _wake_one(self, request: Request) -> None:
        self._unpark(request)
        self._ask_again(request)

    def _unpark(self, request: Request) -> None:
        if request.timer is not None:
            request.timer.cancel()
            request.timer = None
            self.parked -= 1
            line = self._lines[request.queue]
            del line.polls[request]
            if request.consumer:
                polls = line.members[request.consumer]
                del polls[request]
                if not polls:
                    del line.members[request.consumer]

    def _drop_if_idle(self, queue: str, line: _Line) -> None:
        if line.is_idle:
            del self._lines[queue]
