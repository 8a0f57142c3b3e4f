"""A journal and a checkpoint store in memory, as a disk that outlives servers, and that ends at chosen operations.

Every operation that changes something is counted. At a crash point it is not done, done in part, or done without an
answer; and then the server is gone (nothing that it asks for later happens or returns) or the store was (it answers
again at once, as a nats-server that was restarted).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import Enum
from functools import partial
from typing import NamedTuple, NoReturn

from hanzo_queues.server.checkpoints.memory import MemoryCheckpoints
from hanzo_queues.server.journal.base import AppendUnknown, JournalError, WrongLastSequence
from hanzo_queues.server.journal.memory import MemoryJournal, MemoryStore

TURNS = {"append": 25}
"""Of the loop, that an operation takes; others take `TURNS_OTHERS`. An append to the journal is slower than those of a
checkpoint, so that several are in flight, and what does not wait for them is too early."""
TURNS_OTHERS = 4
PART_BYTES_MAX = 400
"""Small, so that blocks have several parts."""


class Side(Enum):
    """How much of the operation is done."""

    BEFORE = "nothing of it"
    MIDDLE = "a purge in part; an append when somebody appends the next time, if there is room for it still"
    AFTER = "all of it, without an answer"


class Victim(Enum):
    """Who is gone."""

    SERVER = "server"
    STORE = "store"


class CrashPoint(NamedTuple):
    """`operation`: its number, from 0."""

    operation: int
    side: Side
    victim: Victim


Act = Callable[[], Awaitable[None]]


class Disk:
    """`crashes` come in the order of their operations. `operations`: the names of those so far. `batches`: all that the
    journal ever held. `crashed`: the server that mounted it last is gone."""

    def __init__(self, crashes: tuple[CrashPoint, ...] = ()) -> None:
        self.operations: list[str] = []
        self.batches: dict[int, bytes] = {}
        self.journal_store = MemoryStore()
        self.checkpoints = MemoryCheckpoints(part_bytes_max=PART_BYTES_MAX)
        self.crashed = asyncio.Event()
        self._crashes = {crash.operation: crash for crash in crashes}
        self._late: list[Act] = []
        self._mounts = 0

    def mount(self) -> tuple[DiskJournal, DiskCheckpoints]:
        """For a new server. Whoever mounted it before is gone."""
        self._mounts += 1
        self.crashed = asyncio.Event()
        return DiskJournal(self, self._mounts), DiskCheckpoints(self, self._mounts)

    async def append(self, mount: int, name: str, act: Act) -> None:
        """One operation. Cut off in the middle it is on its way, and arrives before the next one."""

        async def late() -> None:
            self._late.append(act)

        await self._carry_out(mount, name, act, late, AppendUnknown)

    async def purge(self, mount: int, name: str, act: Act, half: Act) -> None:
        """One operation. Cut off in the middle it is done by half."""
        await self._carry_out(mount, name, act, half, JournalError)

    async def _carry_out(self, mount: int, name: str, act: Act, in_part: Act, error: type[JournalError]) -> None:
        for _ in range(TURNS.get(name, TURNS_OTHERS)):
            await asyncio.sleep(0)
        if mount != self._mounts or self.crashed.is_set():
            await _never()
        crash = self._crash_at(len(self.operations))
        self.operations.append(name)
        await self._let_arrive()
        if crash is None:
            return await act()
        if crash.side is Side.AFTER:
            await act()
        elif crash.side is Side.MIDDLE:
            await in_part()
        if crash.victim is Victim.SERVER:
            self.crashed.set()
            await _never()
        raise error(f"the store was restarted: {name}, {crash.side.value}")

    def _crash_at(self, operation: int) -> CrashPoint | None:
        return self._crashes.get(operation)

    async def _let_arrive(self) -> None:
        """What was on its way is stored, unless its place was taken."""
        late, self._late = self._late, []
        for append in late:
            with suppress(WrongLastSequence):
                await append()


class DiskJournal(MemoryJournal):
    """See `hanzo_queues.server.journal.base.Journal`."""

    def __init__(self, disk: Disk, mount: int) -> None:
        super().__init__(disk.journal_store)
        self._disk = disk
        self._mount = mount

    async def append(self, batch: bytes, expected_last_sequence: int) -> None:
        async def act() -> None:
            self.store.append(batch, expected_last_sequence)
            self._disk.batches[expected_last_sequence + 1] = batch

        await self._disk.append(self._mount, "append", act)

    async def purge(self, before_sequence: int) -> None:
        first = await self.first_sequence()
        await self._disk.purge(
            self._mount, "trim", partial(super().purge, before_sequence),
            partial(super().purge, (first + before_sequence) // 2),
        )  # fmt: skip


class DiskCheckpoints:
    """See `hanzo_queues.server.checkpoints.base.CheckpointStore`."""

    def __init__(self, disk: Disk, mount: int) -> None:
        self._disk = disk
        self._mount = mount
        self._kept = disk.checkpoints
        self.part_bytes_max = PART_BYTES_MAX
        self.open, self.look, self.close = self._kept.open, self._kept.look, self._kept.close
        self.extent, self.fetch, self.room = self._kept.extent, self._kept.fetch, self._kept.room
        self.newest_manifest, self.manifest_before = self._kept.newest_manifest, self._kept.manifest_before

    async def append(self, part: bytes, expected_last_sequence: int, attempt: str) -> None:
        act = partial(self._kept.append, part, expected_last_sequence, attempt)
        await self._disk.append(self._mount, "block", act)

    async def append_manifest(self, manifest: bytes, expected_last_sequence: int) -> None:
        act = partial(self._kept.append_manifest, manifest, expected_last_sequence)
        await self._disk.append(self._mount, "manifest", act)

    async def purge(self, before_sequence: int) -> None:
        first = (await self._kept.extent()).first_sequence
        await self._disk.purge(
            self._mount, "purge", partial(self._kept.purge, before_sequence),
            partial(self._kept.purge, (first + before_sequence) // 2),
        )  # fmt: skip

    async def discard(self, attempt: str) -> None:
        await self._disk.purge(self._mount, "discard", partial(self._kept.discard, attempt), _nothing)

    async def clear(self) -> None:
        raise AssertionError("a server takes nothing away that a start may need")


async def _nothing() -> None:
    return None


async def _never() -> NoReturn:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")
