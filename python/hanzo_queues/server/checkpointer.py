"""Takes checkpoints beside a writer, block by block between its steps, and never harms it.

    waiting -(enough journal, or no room for messages)-> blocks -> batch durable -> read back -> manifest -> purge
                   '-- whatever fails: abandoned, what was written taken away, and tried again later --'

A manifest is written when the batch it ends with is durable, so it is a true beginning of the journal whoever wrote it.
The store's fence keeps an owner that was deposed from writing behind its successor. Knows no recovery and no trimming:
it says up to which batch a journal may be trimmed for checkpoints' sake.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hanzo_queues._core import BlockEntry, CheckpointError, Engine, Manifest
from hanzo_queues.server.checkpoint_outage import CheckpointOutage
from hanzo_queues.server.checkpoint_sizes import CheckpointSizes
from hanzo_queues.server.checkpoints.base import CheckpointStore
from hanzo_queues.server.journal.base import JournalError, WrongLastSequence
from hanzo_queues.server.journal.refusals import Refusals

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

JOURNAL_BYTES_MIN = 16 * 1024 * 1024  # what two bring, and half of that again, fits in a segment of 64 MiB
JOURNAL_BYTES_PER_BYTE = 4  # of the journal at least, for each byte of blocks that a checkpoint is likely to write
TOLD_BETWEEN = 4  # times that the horizon is told between two, at least: so trimming keeps pace
APPENDS_MAX = 2
ROOM_WAIT_S = 10.0
WASTE_BYTES_MAX = 16 * 1024 * 1024  # of the store, beside twice what the last manifest names


@dataclass(frozen=True, slots=True)
class Kept:
    """A manifest that is stored, and verified."""

    sequence: int
    lsn: int
    blocks: list[BlockEntry]

    @property
    def first_sequence(self) -> int:
        """The first part that it needs."""
        return min((block.extent[0] for block in self.blocks), default=self.sequence)


class Deposed(JournalError):
    """Another owner has written checkpoints since: this one must not."""


class Checkpointer:
    """The checkpoints of one writer's engine. `kept`: what the engine was restored from, behind the checkpoint before
    it, as far as there are any; `replayed_bytes`: of the journal behind it. `on_horizon` is told the LSN of the
    checkpoint before the last: batches before that one no start needs, but those with payloads that still live; after
    each checkpoint, and some times between two: whenever a part of what lies between two became dead.
    `journal_bytes_min`: of the journal, between checkpoints. `outage` is told how they fare."""

    def __init__(
        self,
        engine: Engine,
        store: CheckpointStore,
        kept: Sequence[Kept],
        replayed_bytes: int = 0,
        *,
        on_horizon: Callable[[int], None] = lambda lsn: None,
        journal_bytes_min: int = JOURNAL_BYTES_MIN,
        outage: CheckpointOutage | None = None,
    ) -> None:
        self._engine = engine
        self._store = store
        self._on_horizon = on_horizon
        self._outage = outage or CheckpointOutage()
        self._refusals = Refusals("the stream of the checkpoints")
        self._journal_bytes_min = journal_bytes_min
        self._kept = list(kept)
        self._directory = _directory(kept[-1].blocks if kept else [])
        self._journal_bytes = replayed_bytes  # durable since the last checkpoint began
        self._ended_at = time.monotonic()
        self._is_pressed = False  # the last one was asked for by the room, or is
        self._sizes = CheckpointSizes(engine, self._directory.values())
        self._attempts_failed: list[str] = []
        self._needed_bytes = engine.live_bytes  # when `on_horizon` was told last, and all that was written since
        self._durable_lsn = engine.lsn  # a writer begins with a fence, which is durable
        self._moved = asyncio.Event()
        self._longest_step_s = 0.0
        self.taken = 0

    def durable(self, lsn: int, byte_count: int) -> None:
        """The writer's batch at `lsn` is durable."""
        self._durable_lsn = lsn
        self._journal_bytes += byte_count
        self._needed_bytes += byte_count
        self._moved.set()
        if self._needed_bytes - self._engine.live_bytes >= self._journal_bytes_min // TOLD_BETWEEN:
            self._tell_horizon()

    @property
    def first_sequence(self) -> int:
        """The first part that a kept manifest needs; 0 when none is kept."""
        return min((kept.first_sequence for kept in self._kept), default=0)

    async def run(self) -> None:
        """Until it is cancelled, or another owner writes checkpoints."""
        room = self._store.room
        room.bytes_needed, room.on_refused = self._sizes.needed, self._moved.set
        while True:
            try:
                await self._until_due()
                if not room.has_for_checkpoint(self._sizes.expected()):
                    no_room = JournalError("the disk has no room for a checkpoint: it is taken when there is")
                    self._outage.hindered(no_room)
                    await asyncio.sleep(ROOM_WAIT_S)
                    continue
                await self.take()
            except Deposed as deposed:
                return logger.warning("checkpoints: %s", deposed)
            except (JournalError, CheckpointError) as error:
                self._engine.abandon_checkpoint()
                await asyncio.sleep(self._outage.failed(error))
            except Exception:
                logger.exception("checkpoints met a bug")
                self._engine.abandon_checkpoint()
                await asyncio.sleep(self._outage.failed(RuntimeError("they met a bug")))

    async def take(self) -> None:
        """Takes one now. Raises JournalError, CheckpointError: then `Engine.abandon_checkpoint` is due; Deposed."""
        await self._take_failed_ones_away()
        last = await self._last_sequence()
        try:
            await self._take_behind(last)
        except WrongLastSequence as refusal:
            self._refusals.note(refusal, last)
            raise

    async def _take_behind(self, last: int) -> None:
        self._longest_step_s = 0.0
        lsn = self._step(self._engine.begin_checkpoint)
        if lsn is None:
            return
        journal_bytes = self._journal_bytes
        counts, directory, attempt = self._sizes.counts(), dict(self._directory), secrets.token_hex(8)
        try:
            written, last = await self._write_blocks(attempt, directory, last)
            await self._until_durable(lsn)
            for block in written:
                await self._verify(block)
            manifest = self._step(lambda: self._engine.end_checkpoint(list(directory.values())))
            if len(manifest) > self._store.part_bytes_max:
                raise JournalError(f"its manifest has {len(manifest)} bytes, more than {self._store.part_bytes_max}")
        except (JournalError, CheckpointError):  # no manifest was sent that names it
            self._attempts_failed.append(attempt)
            await self._take_failed_ones_away()
            raise
        await self._store.append_manifest(manifest, last)
        if await self._store.newest_manifest() != (last + 1, manifest):
            raise JournalError("the manifest is not what was written, or not the last one")
        self.taken += 1
        self._outage.over()
        self._journal_bytes -= journal_bytes
        self._ended_at = time.monotonic()
        self._directory = directory
        self._kept = [*self._kept[-1:], Kept(last + 1, lsn, list(directory.values()))]
        logger.debug(
            "checkpoint of batch %d: %d blocks, %d bytes for %d of the journal, no step over %.2f ms",
            lsn, len(written), byte_count_of(written), journal_bytes, self._longest_step_s * 1000,
        )  # fmt: skip
        self._sizes.learn(directory.values(), counts)
        await self._let_go()

    async def _take_failed_ones_away(self) -> None:
        """What is written of attempts that came to nothing would be in the way of the next."""
        try:
            while self._attempts_failed:
                await self._store.discard(self._attempts_failed[-1])
                self._attempts_failed.pop()
        except JournalError as error:
            logger.warning("what is written of a checkpoint that came to nothing can't be taken away: %s", error)

    def _step(self, step: Callable[[], Result]) -> Result:
        """What nobody else can work beside: notes the processor time that it takes."""
        began = time.thread_time()
        try:
            return step()
        finally:
            self._longest_step_s = max(self._longest_step_s, time.thread_time() - began)

    async def _until_due(self) -> None:
        while not self._is_due():
            self._moved.clear()
            await self._moved.wait()

    def _is_due(self) -> bool:
        self._is_pressed = not self._is_worth_it()
        return not self._is_pressed or self._is_asked_for()

    def _is_worth_it(self) -> bool:
        if self._journal_bytes < self._journal_bytes_min:
            return False
        return self._journal_bytes >= JOURNAL_BYTES_PER_BYTE * self._sizes.expected()

    def _is_asked_for(self) -> bool:
        """Whether there is no room for messages, and a checkpoint would let go of something some day."""
        if self._horizon_lsn >= self._durable_lsn:
            return False
        waited_s = time.monotonic() - self._ended_at
        return self._store.room.asks_for_checkpoint(self._journal_bytes, waited_s)

    async def _last_sequence(self) -> int:
        """Where to append. What comes between this and the last append is refused by its expected sequence."""
        extent = await self._store.extent()
        newest = await self._store.newest_manifest()
        own = self._kept[-1].sequence if self._kept else 0
        if (newest[0] if newest is not None else 0) != own:
            self._begin_anew(newest)
        return extent.last_sequence

    def _begin_anew(self, newest: tuple[int, bytes] | None) -> None:
        """The last manifest is not the one this engine follows: nothing of it may be built upon."""
        if newest is not None:
            try:
                epoch = Manifest(newest[1]).epoch
            except CheckpointError:
                epoch = 0
            if epoch > self._engine.epoch:
                raise Deposed(f"epoch {epoch} wrote one; this is epoch {self._engine.epoch}")
        for kind, index in self._directory:
            self._engine.rewrite_block(kind, index)
        self._directory, self._kept = {}, []

    async def _write_blocks(
        self, attempt: str, directory: dict[tuple[int, int], BlockEntry], last: int
    ) -> tuple[list[BlockEntry], int]:
        written: list[BlockEntry] = []
        appends: deque[asyncio.Task[None]] = deque()
        try:
            while (block := self._step(self._engine.next_block)) is not None:
                kind, index, data = block
                directory.pop((kind, index), None)
                if data is not None:
                    if not self._store.room.has_for_checkpoint(len(data)):
                        raise JournalError("the disk has no room for the rest of it")
                    parts = _parts(data, self._store.part_bytes_max)
                    entry = directory[kind, index] = BlockEntry(data, last + 1, len(parts))
                    written.append(entry)
                    for part in parts:
                        appends.append(asyncio.create_task(self._store.append(part, last, attempt)))
                        last += 1
                while len(appends) >= APPENDS_MAX:
                    await appends.popleft()
                await asyncio.sleep(0)
            while appends:
                await appends.popleft()
        except JournalError:
            await asyncio.gather(*appends, return_exceptions=True)  # then all of it is there that will be
            raise
        finally:
            for append in appends:
                append.cancel()
            await asyncio.gather(*appends, return_exceptions=True)
        return written, last

    async def _until_durable(self, lsn: int) -> None:
        while self._durable_lsn < lsn:
            self._moved.clear()
            await self._moved.wait()

    async def _verify(self, block: BlockEntry) -> None:
        data = await fetched(self._store, block)
        sequence, parts, _ = block.extent
        BlockEntry(data, sequence, parts)
        if not block.names(data):
            raise JournalError(f"a block at {sequence} is not what was written")

    async def _let_go(self) -> None:
        """The checkpoint stands, whatever fails here."""
        self._tell_horizon()
        try:
            if len(self._kept) == 2:
                await self._store.purge(self.first_sequence)
            extent = await self._store.extent()
        except JournalError as error:
            return logger.warning("checkpoints that nothing needs any more can't be purged: %s", error)
        live = byte_count_of(self._directory.values())
        if self._is_pressed and 2 * byte_count_of(self._since(self._kept[0])) >= live:
            self._rewrite_up_to(self._kept[0].sequence)  # a few old ones would keep all behind them in the store
        elif extent.byte_count > 2 * live + (0 if self._is_pressed else WASTE_BYTES_MAX):
            self._rewrite_up_to((extent.first_sequence + extent.last_sequence) // 2)

    def _since(self, kept: Kept) -> Iterable[BlockEntry]:
        return (block for block in self._directory.values() if block.extent[0] > kept.sequence)

    def _rewrite_up_to(self, sequence: int) -> None:
        for place, block in self._directory.items():
            if block.extent[0] <= sequence:
                self._engine.rewrite_block(*place)

    @property
    def _horizon_lsn(self) -> int:
        """Batches before this one no start needs; 0: all are needed."""
        return self._kept[0].lsn if len(self._kept) == 2 else 0

    def _tell_horizon(self) -> None:
        self._needed_bytes = self._engine.live_bytes
        if self._horizon_lsn > 0:
            self._on_horizon(self._horizon_lsn)


class Checkpointing:
    """A checkpointer that runs until `stop`; without a store nothing does."""

    def __init__(
        self,
        engine: Engine,
        store: CheckpointStore | None,
        kept: Sequence[Kept],
        replayed_bytes: int,
        journal_bytes_min: int,
        on_horizon: Callable[[int], None],
        outage: CheckpointOutage,
    ) -> None:
        self._store = store
        self._running: asyncio.Task[None] | None = None
        self.durable: Callable[[int, int], None] = lambda lsn, byte_count: None
        if store is not None:
            checkpointer = Checkpointer(
                engine, store, kept, replayed_bytes, on_horizon=on_horizon, journal_bytes_min=journal_bytes_min,
                outage=outage,
            )  # fmt: skip
            self.durable = checkpointer.durable
            self._running = asyncio.create_task(checkpointer.run(), name="checkpoints")

    def stop(self) -> None:
        """The checkpoint under way, if any, comes to nothing."""
        if self._store is not None and self._running is not None:
            self._store.room.bytes_needed = None
            self._running.cancel()


async def fetched(store: CheckpointStore, block: BlockEntry) -> bytes:
    """A block's bytes. Raises JournalError."""
    sequence, parts, _ = block.extent
    return b"".join([await store.fetch(part) for part in range(sequence, sequence + parts)])


def byte_count_of(blocks: Iterable[BlockEntry]) -> int:
    """Their bytes."""
    return sum(block.extent[2] for block in blocks)


def _directory(blocks: Iterable[BlockEntry]) -> dict[tuple[int, int], BlockEntry]:
    return {block.place: block for block in blocks}


def _parts(data: bytes, part_bytes_max: int) -> list[bytes]:
    return [data[at : at + part_bytes_max] for at in range(0, len(data), part_bytes_max)]
