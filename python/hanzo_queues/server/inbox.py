"""What waits for the partition's writer: requests in the order they came.

While the partition can't serve for longer than a client should wait, the inbox refuses: what waits and what comes is
told so at once. Only what gives leases back is kept for the writer to come: nobody else would repeat it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from hanzo_queues._core import Command, Reply
from hanzo_queues.server.faults import Fault


class Waiter(Protocol):
    """Who waits for a reply: a future, or what needs none. Gets one of both, once; must not raise."""

    def cancelled(self) -> bool:
        """Nobody waits any more: not carried out, if it was not yet."""

    def done(self) -> bool:
        """It was told, or nobody waits any more."""

    def set_result(self, reply: Reply, /) -> None:
        """The reply is durable."""

    def set_exception(self, fault: Fault, /) -> None:
        """There will be none."""


@dataclass(slots=True, eq=False)
class Request:
    """One command on its way through the partition. `queue` and `wait_until` (loop time, seconds) are set for a
    receive, and `consumer` for one of a member of a group; `held`: when it was asked last, its consumer's own rate
    limit held it back; `parked`: it waited, so the engine has seen its member until then. `kept`: no client waits for
    it; it is repeated until a writer carried it out. `doubtful`: it gives back leases that may never have been."""

    command: Command
    reply: Waiter
    queue: str = ""
    wait_until: float = 0.0
    consumer: str = ""
    held: bool = False
    parked: bool = False
    kept: bool = False
    doubtful: bool = False
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)


@dataclass(slots=True)
class Room:
    """What a step may still take: bytes of its batch, and messages that it touches."""

    batch_bytes: int
    messages: int
    is_whole: bool = True


class Inbox:
    """The requests of one partition that wait for its writer."""

    def __init__(self) -> None:
        self._requests: deque[Request] = deque()
        self._arrival: asyncio.Future[None] | None = None
        self._refusal: Fault | None = None

    def __len__(self) -> int:
        return len(self._requests)

    def take(self, room: Room) -> tuple[list[Request], list[Request]]:
        """Takes out what a step can hold of what waits, in order, as long as there is `room`, which it takes up; when
        that is whole, at least one request. Second: those on the way whose client is gone."""
        waiting = self._requests
        taken: list[Request] = []
        gone: list[Request] = []
        batch_bytes, messages, is_whole = room.batch_bytes, room.messages, room.is_whole
        while waiting and messages > 0:
            request = waiting[0]
            if request.reply.cancelled():
                gone.append(waiting.popleft())
                continue
            command = request.command
            left = batch_bytes - command.batch_bytes_max
            if left < 0 and not is_whole:
                break
            batch_bytes, is_whole = left, False
            messages -= command.messages_max
            taken.append(waiting.popleft())
        room.batch_bytes, room.messages, room.is_whole = batch_bytes, messages, is_whole
        return taken, gone

    def put(self, request: Request) -> None:
        """Appends `request`, or fails it when the inbox refuses."""
        if self._refusal is not None and not request.kept:
            self._fail(request, self._refusal)
            return
        self._requests.append(request)
        if self._arrival is not None:
            self.wake()

    def put_first(self, request: Request) -> None:
        """A kept request goes before all others."""
        assert request.kept, "only what no client waits for overtakes"
        self._requests.appendleft(request)
        self.wake()

    def put_seen(self, poll: Request, reply: Reply | None = None) -> None:
        """The last poll of a member that waited has ended: its session runs from now. An answer with messages that was
        given at once says so itself."""
        at_once = reply is not None and reply.message_count > 0 and not poll.parked
        refused = reply is not None and reply.rejection is not None
        seen = poll.command.seen() if poll.consumer and not at_once and not refused else None
        if seen is not None:
            self.put(Request(seen, asyncio.get_running_loop().create_future(), kept=True))

    def fail(self, request: Request, fault: Fault) -> None:
        """A request that was taken out was not carried out, or may not have been."""
        if request.kept:
            self.put_first(request)
        else:
            self._fail(request, fault)

    def forget_doubtful(self) -> None:
        """Another owned the partition since: the numbers of leases that never were may be those of its leases now,
        which somebody holds. Leases in doubt end by themselves."""
        self._requests = deque(request for request in self._requests if not request.doubtful)

    def refuse(self, fault: Fault) -> None:
        """Fails what waits, and what comes until `admit`."""
        self._refusal = fault
        waiting, self._requests = self._requests, deque()
        for request in waiting:
            self.put(request)

    @property
    def refuses(self) -> bool:
        """Whether what comes is failed."""
        return self._refusal is not None

    def admit(self) -> None:
        """Refuses no longer."""
        self._refusal = None

    def wake(self) -> None:
        """Something else than a request is to be done."""
        arrival, self._arrival = self._arrival, None
        if arrival is not None and not arrival.done():
            arrival.set_result(None)

    async def arrival(self) -> None:
        """Returns at the next `put` or `wake`."""
        self._arrival = asyncio.get_running_loop().create_future()
        await self._arrival

    @staticmethod
    def _fail(request: Request, fault: Fault) -> None:
        if not request.reply.done():
            request.reply.set_exception(fault)
