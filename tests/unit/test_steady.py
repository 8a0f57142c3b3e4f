"""The loop of tests: a pause is no time to it, and all else is."""

from __future__ import annotations

import asyncio
import time

from tests.steady import SteadyLoop


async def test_after_a_pause_each_timer_rings_in_its_time() -> None:
    """The reader's turn comes between two timers that were due in the same pause."""
    loop, rung = asyncio.get_running_loop(), list[str]()
    assert isinstance(loop, SteadyLoop)
    loop.call_later(0.05, rung.append, "second")
    loop.call_later(0.02, loop.call_soon, loop.call_soon, rung.append, "what the first one began")
    time.sleep(0.2)  # noqa: ASYNC251
    await asyncio.sleep(0.06)
    assert rung == ["what the first one began", "second"]


async def test_what_is_waited_for_is_time() -> None:
    loop = asyncio.get_running_loop()
    began, really_began = loop.time(), time.monotonic()
    await asyncio.sleep(0.1)
    assert 0.099 < loop.time() - began <= time.monotonic() - really_began + 0.001


async def test_time_passes_while_the_loop_only_turns() -> None:
    rung = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, rung.set)
    while not rung.is_set():  # noqa: ASYNC110
        await asyncio.sleep(0)
