"""Sweeps against a real server: dead letters redriven, waiting messages cancelled and changed by filter."""

from __future__ import annotations

import asyncio
import itertools
import threading
from datetime import timedelta

import pytest

from examples.local_server import LocalServer
from hanzo_queues import AsyncQueues, Queues, Sweep, errors

NUMBERS = itertools.count()


@pytest.fixture
async def name(queues: AsyncQueues) -> str:
    name = f"q{next(NUMBERS)}"
    return (await queues.create(name, {"dead_letter_queue": f"{name}-dead", "max_retries": 0})).name


async def die(queues: AsyncQueues, name: str, number: int, error: str) -> None:
    await queues.enqueue(name, number, metadata={"tenant": "acme" if number % 2 else "umbrella"})
    [message] = await queues.receive(name)
    await queues.nack(message, error=error)


async def waiting(queues: AsyncQueues, name: str) -> list[object]:
    return [message.payload for message in await queues.receive(name, max_messages=100)]


async def test_dead_letters_are_redriven_by_filter(queues: AsyncQueues, name: str) -> None:
    for number, error in enumerate(["no database", "no database", "bad input", "no database"]):
        await die(queues, name, number, error)
    seen: list[Sweep] = []
    chosen = await queues.redrive(
        f"{name}-dead",
        filter={"error": "database", "metadata": {"tenant": "acme"}, "newer_than": timedelta(hours=1)},
        dry_run=True,
    )
    tried = await queues.wait_for_sweep(chosen, timeout=30, on_progress=seen.append)
    assert (tried.state, tried.matched, tried.moved, len(tried.sample)) == ("done", 2, 0, 2)
    assert (tried.dry_run, seen[-1]) == (True, tried)
    started = await queues.redrive(f"{name}-dead", filter={"error": "database", "metadata": {"tenant": "acme"}})
    ended = await queues.wait_for_sweep(started.id, timeout=30)
    assert (ended.id, ended.queue, ended.action) == (started.id, f"{name}-dead", "redrive")
    assert (ended.state, ended.matched, ended.moved, ended.failed) == ("done", 2, 2, 0)
    assert ended.ended_at is not None
    [first, second] = await queues.receive(name, max_messages=10)
    assert [first.payload, second.payload] == [1, 3]
    assert first.attempts == 0
    assert first.dead_letter is not None
    assert (first.dead_letter.error, first.dead_letter.redrives) == ("no database", 1)
    assert first.dead_letter.source_group == "default"


async def test_dead_letters_are_redriven_by_id_to_another_queue(queues: AsyncQueues, name: str) -> None:
    for number in range(3):
        await die(queues, name, number, "no")
    dead = await queues.peek(f"{name}-dead", reason="retriesExhausted")
    await queues.create(f"{name}-other")
    started = await queues.redrive(f"{name}-dead", ids=[dead[0].id, dead[2].id], destination=f"{name}-other")
    ended = await queues.wait_for_sweep(started)
    assert (ended.moved, ended.destination) == (2, f"{name}-other")
    assert await waiting(queues, f"{name}-other") == [0, 2]


async def test_a_sweep_goes_at_its_rate_and_is_cancelled(queues: AsyncQueues, name: str) -> None:
    for number in range(3):
        await die(queues, name, number, "no")
    started = await queues.redrive(f"{name}-dead", rate={"requests": 1, "per": "hour"})
    with pytest.raises(TimeoutError):
        await queues.wait_for_sweep(started, timeout=0.01)
    assert not (await queues.get_sweep(started)).ended
    assert [sweep.id for sweep in await queues.list_sweeps() if not sweep.ended] == [started.id]
    cancelled = await queues.cancel_sweep(started)
    assert cancelled.state == "cancelled"
    assert cancelled.moved <= 1
    assert (await queues.cancel_sweep(started.id)).state == "cancelled"


async def test_at_most_so_many(queues: AsyncQueues, name: str) -> None:
    for number in range(3):
        await die(queues, name, number, "no")
    ended = await queues.wait_for_sweep(await queues.redrive(f"{name}-dead", max_messages=2))
    assert ended.moved == 2


async def test_waiting_messages_are_changed_and_cancelled_by_filter(queues: AsyncQueues, name: str) -> None:
    await asyncio.gather(
        *(queues.enqueue(name, n, delay=3600, metadata={"tenant": "acme" if n % 2 else "x"}) for n in range(4))
    )
    acme = {"tenant": "acme"}
    changed = await queues.wait_for_sweep(
        await queues.update_messages(name, {"metadata": acme, "state": "delayed"}, delay=timedelta(0), priority=7)
    )
    assert (changed.state, changed.moved, changed.action) == ("done", 2, {"delay": 0, "priority": 7})
    assert sorted((seen.payload, seen.priority) for seen in await queues.peek(name)) == [(1, 7), (3, 7)]
    gone = await queues.wait_for_sweep(await queues.cancel_messages(name, {"metadata": acme}))
    assert (gone.moved, gone.action) == (2, "cancel")
    assert (await queues.get(name)).counts.delayed == 2
    assert (await queues.wait_for_sweep(await queues.cancel_messages(name, {}))).moved == 2


async def test_what_is_refused(queues: AsyncQueues, name: str) -> None:
    with pytest.raises(errors.QueueNotFound):
        await queues.redrive("no-such-queue")
    with pytest.raises(errors.SweepNotFound):
        await queues.get_sweep("0" * 20)
    with pytest.raises(errors.RequestInvalid):
        await queues.redrive(name, ids=[])
    with pytest.raises(ValueError, match="'olderThan': in Python it is 'older_than'"):
        await queues.redrive(name, filter={"olderThan": 3})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="nothing to change"):
        await queues.update_messages(name, {})
    with pytest.raises(TypeError, match="one string"):
        await queues.redrive(name, ids="m1")


def test_progress_is_told_in_the_callers_thread(server: LocalServer) -> None:
    """So it may use the client, whose own thread would wait for itself."""
    with Queues(server.api_key, url=server.url) as queues:
        queues.create("blocking")
        queues.enqueue("blocking", 1, delay=60)
        told: list[tuple[threading.Thread, int]] = []

        def on_progress(_: Sweep) -> None:
            told.append((threading.current_thread(), queues.get("blocking").counts.delayed))

        ended = queues.wait_for_sweep(queues.cancel_messages("blocking", {}), timeout=30, on_progress=on_progress)
        assert (ended.moved, told[-1]) == (1, (threading.current_thread(), 0))
        slow = queues.redrive("blocking", rate={"requests": 1, "per": "hour"}, dry_run=True)
        assert queues.wait_for_sweep(slow).ended
