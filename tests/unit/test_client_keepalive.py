"""Leases of running handlers: extended in time, and only while they run."""

from __future__ import annotations

import asyncio

import pytest

from hanzo_queues.client.keepalive import KeepAlive
from hanzo_queues.errors import LeaseLost, MessageNotFound, QueueNotFound, QueuesError, ServerUnreachable


class Leases:
    """What the keep-alive did, with an answer of the test's choice."""

    def __init__(self) -> None:
        self.extended: asyncio.Queue[str] = asyncio.Queue()
        self.told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.error: QueuesError | None = None

    async def extend(self, lease: str) -> None:
        self.extended.put_nowait(lease)
        if self.error is not None:
            raise self.error

    def start(self, visibility_timeout: float) -> KeepAlive[str]:
        return KeepAlive(
            visibility_timeout,
            self.extend,
            lambda lease: self.told.put_nowait(("lost", lease)),
            lambda error, lease: self.told.put_nowait((type(error).__name__, lease)),
        )


async def test_a_lease_is_extended_at_a_third_of_it() -> None:
    alive = Leases().start(30)
    now = asyncio.get_running_loop().time()
    alive.track("a")
    assert alive._timer is not None
    assert alive._timer.when() == pytest.approx(now + 10, abs=1)
    alive.close()
    assert alive._timer.cancelled()


async def test_leases_are_extended_again_and_again_while_handlers_run() -> None:
    leases = Leases()
    alive = leases.start(0.03)
    alive.track("a")
    alive.track("b")
    assert [await leases.extended.get() for _ in range(6)] == ["a", "b"] * 3
    alive.close()


async def test_a_lease_whose_handler_ended_is_let_go() -> None:
    leases = Leases()
    alive = leases.start(0.03)
    alive.track("ended")
    alive.track("runs")
    alive.forget("ended")
    assert [await leases.extended.get() for _ in range(3)] == ["runs"] * 3
    alive.forget("runs")
    assert alive._timer is not None
    alive._timer.cancel()
    alive._fire()  # the last timer finds nothing to do, and sets no further one
    assert alive._timer is None
    assert leases.extended.empty()


@pytest.mark.parametrize("gone", [LeaseLost, MessageNotFound, QueueNotFound])
async def test_a_lost_lease_is_told_once_and_another_failure_is_tried_again(gone: type[QueuesError]) -> None:
    leases = Leases()
    alive = leases.start(0.03)
    alive.track("a")
    leases.error = ServerUnreachable("away")
    await leases.extended.get()
    leases.error = gone("it ended")
    await leases.extended.get()
    assert [await leases.told.get() for _ in range(2)] == [("ServerUnreachable", "a"), ("lost", "a")]
    assert alive._due == {}
    alive.close()
