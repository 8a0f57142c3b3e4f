"""To end a task that may not notice that it is cancelled.

Until Python 3.12 asyncio.wait_for, which nats-py waits with, forgets it when what it waits for comes in the same turn
of the loop: whoever tries again and again goes on for ever. Knows no task by itself.
"""

from __future__ import annotations

import asyncio
from typing import Any

AGAIN_S = 0.5
"""For what a task has left to do when it noticed; after that it is cancelled once more."""


async def end(task: asyncio.Task[Any]) -> None:
    """Returns when `task` is over. Whoever wants to know asks it what became of it."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=AGAIN_S)
    if not task.cancelled():
        task.exception()
