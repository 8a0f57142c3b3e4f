"""Parked receives: long polls that found nothing and wait for a message, a token or their time.

Waking a poll means asking again: it goes back to the inbox, and only an answer from a step, durable like every other,
leaves the server. A message whose ordering key sticks to a member wakes a poll of that member. In a queue that its rate
limit holds back one poll is asked at a time, first come first asked, and whoever is answered or gone passes the turn
on: a token wakes one poll, however many wait. Polls that their consumer's own limit holds back wait in a line of their
own, for its tokens only.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from hanzo_queues.server.inbox import Request


@dataclass(slots=True)
class _Line:
    """Polls of one queue or further group, and among them those of each member. `limited`: the last answer was "no
    token yet"; `token` is the timer for it, `asking` the poll whose turn it is."""

    polls: OrderedDict[Request, None] = field(default_factory=OrderedDict)
    members: dict[str, OrderedDict[Request, None]] = field(default_factory=dict)
    limited: bool = False
    token: asyncio.TimerHandle | None = None
    asking: Request | None = None

    @property
    def is_idle(self) -> bool:
        return not self.polls and self.token is None and self.asking is None


# A queue or further group, and the consumer of polls that its own rate limit holds back; None: all other polls.
_Key = tuple[str, str | None]


class Polls:
    """The parked receives of one partition. `ask_again` puts one back into the inbox."""

    def __init__(self, ask_again: Callable[[Request], None]) -> None:
        self._ask_again = ask_again
        self._lines: dict[_Key, _Line] = {}
        # Polls of each member that waited and have not ended, parked or being asked again.
        self._of_members: dict[tuple[str, str], set[Request]] = {}
        self.parked = 0

    def park(self, request: Request, retry_after_ms: int | None, by_consumer: bool = False) -> None:
        """Keeps `request` until a message is ready, its token is due (after `retry_after_ms`) or its time is over.
        `by_consumer`: its consumer's own rate limit holds it back, which is nothing to other consumers."""
        before_key = _key(request)
        before = self._lines.get(before_key)
        request.held = by_consumer
        key = _key(request)
        line = self._lines.setdefault(key, _Line())
        line.polls[request] = None
        if request.consumer:
            self._of_members.setdefault((request.queue, request.consumer), set()).add(request)
        request.parked = True
        if request.consumer and not by_consumer:
            line.members.setdefault(request.consumer, OrderedDict())[request] = None
        others = bool(line.members) and line.limited and retry_after_ms is None
        if line.asking is request:
            line.polls.move_to_end(request, last=others)
            line.asking = None
        line.limited = retry_after_ms is not None
        if retry_after_ms is not None:
            self._await_token(key, line, retry_after_ms)
        request.timer = asyncio.get_running_loop().call_at(request.wait_until, self._wake_one, request)
        self.parked += 1
        if others:
            # No limit held it back: there is nothing for this member, but there may be for others.
            for other in [poll for poll in line.polls if poll is not request]:
                self._wake_one(other)
        if before is not None and before is not line:
            self._pass_on(before_key, before, request)

    def wake(self, queue: str, ready: int) -> None:
        """`ready` messages of `queue` can be received: ask again for as many polls."""
        line = self._lines.get((queue, None))
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
        line = self._lines.get((queue, None))
        polls = line.members.get(consumer) if line is not None else None
        while polls and ready > 0:
            ready -= 1
            self._wake_one(next(iter(polls)))

    def wake_held(self) -> None:
        """Settings changed: ask again for the polls that rate limits of consumers hold back, which may be gone."""
        for (_, consumer), line in list(self._lines.items()):
            if consumer is not None:
                self._ask_first(line)

    def wake_all(self) -> None:
        """Ask again for every parked poll: a new writer begins, or the last one ends. Turns begin anew, since who had
        one may have been refused meanwhile; and who was refused waits no longer."""
        for polls in list(self._of_members.values()):
            for request in [poll for poll in polls if poll.reply.done()]:
                self.leave(request)
        for key, line in list(self._lines.items()):
            self._wake_line(key, line)

    def wake_deleted(self, queue: str) -> None:
        """`queue` (or a further group, as `queue/group`) is gone, with all its groups: their polls are told so."""
        for key, line in list(self._lines.items()):
            if key[0] == queue or key[0].startswith(f"{queue}/"):
                self._wake_line(key, line)

    def _wake_line(self, key: _Key, line: _Line) -> None:
        line.asking = None
        for request in list(line.polls):
            self._wake_one(request)
        self._drop_if_idle(key, line)

    def leave(self, request: Request) -> None:
        """`request` was answered or its client is gone, wherever it was: its turn, if it had one, goes to the next."""
        self._unpark(request)
        member = (request.queue, request.consumer)
        polls = self._of_members.get(member, set())
        polls.discard(request)
        if not polls:
            self._of_members.pop(member, None)
        key = _key(request)
        line = self._lines.get(key)
        if line is not None and line.asking is request:
            self._pass_on(key, line, request)
        elif line is not None:
            self._drop_if_idle(key, line)

    def has_others(self, request: Request) -> bool:
        """Whether another poll of that member waits, when `request` has left."""
        return (request.queue, request.consumer) in self._of_members

    def _pass_on(self, key: _Key, line: _Line, request: Request) -> None:
        """`request` is no longer in `line`: whatever woke it, the next one may have."""
        if line.asking is request:
            line.asking = None
        self._ask_first(line)
        self._drop_if_idle(key, line)

    def _await_token(self, key: _Key, line: _Line, retry_after_ms: int) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + retry_after_ms / 1000
        # Of another key the token may come sooner than the one that is waited for.
        if line.token is not None and due < line.token.when():
            line.token.cancel()
            line.token = None
        if line.token is None:
            line.token = loop.call_at(due, self._token_due, key)

    def _token_due(self, key: _Key) -> None:
        line = self._lines[key]
        line.token = None
        self._ask_first(line)
        self._drop_if_idle(key, line)

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
            line = self._lines[_key(request)]
            del line.polls[request]
            if request.consumer and not request.held:
                polls = line.members[request.consumer]
                del polls[request]
                if not polls:
                    del line.members[request.consumer]

    def _drop_if_idle(self, key: _Key, line: _Line) -> None:
        if line.is_idle:
            self._lines.pop(key, None)


def _key(request: Request) -> _Key:
    return request.queue, request.consumer if request.held else None
