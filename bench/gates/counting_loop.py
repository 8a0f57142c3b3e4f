"""An event loop that counts its turns, and the callbacks that were scheduled for the next one."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any


class CountingLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop: uvloop, which the product runs on, can't be counted, and schedules the same callbacks."""

    def __init__(self) -> None:
        super().__init__(selectors.DefaultSelector())
        self.turns = 0
        self.callbacks = 0

    def _run_once(self) -> None:
        self.turns += 1
        super()._run_once()  # type: ignore[misc]

    def call_soon(self, callback: Any, *arguments: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
        self.callbacks += 1
        return super().call_soon(callback, *arguments, context=context)
