"""Going on with a journal that lost its beginning, when that is accepted: what refers to lost batches is taken away.

    fence -> drop, a part a step: told in a file, then appended -> nothing refers to what is lost

It is decided and journaled as everything is, by an owner of its own, so whoever recovers later agrees. What is not lost
stays as it is. The file is synced before the batch that takes away what it tells of: so nothing goes untold, however
this ends, and what was told may be told again. Must not be done to a journal whose beginning may come back.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

import orjson

from hanzo_queues._core import Engine, Step, drop_lost
from hanzo_queues.server.clock import Clock
from hanzo_queues.server.data_directory import sync_directory
from hanzo_queues.server.journal.base import Journal, JournalCorrupt
from hanzo_queues.server.recovery import lacks_beginning

LOST_FILE = "lost-messages"


async def drop_what_was_lost(journal: Journal, engine: Engine, kept_at: Path) -> None:
    """`engine` is at the journal's end, and nobody else writes. `kept_at`: the directory for the file that tells of
    what goes. Raises JournalError."""
    first = await journal.first_sequence()
    clock = Clock()
    clock.not_before(engine.now_ms)
    now_ms = clock.now_ms()  # one instant, at which nothing comes due any more once it has
    await _append(journal, engine.fence(now_ms, secrets.token_bytes(32)))
    told = _Told(kept_at / LOST_FILE)
    while await _pass(engine, journal, now_ms, first, told):  # what died meanwhile lies where was looked already
        pass
    while (step := engine.step(now_ms, [])).batch is not None:  # what deleted queues held goes by itself
        await _append(journal, step)
    if lacks_beginning(engine, first):
        raise JournalCorrupt(f"something is needed of batches before {first}, and can't be taken away")
    print(f"the journal begins with batch {first}: {told}")


async def _pass(engine: Engine, journal: Journal, now_ms: int, first: int, told: _Told) -> bool:
    """Whether anything happened: a step does what is due, too."""
    lsn = engine.lsn
    slot: int | None = 0
    while slot is not None:
        step = engine.step(now_ms, [drop_lost(first, slot)])
        dropped = orjson.loads(step.replies[0].render({}))
        told.add(dropped)
        await _append(journal, step)
        slot = dropped.get("nextSlot")
    return engine.lsn > lsn


async def _append(journal: Journal, step: Step) -> None:
    if step.batch is not None:
        await journal.append(step.batch, step.lsn - 1)


class _Told:
    """The file of what is taken away: a message a line, as JSON, with its id, its queue, its state, and that in each of
    its groups. Says how much it was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._messages = self._results = self._errors = 0

    def add(self, dropped: dict[str, Any]) -> None:
        """One part; its messages are in the file for good when this returns."""
        messages = dropped["messages"]
        self._messages += len(messages)
        self._results += dropped["results"]
        self._errors += dropped["errors"]
        if not messages:
            return
        is_new = not self._path.exists()
        self._path.parent.mkdir(exist_ok=True)
        with self._path.open("ab") as file:
            file.writelines(orjson.dumps(message) + b"\n" for message in messages)
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            sync_directory(self._path.parent)
            sync_directory(self._path.parent.parent)

    def __str__(self) -> str:
        return (
            f"{self._messages} messages whose payloads lay before it are gone, as are {self._results} results and the "
            f"texts of {self._errors} errors. The messages are listed in {self._path}"
        )
