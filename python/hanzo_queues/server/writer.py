"""The writer: one engine, one journal, one epoch. The only code that changes a partition.

    inbox -> take -> step -> append -> release replies
             |  ^                '-- doubt: the batches in flight are told, and this writer ends
             '--'- woken polls

What arrived while appends were in flight becomes the next batch: no timer, no linger. An append follows those in flight
as soon as it has as many requests as they have together, or they take long, expecting the one before; replies leave in
order, each when everything before it is durable.
A poll is woken within the step that makes its message ready: message and lease are one batch. Knows no ownership and no
recovery.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from hanzo_queues._core import Command, Engine, Reply, Step, step_batch_bytes_min
from hanzo_queues.server.clock import Clock
from hanzo_queues.server.faults import Fault, JournalUnavailable
from hanzo_queues.server.inbox import Inbox, Request, Room
from hanzo_queues.server.journal.base import AppendRefused, AppendUnknown, Journal, JournalError
from hanzo_queues.server.payloads import Payloads
from hanzo_queues.server.polls import Polls

STEP_MESSAGES_MAX = 4096  # touched by one step, at about a microsecond each: bounds how long it keeps the loop
APPENDS_MAX = 4  # in flight: docs/adr/0005
COMPANY_S_MAX = 0.002  # of the first of those in flight: who waits for longer goes alone
MET_A_BUG = "the request met a bug; the server's log tells more"
TIMER_S_MAX = 60.0  # look again at least this often: the clock may run up to a tenth faster than the loop's


Decided = list[tuple[Request, Reply]]


@dataclass(slots=True)
class _Commit:
    """A step whose replies wait for its append, which `began` then in the loop's time, and for those before it.
    `is_over`: its own append has ended; `error`: with that."""

    step: Step
    decided: Decided
    began: float
    is_over: bool = False
    error: BaseException | None = None


class Writer:
    """Writes until `stop`, or until something is in doubt. `give_back` gets the replies that nobody waits for;
    `on_durable` is told the LSN and the bytes of each batch that became durable, in order; `is_owner` says whether
    nobody else can have written."""

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        payloads: Payloads,
        clock: Clock,
        inbox: Inbox,
        polls: Polls,
        give_back: Callable[[Reply], None],
        on_durable: Callable[[int, int], None] = lambda lsn, byte_count: None,
        is_owner: Callable[[], bool] = lambda: True,
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._payloads = payloads
        self._clock = clock
        self._inbox = inbox
        self._polls = polls
        self._give_back = give_back
        self._on_durable = on_durable
        self._is_owner = is_owner
        self._budget = journal.batch_bytes_max - step_batch_bytes_min()
        self._timer: asyncio.TimerHandle | None = None
        self._timers_due = True
        self._in_flight: deque[_Commit] = deque()
        self._fills = sys.maxsize  # requests that were a whole step, if the last one was
        self._company_late: asyncio.TimerHandle | None = None
        self._doubted: BaseException | None = None  # what ended the first append that failed
        self._stopped: Exception | None = None
        self._draining = False
        self.parking = True
        self.batches = 0  # made durable by this writer

    async def run(self) -> None:
        """Returns when it was told to drain and the inbox is empty. Raises JournalError, a bug of the
        engine, and what `stop` was given."""
        try:
            while True:
                while not self._can_step():
                    await self._inbox.arrival()
                if self._stopped is not None:
                    raise self._stopped
                if self._draining and not self._inbox and not self._in_flight:
                    return
                room = Room(self._budget, STEP_MESSAGES_MAX)
                requests = self._take(room)
                self._fills = len(requests) if self._inbox else sys.maxsize
                self._advance(requests, room)
        finally:
            self._cancel_timer()
            if self._company_late is not None:
                self._company_late.cancel()
            while self._in_flight:
                await self._inbox.arrival()

    def stop(self, error: Exception) -> None:
        """Ends `run` with `error`, or the one before it, instead of its next step."""
        self._stopped = self._stopped or error
        self._inbox.wake()

    def drain(self) -> None:
        """Ends `run` when the inbox is empty."""
        self._draining = True
        self._inbox.wake()

    def _can_step(self) -> bool:
        if self._stopped is not None:
            return True
        if not self._in_flight:
            return bool(self._inbox) or self._timers_due or self._draining
        if len(self._in_flight) >= APPENDS_MAX:
            return False
        return self._timers_due or (bool(self._inbox) and self._has_company())

    def _has_company(self) -> bool:
        """Whether what waits is worth an append behind those in flight: a small one costs the journal what a large one
        does. Nobody waits for others longer than `COMPANY_S_MAX`."""
        appended_for = sum(len(commit.decided) for commit in self._in_flight if commit.step.batch is not None)
        if len(self._inbox) >= min(appended_for, self._fills):
            return True
        loop, late = asyncio.get_running_loop(), self._in_flight[0].began + COMPANY_S_MAX
        if loop.time() >= late:
            return True
        if self._company_late is None:
            self._company_late = loop.call_at(late, self._company_is_late)
        return False

    def _company_is_late(self) -> None:
        self._company_late = None
        self._inbox.wake()

    def _take(self, room: Room) -> list[Request]:
        requests, gone = self._inbox.take(room)
        for request in gone:
            self._leave_unasked(request)
        return requests

    def _leave_unasked(self, request: Request) -> None:
        """A poll that was woken and whose client is gone: another may have the message."""
        if request.queue:
            self._polls.leave(request)
            self._polls.wake(request.queue, 1)
            self._polls.wake_member(request.queue, request.consumer, 1)

    def _advance(self, requests: list[Request], room: Room) -> None:
        """One step, and its append on its way. Polls that it wakes become `requests` of it."""

        def wake(queues: list[tuple[str, int]], members: list[tuple[str, str, int]]) -> list[Command]:
            if self._inbox:
                return []  # what waits there is first
            self._wake(queues, members)
            woken = self._take(room)
            requests.extend(woken)
            return [request.command for request in woken]

        try:
            now_ms = self._clock.now_ms()
            commands = [request.command for request in requests]
            step = self._engine.step(now_ms, commands, wake if self._polls.parked else None)
        except BaseException:
            for request in requests:
                self._fail(request, Fault(MET_A_BUG, outcome="none"))
            raise
        self._schedule(step, now_ms)
        decided = self._park_or_decide(requests, step.replies)
        self._wake(step.woken, step.woken_members)
        if step.batch is None and not (self._in_flight and decided):
            self._answer_unrecorded(decided)
            return
        if step.batch is not None:
            self._payloads.put(step.lsn, step.batch)
        commit = _Commit(step, decided, asyncio.get_running_loop().time())
        self._in_flight.append(commit)
        if step.batch is None:
            commit.is_over = True
        else:
            self._append(step.batch, step.lsn - 1).add_done_callback(partial(self._appended, commit))

    def _append(self, batch: bytes, expected_last_sequence: int) -> asyncio.Future[None]:
        try:
            return asyncio.ensure_future(self._journal.append(batch, expected_last_sequence))
        except Exception as bug:  # raised at once: a journal tells its own failures by what it returns
            failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            failed.set_exception(bug)
            return failed

    def _wake(self, queues: list[tuple[str, int]], members: list[tuple[str, str, int]]) -> None:
        for queue, ready in queues:
            self._polls.wake(queue, ready)
        for queue, consumer, ready in members:
            self._polls.wake_member(queue, consumer, ready)

    def _appended(self, commit: _Commit, appended: asyncio.Future[None]) -> None:
        commit.is_over = True
        commit.error = AppendUnknown("an append was cancelled") if appended.cancelled() else appended.exception()
        while self._in_flight and self._in_flight[0].is_over:  # replies leave in order
            self._end(self._in_flight.popleft())
        self._inbox.wake()

    def _end(self, commit: _Commit) -> None:
        """Its append is over, and all before it are; if one of them failed, this one only failed for it."""
        self._doubted = self._doubted or commit.error
        try:
            if self._doubted is not None:
                self._doubt(commit.decided, self._doubted)
                self.stop(self._doubted if isinstance(self._doubted, Exception) else AppendUnknown(repr(self._doubted)))
            elif commit.step.batch is None:
                self._answer_unrecorded(commit.decided)
            else:
                self.batches += 1
                self._release(commit.decided)
                self._payloads.forget_before(self._engine.oldest_live_lsn)
                self._on_durable(commit.step.lsn, len(commit.step.batch))
        except Exception as bug:
            self.stop(bug)

    def _park_or_decide(self, requests: list[Request], replies: list[Reply]) -> Decided:
        """Polls that found nothing are parked; the others' replies wait for their batch."""
        now = asyncio.get_running_loop().time()
        decided: Decided = []
        for request, reply in zip(requests, replies, strict=True):
            if self._must_park(request, reply, now):
                self._polls.park(request, reply.retry_after_ms, reply.limited_by_consumer)
            else:
                decided.append((request, reply))
                if request.command.is_update:
                    self._polls.wake_held()
                if request.queue:
                    self._polls.leave(request)
                    if not self._polls.has_others(request):
                        self._inbox.put_seen(request, reply)
        return decided

    def _answer_unrecorded(self, decided: Decided) -> None:
        """Nothing is appended, so the log can't refuse an owner that was deposed while it slept."""
        if self._is_owner():
            self._release(decided)
        else:
            self._doubt(decided, AppendRefused("another node may own the partition"))

    def _release(self, decided: Decided) -> None:
        for request, reply in decided:
            if request.reply.done():
                self._give_back(reply)
            else:
                request.reply.set_result(reply)

    def _doubt(self, decided: Decided, error: BaseException) -> None:
        """These replies may be durable or not. Leases nobody will see are given back first thing by the next writer,
        before it can make others of the same messages; a poll whose time is not over asks it again."""
        fault = _fault_of(error)
        now = asyncio.get_running_loop().time()
        for request, reply in decided:
            unseen = reply.release()
            if unseen is not None:
                future = asyncio.get_running_loop().create_future()
                self._inbox.put_first(Request(unseen, future, kept=True, doubtful=True))
            if request.wait_until > now and self.parking:
                self._inbox.put(request)
            else:
                self._fail(request, fault)

    def _fail(self, request: Request, fault: Fault) -> None:
        self._inbox.fail(request, fault)
        if request.queue:
            self._polls.leave(request)

    def _must_park(self, request: Request, reply: Reply, now: float) -> bool:
        return request.wait_until > now and self.parking and reply.message_count == 0 and reply.rejection is None

    def _schedule(self, step: Step, now_ms: int) -> None:
        """Step again when the engine's next timer is due."""
        self._cancel_timer()
        deadline_ms = step.next_deadline_ms
        self._timers_due = deadline_ms is not None and deadline_ms <= now_ms
        if deadline_ms is not None and not self._timers_due:
            delay_s = min((deadline_ms - now_ms) / 1000, TIMER_S_MAX)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._timers_are_due)

    def _timers_are_due(self) -> None:
        self._timer = None
        self._timers_due = True
        self._inbox.wake()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _fault_of(error: BaseException) -> Fault:
    """What the requests of a batch are told that may have been sent, and did not become durable or may have."""
    match error:
        case AppendRefused():
            return JournalUnavailable(f"the journal refused the request: {error}", outcome="none", retry_after_s=1.0)
        case JournalError() | asyncio.CancelledError():
            return JournalUnavailable(f"the journal did not confirm the request: {error}", retry_after_s=1.0)
    return Fault(MET_A_BUG)
