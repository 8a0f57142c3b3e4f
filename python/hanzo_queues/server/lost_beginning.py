"""Going on with a journal that lost its beginning, when that is accepted: what refers to lost batches is taken away.

    recover -> fence -> drop, a part a step, until nothing refers to what is lost -> the messages' ids are in a file

It is decided and journaled as everything is, by an owner of its own, so whoever recovers later agrees. What is not lost
stays as it is. Must not be done to a journal whose beginning may come back.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from hanzo_queues._core import Engine, Step, drop_lost
from hanzo_queues.server.clock import Clock
from hanzo_queues.server.journal.base import JournalCorrupt
from hanzo_queues.server.recovery import recover
from hanzo_queues.server.storage import OWN_PARTITION, Storage

LOST_FILE = "lost-messages"


def kept_path(storage: Storage) -> Path:
    """The directory that keeps what a repair takes away."""
    return storage.directory.path / f"repair-{datetime.now(UTC):%Y%m%dT%H%M%S}"


async def drop_what_was_lost(storage: Storage) -> None:
    """Does nothing when all that is needed is there. The storage is open. Raises JournalError."""
    journal = storage.journal
    recovered = await recover(
        partial(Engine, OWN_PARTITION), journal, lambda lsn, batch: None, storage.checkpoints, lost_beginning=True
    )
    engine, first = recovered.engine, await journal.first_sequence()
    if first == 1 or engine.first_needed_lsn() >= first:
        return
    clock = Clock()
    clock.not_before(engine.now_ms)

    async def journaled(step: Step) -> None:
        if step.batch is not None:
            await journal.append(step.batch, step.lsn - 1)

    await journaled(engine.fence(clock.now_ms(), secrets.token_bytes(32)))
    dropped: list[dict[str, Any]] = []
    slot: int | None = 0
    while slot is not None:
        step = engine.step(clock.now_ms(), [drop_lost(first, slot)])
        await journaled(step)
        dropped.append(orjson.loads(step.replies[0].render({})))
        slot = dropped[-1].get("nextSlot")
    while engine.first_needed_lsn() < first:  # what deleted queues held goes by itself
        step = engine.step(clock.now_ms(), [])
        if step.batch is None:
            raise JournalCorrupt(f"something is needed of batches before {first}, and can't be taken away")
        await journaled(step)
    _tell(kept_path(storage), first, dropped)


def _tell(kept_at: Path, first: int, dropped: list[dict[str, Any]]) -> None:
    ids = [message for part in dropped for message in part["messages"]]
    results, errors = (sum(part[name] for part in dropped) for name in ("results", "errors"))
    kept_at.mkdir(exist_ok=True)
    (kept_at / LOST_FILE).write_text("".join(f"{message}\n" for message in ids))
    print(
        f"the journal begins with batch {first}: {len(ids)} messages whose payloads lay before it are gone, as are "
        f"{results} results and the texts of {errors} errors. The messages' ids are in {kept_at / LOST_FILE}"
    )
