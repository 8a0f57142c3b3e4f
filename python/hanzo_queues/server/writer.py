"""The writer: one engine, one journal, one epoch. The only code that changes a partition.

    inbox -> take -> step -> append -> release replies, park polls, wake polls -> inbox
                                |
                                '-- doubt: the batch's requests are told, and this writer ends

What arrived during one append becomes the next batch: no timer, no linger. Knows no ownership and no recovery.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hanzo_queues._core import Engine, Reply, Step, step_batch_bytes_min
from hanzo_queues.server.clock import Clock
from hanzo_queues.server.faults import Fault, JournalUnavailable
from hanzo_queues.server.inbox import Inbox, Request
from hanzo_queues.server.journal.base import AppendRefused, Journal, JournalError
from hanzo_queues.server.payloads import Payloads
from hanzo_queues.server.polls import Polls

STEP_COMMANDS_MAX = 2048  # bounds how long one step keeps the loop
TIMER_S_MAX = 60.0  # look again at least this often: the clock may run up to a tenth faster than the loop's


class Writer:
    """Writes until `stop`, or until something is in doubt. `give_back` gets the replies that nobody waits for."""

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        payloads: Payloads,
        clock: Clock,
        inbox: Inbox,
        polls: Polls,
        give_back: Callable[[Reply], None],
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._payloads = payloads
        self._clock = clock
        self._inbox = inbox
        self._polls = polls
        self._give_back = give_back
        self._budget = journal.batch_bytes_max - step_batch_bytes_min()
        self._timer: asyncio.TimerHandle | None = None
        self._timers_due = True
        self._stopped: Exception | None = None
        self._draining = False
        self.parking = True
        self.batches = 0  # made durable by this writer

    async def run(self) -> None:
        """Returns when it was told to drain and the inbox is empty. Raises JournalError, a bug of the
        engine, and what `stop` was given."""
        try:
            while True:
                while not self._has_work():
                    await self._inbox.arrival()
                if self._stopped is not None:
                    raise self._stopped
                if self._draining and not self._inbox:
                    return
                await self._commit(self._take())
        finally:
            self._cancel_timer()

    def stop(self, error: Exception) -> None:
        """Ends `run` with `error` before its next step."""
        self._stopped = error
        self._inbox.wake()

    def drain(self) -> None:
        """Ends `run` when the inbox is empty."""
        self._draining = True
        self._inbox.wake()

    def _has_work(self) -> bool:
        return bool(self._inbox) or self._timers_due or self._draining or self._stopped is not None

    def _take(self) -> list[Request]:
        """What waits, in order, as far as one batch can hold it."""
        requests: list[Request] = []
        budget = self._budget
        while self._inbox and len(requests) < STEP_COMMANDS_MAX:
            request = self._inbox.first
            if request.reply.cancelled():
                self._leave_unasked(self._inbox.pop())
                continue
            budget -= request.command.batch_bytes_max
            if budget < 0 and requests:
                break
            requests.append(self._inbox.pop())
        return requests

    def _leave_unasked(self, request: Request) -> None:
        """A poll that was woken and whose client is gone: another may have the message."""
        if request.queue:
            self._polls.leave(request)
            self._polls.wake(request.queue, 1)

    async def _commit(self, requests: list[Request]) -> None:
        try:
            now_ms = self._clock.now_ms()
            step = self._engine.step(now_ms, [request.command for request in requests])
            if step.batch is not None:
                self._payloads.put(step.lsn, step.batch)
                await self._journal.append(step.batch, step.lsn - 1)
                self.batches += 1
        except BaseException as error:
            fault = _fault_of(error)
            for request in requests:
                self._inbox.fail(request, fault)
                self._polls.leave(request)
            raise
        self._schedule(step, now_ms)
        self._release(requests, step)

    def _release(self, requests: list[Request], step: Step) -> None:
        now = asyncio.get_running_loop().time()
        for request, reply in zip(requests, step.replies, strict=True):
            if request.reply.done():
                self._give_back(reply)
            elif self._must_park(request, reply, now):
                self._polls.park(request, reply.retry_after_ms)
                continue
            else:
                request.reply.set_result(reply)
            if request.queue:
                self._polls.leave(request)
        for queue, ready in step.woken:
            self._polls.wake(queue, ready)

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
    """What the requests of a batch are told that did not become durable, or may have."""
    match error:
        case AppendRefused():
            return JournalUnavailable(f"the journal refused the request: {error}", outcome="none", retry_after_s=1.0)
        case JournalError() | asyncio.CancelledError():
            return JournalUnavailable(f"the journal did not confirm the request: {error}", retry_after_s=1.0)
    return Fault("the request met a bug; the server's log tells more", outcome="none")
