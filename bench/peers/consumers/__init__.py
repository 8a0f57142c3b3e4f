"""Workers with a handler that does nothing: `MODULE fill|work --address A --expected N --ids FILE`.

`fill` enqueues N messages; `work` is one worker process that handles up to CONCURRENCY at once, and ends when N were
handled and acknowledged. Its time runs from the first handler's start to the last one's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop

CONCURRENCY = 100
PAYLOAD = "x" * 1022


class Handled:
    """What the handler saw."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self.ids: list[str] = []
        self.first = self.last = 0.0

    def note(self, id: str) -> bool:
        """Called by each handler; whether it was the last one."""
        self.last = time.perf_counter()
        if not self.ids:
            self.first = self.last
        self.ids.append(id)
        return len(self.ids) == self._expected


Fill = Callable[[str, int], Coroutine[Any, Any, list[str]]]
Work = Callable[[str, int], Coroutine[Any, Any, Handled]]


def main(fill: Fill, work: Work) -> None:
    """The command line of a worker."""
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["fill", "work"])
    parser.add_argument("--address", required=True)
    parser.add_argument("--expected", type=int, required=True)
    parser.add_argument("--ids", type=Path, required=True)
    chosen = parser.parse_args()
    seconds = 1.0
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if chosen.mode == "fill":
            ids = runner.run(fill(chosen.address, chosen.expected))
        else:
            handled = runner.run(work(chosen.address, chosen.expected))
            ids, seconds = handled.ids, handled.last - handled.first
    chosen.ids.write_text("\n".join(ids))
    counts = {"requests": len(ids), "messages": len(ids), "seconds": seconds}
    print(json.dumps({**counts, "p50_ms": 0, "p99_ms": 0}))
