"""The partition: requests in, durable answers out, and the life of its writers.

    standby -> recovering -> serving -> closed
       ^           ^            |
       |           '-- doubt ---+          the engine is dropped, the journal replayed and fenced again
       '--- ownership lost -----'
    any -> failed                          the journal can't be trusted: no writer comes any more

Doubt poisons: there is no rollback. A request waits a while for the next writer, then it is told to come back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Literal

from hanzo_queues._core import Command, Engine, Excerpt, Reply
from hanzo_queues.server.answer import Answer, rendered
from hanzo_queues.server.checkpoint_outage import CheckpointOutage
from hanzo_queues.server.checkpointer import JOURNAL_BYTES_MIN, Checkpointing
from hanzo_queues.server.checkpoints.base import CheckpointStore
from hanzo_queues.server.clock import Clock
from hanzo_queues.server.ending import end
from hanzo_queues.server.faults import Fault, JournalUnavailable, Outcome, Overloaded, PartitionRecovering, ShuttingDown
from hanzo_queues.server.inbox import Inbox, Request, Waiter
from hanzo_queues.server.journal.base import Journal, JournalCorrupt, JournalError, JournalRefused, WrongLastSequence
from hanzo_queues.server.ownership import Ownership, OwnershipLost
from hanzo_queues.server.payloads import Payloads
from hanzo_queues.server.polls import Polls
from hanzo_queues.server.recovery import take_over
from hanzo_queues.server.setbacks import Setbacks
from hanzo_queues.server.sweeps import Sweeps, accepted_between
from hanzo_queues.server.trimming import Trimmer
from hanzo_queues.server.writer import Writer

logger = logging.getLogger(__name__)

State = Literal["standby", "recovering", "serving", "failed", "closed"]

PATIENCE_S = 5.0  # requests wait this long for a writer before they are told to come back


class Partition:
    """One partition. Start it with `start`, end it with `close`.

    `new_engine` makes an empty engine of this partition.
    `checkpoints`: where they are kept; None: none are taken. `checkpoint_bytes`: of the journal between them, at least.
    `ownership` says when this node may try to write; None: nobody else can.
    `on_stuck` is awaited when appends keep getting no answer (an embedded nats-server is restarted by it); `restart`
    starts a nats-server anew that contradicts itself, None when it is another's.
    `on_failed` is called once with a sentence when the partition can't serve any more.
    """

    def __init__(
        self,
        number: int,
        journal: Journal,
        *,
        payload_memory_bytes: int,
        requests_max: int,
        polls_max: int,
        new_engine: Callable[[], Engine] | None = None,
        checkpoints: CheckpointStore | None = None,
        checkpoint_bytes: int = JOURNAL_BYTES_MIN,
        clock: Clock | None = None,
        ownership: Ownership | None = None,
        on_stuck: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0),
        restart: Callable[[], Awaitable[None]] | None = None,
        on_failed: Callable[[str], None] = logger.critical,
    ) -> None:
        self.number = number
        self.state: State = "standby"
        self._journal = journal
        self._payloads = Payloads(journal, payload_memory_bytes)
        self._new_engine = new_engine or partial(Engine, number)
        self._checkpoints = checkpoints
        self._checkpoint_bytes = checkpoint_bytes
        self._clock = clock or Clock()
        self._requests_max = requests_max
        self._polls_max = polls_max
        self._ownership = ownership
        self._owned = False
        self._setbacks = Setbacks(on_stuck, restart, self._doubt)
        self.checkpoint_outage = CheckpointOutage(self._setbacks.checkpoint_taken, self._setbacks.checkpoint_failed)
        self._on_failed = on_failed
        self._inbox = Inbox()
        self._polls = Polls(self._inbox.put)
        self._sweeps = Sweeps(self._carry_out, self._load)
        self.trimmer = Trimmer(journal, self._payloads, self._carry_out, self._load, checkpoints, self._doubt)
        self._parking = True
        self._writer: Writer | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._epoch = 0  # of the last writer here
        self._trouble = ""  # why it does not serve, for people
        self._living: asyncio.Task[None] | None = None

    # -- what routes call

    async def submit(self, command: Command) -> Answer:
        """Carries out one command, whose `batch_bytes_max` one batch can hold. Durable on return. Raises Fault."""
        reads_only = command.batch_bytes_max == 0
        return await self.answer(await self._carry_out(command), "none" if reads_only else "unknown")

    def submit_for(self, waiter: Waiter, command: Command) -> None:
        """As `submit`, and returns at once: `waiter` gets the durable reply, or the Fault. Raises Fault."""
        self._ask(Request(command, waiter))

    async def answer(self, reply: Reply, outcome: Outcome) -> Answer:
        """What a durable reply says. Raises Fault of that `outcome`, and then its leases, if any, are given back."""
        if not reply.lsns:
            return rendered(reply, {})
        try:
            return rendered(reply, await self._payloads.load(reply))
        except BaseException as error:
            self.give_back(reply)
            raise self._unreadable(error, outcome) from error

    def held(self, reply: Reply) -> Mapping[int, bytes] | None:
        """What of the journal `reply` needs, when all of it is in memory."""
        return self._payloads.held(reply)

    async def receive(self, queue: str, command: Command, wait_s: float, consumer: str = "") -> Answer:
        """Carries out a receive, waiting up to `wait_s` seconds for a message. `queue` is as the engine wakes it: a
        further group's has its name behind a slash. Cancelled, it gives back what nobody will see. Raises Fault."""
        waiting = _future()
        request = self.receive_for(waiting, queue, command, wait_s, consumer)
        try:
            reply = await waiting
        except asyncio.CancelledError:
            self.abandon(request)
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                self.give_back(waiting.result())
            raise
        return await self.answer(reply, "none")

    def receive_for(self, waiter: Waiter, queue: str, command: Command, wait_s: float, consumer: str) -> Request:
        """As `receive`, and returns at once: `waiter` gets the durable reply, or the Fault. Raises Fault."""
        if wait_s > 0 and self._polls.parked >= self._polls_max:
            raise Overloaded("too many receives are waiting", retry_after_s=1.0)
        request = Request(command, waiter, queue, asyncio.get_running_loop().time() + wait_s, consumer)
        self._ask(request)
        return request

    def abandon(self, request: Request) -> None:
        """Nobody waits for the reply to this receive any more."""
        self._polls.leave(request)
        if not self._polls.has_others(request):
            self._inbox.put_seen(request)

    async def delete(self, queue: str, command: Command) -> Answer:
        """Carries out the deletion of `queue`, written as for `receive`, and lets its long polls learn of it."""
        answer = await self.submit(command)
        self._polls.wake_deleted(queue)
        return answer

    async def start_sweep(self, command: Command) -> Answer:
        """Carries out the start of a sweep, as `submit`, and drives the sweep from then on, whether or not its client
        waits for this answer."""
        return await asyncio.shield(asyncio.create_task(self._start_sweep(command)))

    def give_back(self, reply: Reply) -> None:
        """Nobody received this reply: its leases, if any, are released without an attempt counted."""
        if (command := reply.release()) is not None:
            self._inbox.put(Request(command, _future(), kept=True))

    # -- its life

    def start(self) -> None:
        """Begins to acquire, recover and serve."""
        self._living = asyncio.create_task(self._live(), name=f"partition-{self.number}")
        self._living.add_done_callback(self._ended)

    def stop_parking(self) -> None:
        """Answers every parked poll now, and lets no receive wait from here on."""
        self._parking = False
        if self._writer is not None:
            self._writer.parking = False
        self._polls.wake_all()

    def lose_ownership(self) -> None:
        """Another node may own the partition: serve no more until it is acquired again."""
        self._owned = False
        if self._writer is not None and self.state == "serving":
            self.state = "standby"
            self._writer.stop(OwnershipLost(f"another node may own partition {self.number}"))

    async def close(self) -> None:
        """Answers what was asked, gives the ownership up, then ends. Does not close the journal."""
        self.stop_parking()
        self._sweeps.stop()
        self.trimmer.stop()
        living, self._living = self._living, None
        if living is not None:
            self.state = "closed"
            if self._writer is not None:
                self._writer.drain()
                await asyncio.gather(living, return_exceptions=True)
            else:
                await end(living)
            self._inbox.refuse(ShuttingDown("the server stops"))
        await self._stand_back()

    # -- requests in, answers out

    def _ask(self, request: Request) -> None:
        if self.state == "closed":
            raise ShuttingDown("the server stops")
        if len(self._inbox) >= self._requests_max:
            raise Overloaded("too many requests are waiting", retry_after_s=1.0)
        self._inbox.put(request)

    def _carry_out(self, command: Command) -> asyncio.Future[Reply]:
        self._ask(Request(command, waiting := _future()))
        return waiting

    async def _start_sweep(self, command: Command) -> Answer:
        if command.ages_ms is not None:
            try:
                kept, now_ms = await self._journal.extent(), self._clock.now_ms()
                command = await accepted_between(command, kept, now_ms, self._payloads.instant_ms)
            except Exception as error:
                raise self._unreadable(error, "none") from error
        answer = await self.submit(command)
        if answer.reply.sweep is not None:
            self._sweeps.begin([answer.reply.sweep])
        return answer

    async def _load(self, reply: Reply) -> Mapping[int, bytes | Excerpt]:
        """What of the journal `reply` needs, when no client waits for it."""
        try:
            return await self._payloads.load(reply)
        except JournalCorrupt as error:
            if self.owns():
                self._fail(str(error))
            raise

    def _unreadable(self, error: BaseException, outcome: Outcome) -> BaseException:
        """What a client is told whose answer can't be built."""
        match error:
            case JournalCorrupt():
                if self.owns():  # else another owner may have trimmed it
                    self._fail(str(error))
            case JournalError():
                pass
            case asyncio.CancelledError():
                return error
            case _:
                return Fault(f"the answer could not be built: {type(error).__name__}: {error}", outcome=outcome)
        return JournalUnavailable(f"payloads can't be read back: {error}", outcome=outcome, retry_after_s=1.0)

    # -- one writer after the other

    async def _live(self) -> None:
        while not self._is_over():
            try:
                await self._own()
                await self._recover_and_serve()
            except (JournalCorrupt, JournalRefused) as error:
                return self._fail(str(error))
            except OwnershipLost as error:
                logger.warning("partition %d: %s; standing by", self.number, error)
                await self._stand_back()
            except Exception as error:
                await self._after_failure(error)

    async def _own(self) -> None:
        self._begin_patience()
        if not self._owned:
            self.state = "standby"
            if self._inbox.refuses:  # since it recovered: what polls wait for may come to another server now
                self._refuse()
            if self._ownership is not None:
                await self._ownership.acquire()
                self.checkpoint_outage.forget()  # another owner may have taken some
            self._owned = True

    def owns(self) -> bool:
        """Whether nobody else can own it yet. An owner that slept past its lease stands by from here on."""
        if self._ownership is not None and not self._ownership.lasts():
            self.lose_ownership()
        return self._owned

    async def _recover_and_serve(self) -> None:
        if self._is_over():
            return
        self.state = "recovering"
        engine, kept, replayed_bytes = await take_over(
            self._new_engine, self._journal, self._payloads, self._clock, self.trimmer.make_room, self._checkpoints,
            self.owns,
        )  # fmt: skip
        if self._is_over():
            return
        if not self._owned:
            raise OwnershipLost(f"another node may own partition {self.number}")
        if engine.epoch != self._epoch + 1:
            self._inbox.forget_doubtful()
        self._epoch = engine.epoch
        checkpointing = Checkpointing(
            engine, self._checkpoints, kept, replayed_bytes, self._checkpoint_bytes, self.trimmer.reached,
            self.checkpoint_outage,
        )  # fmt: skip
        writer = Writer(
            engine, self._journal, self._payloads, self._clock, self._inbox, self._polls, self.give_back,
            checkpointing.durable, self.owns,
        )  # fmt: skip
        writer.parking = self._parking
        self._writer = writer
        self.state = "serving"
        self._end_patience()
        logger.info("partition %d: serving, epoch %d", self.number, engine.epoch)
        self._polls.wake_all()
        self._sweeps.begin(engine.sweeps_running)
        self.trimmer.begin()
        try:
            await writer.run()
        finally:
            self._writer = None
            if self.state == "serving":  # until the next one does: what helps the journal may take a while
                self.state = "recovering"
            checkpointing.stop()
            self._sweeps.stop()
            self.trimmer.stop()
            if writer.batches:
                self._setbacks.wrote()

    def _is_over(self) -> bool:
        """No writer may come any more, though whoever waits for one did not notice that it is cancelled."""
        return self.state in ("closed", "failed")

    async def _after_failure(self, error: Exception) -> None:
        """Doubt, or a bug."""
        self._begin_patience()
        self._trouble = str(error)
        log = logger.warning if isinstance(error, JournalError) else logger.exception  # of a bug its place is told
        log("partition %d: poisoned: %s; recovering", self.number, error)
        if self.state == "closed":
            return
        if isinstance(error, WrongLastSequence):
            await self._stand_back()
        await self._setbacks.after(error)

    def _doubt(self, error: Exception) -> None:
        """What works beside a writer met something that only a recovery can tell."""
        if self._writer is not None:
            self._writer.stop(error)

    async def _stand_back(self) -> None:
        """Who may try is decided anew, or two owners would fence each other out in turns."""
        self._owned = False
        if self._ownership is not None:
            await self._ownership.release()

    def _begin_patience(self) -> None:
        if self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(PATIENCE_S, self._refuse)

    def _end_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self._trouble = ""
        self._inbox.admit()

    def _refuse(self) -> None:
        state = ": ".join(filter(None, (self.state, self._trouble)))
        self._inbox.refuse(PartitionRecovering(f"partition {self.number} is {state}", retry_after_s=1.0))
        if self.state != "recovering":  # what polls wait for may come to another server
            self._polls.wake_all()

    def _ended(self, living: asyncio.Task[None]) -> None:
        """Whatever ended its life but `close` and a failure already told: nothing may look served that is not."""
        if self._patience is not None:
            self._patience.cancel()
        if not self._is_over():
            error = None if living.cancelled() else living.exception()
            logger.error("partition %d: ended by a bug", self.number, exc_info=error)
            self._fail(f"partition {self.number} ended: {error!r}")

    def _fail(self, why: str) -> None:
        """No writer comes any more."""
        if self._is_over():
            return
        self.state = "failed"
        self._trouble = why
        if self._writer is not None:
            self._writer.stop(JournalCorrupt(why))
        self._refuse()
        self._on_failed(why)


def _future() -> asyncio.Future[Reply]:
    return asyncio.get_running_loop().create_future()
