"""The partition: the single writer of one engine and one journal.

    submit -> inbox -> step -> append -> release replies
                ^                |
                '-- woken poll <-'

Apply, then journal, then answer: what arrived during one append becomes the next batch, with no timer and no linger,
and a reply leaves only when everything before it is durable. Doubt poisons: when an append fails, the engine is
dropped, the journal replayed and fenced again; there is no rollback.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from hanzo_queues._core import Command, Engine, Reply, Step, step_batch_bytes_min
from hanzo_queues.server.clock import Clock
from hanzo_queues.server.faults import (
    Fault,
    JournalUnavailable,
    Overloaded,
    PartitionRecovering,
    ShuttingDown,
)
from hanzo_queues.server.journal.base import AppendRefused, Journal, JournalCorrupt, JournalError
from hanzo_queues.server.payloads import Payloads
from hanzo_queues.server.polls import Polls, Request
from hanzo_queues.server.recovery import take_over

logger = logging.getLogger(__name__)

State = Literal["standby", "recovering", "serving", "failed", "closed"]

STEP_COMMANDS_MAX = 2048  # bounds how long one step keeps the loop
RECOVERY_PATIENCE_S = 5.0  # requests wait this long for a recovery before they are told to come back
TIMER_S_MAX = 60.0  # look again at least this often: the clock may run up to a tenth faster than the loop's
RETRY_DELAYS_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
APPEND_FAILURES_UNTIL_STUCK = 2


@dataclass(slots=True)
class Answer:
    """A durable reply, rendered. `rejection` is (code, detail) when the rules said no."""

    rejection: tuple[str, str] | None
    created: bool
    message_count: int
    retry_after_ms: int | None
    body: bytes
    reply: Reply | None


class Ownership(Protocol):
    """The lease that decides which node tries to write."""

    async def acquire(self) -> None:
        """Returns when this node may try, however long that takes."""

    async def release(self) -> None:
        """Gives it up. Does nothing when it is not held."""


class OwnershipLost(JournalError):
    """Another node may own the partition now."""


async def _nothing() -> None:
    return None


class Partition:
    """One partition. Start it with `start`, end it with `close`.

    `ownership` says when this node may try to write; None: nobody else can.
    `on_stuck` is awaited when the journal keeps failing (an embedded nats-server is restarted by it).
    `on_failed` is called once with a sentence when the journal can't be trusted; the partition serves no more.
    """

    def __init__(
        self,
        number: int,
        journal: Journal,
        *,
        payload_memory_bytes: int,
        requests_max: int,
        polls_max: int,
        clock: Clock | None = None,
        ownership: Ownership | None = None,
        on_stuck: Callable[[], Awaitable[None]] = _nothing,
        on_failed: Callable[[str], None] = logger.critical,
    ) -> None:
        self.number = number
        self.state: State = "standby"
        self._journal = journal
        self._payloads = Payloads(journal, payload_memory_bytes)
        self._clock = clock or Clock()
        self._requests_max = requests_max
        self._polls_max = polls_max
        self._ownership = ownership
        self._owned = False
        self._on_stuck = on_stuck
        self._on_failed = on_failed
        self._inbox: deque[Request] = deque()
        self._polls = Polls(self._put)
        self._arrival: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timers_due = False
        self._parking = True
        self._refusing = False
        self._trouble = ""  # why it does not serve, for people
        self._patience: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[None] | None = None

    # -- what routes call

    async def submit(self, command: Command) -> Answer:
        """Carries out one command, whose `batch_bytes_max` one batch can hold. Durable on return. Raises Fault."""
        return await self._answer(await self._ask(Request(command, self._future())))

    async def receive(self, queue: str, command: Command, wait_s: float) -> Answer:
        """Carries out a receive, waiting up to `wait_s` seconds for a message. Cancelling it is safe: leases that
        nobody will see are given back."""
        if wait_s > 0 and self._polls.parked >= self._polls_max:
            raise Overloaded("too many receives are waiting", retry_after_s=1.0)
        loop = asyncio.get_running_loop()
        request = Request(command, loop.create_future(), queue, loop.time() + wait_s)
        try:
            reply = await self._ask(request)
        except asyncio.CancelledError:
            self._abandon(request)
            raise
        try:
            return await self._answer(reply)
        except (JournalError, asyncio.CancelledError):
            self._give_back(reply)
            raise

    def give_back(self, answer: Answer) -> None:
        """Nobody received this answer: its leases, if any, are released without an attempt counted."""
        if answer.reply is not None:
            self._give_back(answer.reply)

    def start(self) -> None:
        """Begins to recover, then to serve."""
        self._running = asyncio.create_task(self._run(), name=f"partition-{self.number}")

    def stop_parking(self) -> None:
        """Answers every parked poll now, and lets no receive wait from here on."""
        self._parking = False
        self._polls.wake_all()

    def lose_ownership(self) -> None:
        """Another node may own the partition: serve no more until it is acquired again."""
        self._owned = False
        if self.state == "serving":
            self.state = "standby"
        self._wake()

    async def close(self) -> None:
        """Answers what was asked, gives the ownership up, then ends. Does not close the journal."""
        self.stop_parking()
        running, self._running = self._running, None
        if running is None:
            return
        if self.state == "serving":
            self.state = "closed"
            self._wake()
        else:
            self.state = "closed"
            running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        if self._patience is not None:
            self._patience.cancel()
        self._fail_inbox(ShuttingDown("the server stops"))
        if self._ownership is not None:
            await self._ownership.release()

    # -- requests in, answers out

    def _future(self) -> asyncio.Future[Reply]:
        return asyncio.get_running_loop().create_future()

    async def _ask(self, request: Request) -> Reply:
        if self.state == "closed":
            raise ShuttingDown("the server stops")
        if self._refusing:
            raise self._recovering()
        if len(self._inbox) >= self._requests_max:
            raise Overloaded("too many requests are waiting", retry_after_s=1.0)
        self._put(request)
        return await request.reply

    async def _answer(self, reply: Reply) -> Answer:
        lsns = reply.lsns
        try:
            body = reply.render(await self._payloads.load(lsns) if lsns else {})
        except JournalError as error:
            raise JournalUnavailable(f"payloads can't be read back: {error}", retry_after_s=1.0) from error
        return Answer(reply.rejection, reply.created, reply.message_count, reply.retry_after_ms, body, reply)

    def _put(self, request: Request) -> None:
        self._inbox.append(request)
        self._wake()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    def _abandon(self, request: Request) -> None:
        self._polls.forget(request)
        if request.reply.done() and not request.reply.cancelled() and request.reply.exception() is None:
            self._give_back(request.reply.result())

    def _give_back(self, reply: Reply) -> None:
        command = reply.release()
        if command is not None and self.state != "closed":
            self._put(Request(command, self._future()))

    def _fail_inbox(self, fault: Fault) -> None:
        while self._inbox:
            _fail(self._inbox.popleft(), fault)

    # -- the writer

    async def _run(self) -> None:
        failures = 0
        while self.state != "closed":
            try:
                await self._own()
                engine = await self._recover()
                failures = 0
                await self._serve(engine)
            except JournalCorrupt as error:
                return self._fail(str(error))
            except OwnershipLost as error:
                logger.warning("partition %d: %s; standing by", self.number, error)
            except JournalError as error:
                failures += 1
                self._trouble = str(error)
                logger.warning("partition %d: poisoned: %s; recovering", self.number, error)
                if failures >= APPEND_FAILURES_UNTIL_STUCK:
                    await self._on_stuck()
                await asyncio.sleep(RETRY_DELAYS_S[min(failures, len(RETRY_DELAYS_S) - 1)] if failures else 0)
            except Exception:
                logger.exception("partition %d: poisoned by a bug; recovering", self.number)
                failures += 1
                await asyncio.sleep(RETRY_DELAYS_S[min(failures, len(RETRY_DELAYS_S) - 1)])

    async def _own(self) -> None:
        if self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(RECOVERY_PATIENCE_S, self._refuse)
        if not self._owned:
            self.state = "standby"
            if self._ownership is not None:
                await self._ownership.acquire()
            self._owned = True

    async def _recover(self) -> Engine:
        self.state = "recovering"
        engine = await take_over(self.number, self._journal, self._payloads, self._clock)
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self._refusing = False
        self._trouble = ""
        self.state = "serving"
        logger.info("partition %d: serving, epoch %d", self.number, engine.epoch)
        self._timers_due = True
        self._polls.wake_all()
        return engine

    def _refuse(self) -> None:
        self._refusing = True
        self._fail_inbox(self._recovering())

    def _recovering(self) -> PartitionRecovering:
        why = f": {self._trouble}" if self._trouble else ""
        return PartitionRecovering(f"partition {self.number} is {self.state}{why}", retry_after_s=1.0)

    def _fail(self, why: str) -> None:
        self.state = "failed"
        self._refuse()
        self._polls.wake_all()
        self._on_failed(why)

    async def _serve(self, engine: Engine) -> None:
        while True:
            await self._arrived()
            if not self._owned:
                raise OwnershipLost(f"another node may own partition {self.number}")
            if self.state == "closed" and not self._inbox:
                return
            await self._commit(engine, self._take(self._budget))

    @property
    def _budget(self) -> int:
        """The bytes a batch can hold of its commands."""
        return self._journal.batch_bytes_max - step_batch_bytes_min()

    async def _arrived(self) -> None:
        if self._inbox or self._timers_due or not self._owned or self.state == "closed":
            return
        self._arrival = asyncio.get_running_loop().create_future()
        await self._arrival

    def _take(self, budget: int) -> list[Request]:
        """What waits, in order, as far as one batch can hold it."""
        requests: list[Request] = []
        inbox = self._inbox
        while inbox and len(requests) < STEP_COMMANDS_MAX:
            request = inbox[0]
            if request.reply.cancelled():
                inbox.popleft()
                if request.queue:
                    self._polls.wake(request.queue, 1)
                continue
            budget -= request.command.batch_bytes_max
            if budget < 0 and requests:
                break
            requests.append(inbox.popleft())
        return requests

    async def _commit(self, engine: Engine, requests: list[Request]) -> None:
        now_ms = self._clock.now_ms()
        try:
            step = engine.step(now_ms, [request.command for request in requests])
            if step.batch is not None:
                self._payloads.put(step.lsn, step.batch)
                await self._journal.append(step.batch, step.lsn - 1)
        except BaseException as error:
            fault = _fault_of(error)
            for request in requests:
                _fail(request, fault)
            raise
        self._schedule(step, now_ms)
        self._release(requests, step)

    def _release(self, requests: list[Request], step: Step) -> None:
        now = asyncio.get_running_loop().time()
        for request, reply in zip(requests, step.replies, strict=True):
            future = request.reply
            if future.done():
                self._give_back(reply)
            elif self._must_park(request, reply, now):
                self._polls.park(request, now, reply.retry_after_ms)
            else:
                future.set_result(reply)
        for queue, ready in step.woken:
            self._polls.wake(queue, ready)

    def _must_park(self, request: Request, reply: Reply, now: float) -> bool:
        return request.wait_until > now and self._parking and reply.message_count == 0 and reply.rejection is None

    def _schedule(self, step: Step, now_ms: int) -> None:
        """Step again when the engine's next timer is due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline_ms = step.next_deadline_ms
        self._timers_due = deadline_ms is not None and deadline_ms <= now_ms
        if deadline_ms is not None and not self._timers_due:
            delay_s = min((deadline_ms - now_ms) / 1000, TIMER_S_MAX)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._timers_are_due)

    def _timers_are_due(self) -> None:
        self._timer = None
        self._timers_due = True
        self._wake()


def _fault_of(error: BaseException) -> Fault:
    """What the requests of a batch are told that did not become durable, or may have."""
    match error:
        case AppendRefused():
            return JournalUnavailable(f"the journal refused the request: {error}", outcome="none", retry_after_s=1.0)
        case JournalError() | asyncio.CancelledError():
            return JournalUnavailable(f"the journal did not confirm the request: {error}", retry_after_s=1.0)
    return Fault("the request met a bug; the server's log tells more", outcome="none")


def _fail(request: Request, fault: Fault) -> None:
    if not request.reply.done():
        request.reply.set_exception(fault)
