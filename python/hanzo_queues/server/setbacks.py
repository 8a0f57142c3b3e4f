"""What comes between a writer that failed and the next one: a wait, longer each time, and help where there is any.

    no answer to appends, again and again -> its nats-server is mute: who can help is asked
    a store that contradicts itself       -> its nats-server is started anew, if it is ours: once, until a checkpoint
                                             was taken, or what that does not mend would end every writer
    anything else                         -> time

Knows no engine and no requests.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from hanzo_queues.server.journal.base import AppendUnknown, JournalFull, StoreContradicts
from hanzo_queues.server.outage import Waits

logger = logging.getLogger(__name__)

DELAYS_S = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
FULL_DELAY_S = 5.0  # a recovery makes no space
FAILURES_UNTIL_STUCK = 2

Help = Callable[[], Awaitable[None]]


class Setbacks:
    """Those of one partition. `on_stuck` is awaited when appends keep getting no answer; `restart` starts its
    nats-server anew, None when it is another's; `doubt` ends the writer that works."""

    def __init__(self, on_stuck: Help, restart: Help | None, doubt: Callable[[Exception], None]) -> None:
        self._on_stuck = on_stuck
        self._restart = restart
        self._restart_left = restart  # None: it can't be started anew, or was since a checkpoint was taken
        self._doubt = doubt
        self._waits = Waits(DELAYS_S)  # since a batch became durable

    def wrote(self) -> None:
        """A batch became durable."""
        self._waits.begin_anew()

    def checkpoint_taken(self) -> None:
        """The store is sound again, as far as it is written."""
        self._restart_left = self._restart

    def checkpoint_failed(self, error: Exception) -> None:
        """That harms no writer; but what would mend it is done between two."""
        if isinstance(error, StoreContradicts) and self._restart_left is not None:
            self._doubt(error)

    async def after(self, error: Exception) -> None:
        """A writer, or what comes before one, failed with `error`. Returns when the next may try."""
        wait_s = self._waits.next_s()
        if isinstance(error, JournalFull):
            return await asyncio.sleep(FULL_DELAY_S)
        if isinstance(error, StoreContradicts) and self._restart_left is not None:
            restart, self._restart_left = self._restart_left, None
            await _ask(restart)
        elif self._waits.count >= FAILURES_UNTIL_STUCK and isinstance(error, AppendUnknown):
            await _ask(self._on_stuck)
        await asyncio.sleep(wait_s)


async def _ask(help_out: Help) -> None:
    try:
        await help_out()
    except Exception:
        logger.exception("what helps a journal that fails has failed itself")
