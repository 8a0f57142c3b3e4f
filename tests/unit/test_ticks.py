"""The clock of the benchmarks' open loops."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import aclosing

from bench.ticks import ticks


async def test_ticks_come_when_they_are_due_and_those_that_were_missed_at_once() -> None:
    instants: list[float] = []
    turns: list[int] = []
    loop = asyncio.get_running_loop()
    loop.call_soon(time.sleep, 0.03)  # when the clock is set, nobody looks at it
    async with aclosing(ticks(1000, after=0.001)) as due_instants:
        async for due in due_instants:
            assert time.monotonic() >= due
            instants.append(due)
            if len(instants) == 1:
                loop.call_soon(turns.append, 1)
            if len(instants) == 25:
                assert not turns, "they came in one turn of the loop"
            if len(instants) == 60:
                break
    steps = [round((later - earlier) * 1e6) for earlier, later in itertools.pairwise(instants)]
    assert steps == [1000] * 59, "none was left out"
