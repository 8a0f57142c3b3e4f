"""The blocking facade: many threads, forks, interrupts and the end."""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

import hanzo
import hanzo_queues
from hanzo_queues import AsyncQueues, Queues, errors
from tests.unit.client_stand_in import StandIn, accepted


@pytest.fixture
def server() -> StandIn:
    return StandIn(accepted)


@pytest.fixture
def queues(server: StandIn) -> Iterator[Queues]:
    with Queues("key", url="http://stand-in") as client:
        client._background._make = server.client
        yield client


def test_many_threads_share_requests(server: StandIn, queues: Queues) -> None:
    with ThreadPoolExecutor(16) as threads:
        results = list(threads.map(lambda number: queues.enqueue("q", number), range(200)))
    assert [result.id for result in results] == [str(number) for number in range(200)]
    assert len(server.asked) < 200


def test_errors_are_raised_in_the_calling_thread(queues: Queues) -> None:
    with pytest.raises(errors.DedupConflict):
        queues.enqueue("q", "bad")


def test_every_method_of_the_core_is_there_with_its_arguments() -> None:
    for name, method in vars(AsyncQueues).items():
        if inspect.iscoroutinefunction(method) and not name.startswith("_"):
            twin = getattr(Queues, name)
            wanted, found = inspect.signature(method).parameters, inspect.signature(twin).parameters
            assert list(wanted) == list(found), name
            assert twin.__doc__, name


def test_after_close_calls_are_refused(queues: Queues) -> None:
    queues.enqueue("q", 1)
    queues.close()
    queues.close()
    with pytest.raises(errors.ClientClosed):
        queues.enqueue("q", 1)


def test_close_ends_the_thread(queues: Queues) -> None:
    queues.enqueue("q", 1)
    assert "hanzo-queues" in [thread.name for thread in threading.enumerate()]
    queues.close()
    assert "hanzo-queues" not in [thread.name for thread in threading.enumerate()]


def test_close_ends_calls_that_wait_in_other_threads(server: StandIn, queues: Queues) -> None:
    begun = threading.Event()

    async def deaf(client: AsyncQueues) -> None:
        begun.set()
        await asyncio.Event().wait()  # which no close of the client ends

    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(queues._background.call, deaf)
        assert begun.wait(10)
        queues.close()
        with pytest.raises(errors.ClientClosed):
            call.result(10)


def test_a_call_on_the_clients_own_loop_is_an_error_and_no_deadlock(queues: Queues) -> None:
    async def inside(client: AsyncQueues) -> Any:
        return queues.enqueue("q", 1)

    with pytest.raises(RuntimeError, match="wait for itself"):
        queues._background.call(inside)


async def test_run_where_a_loop_runs_says_what_to_do(queues: Queues) -> None:
    queues.consumer("q")(lambda message: None)
    with pytest.raises(RuntimeError, match="AsyncQueues"):
        queues.run()


def test_interrupting_the_wait_cancels_the_call(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled = threading.Event()

    async def forever(client: AsyncQueues) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def running(client: AsyncQueues) -> bool:
        return any("forever" in repr(task.get_coro()) for task in asyncio.all_tasks())

    result = Future.result

    def first_interrupted(future: Future[None], timeout: float | None = None) -> None:
        monkeypatch.setattr(Future, "result", result)
        while not queues._background.call(running):
            pass
        raise KeyboardInterrupt

    monkeypatch.setattr(Future, "result", first_interrupted)
    with pytest.raises(KeyboardInterrupt):
        queues._background.call(forever)
    assert cancelled.wait(10)


def test_a_child_process_has_a_loop_of_its_own(server: StandIn, queues: Queues) -> None:
    queues.enqueue("q", 1)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if queues.enqueue("q", 2).id == "2" else 1
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert queues.enqueue("q", 3).id == "3"


def test_what_is_left_open_is_closed_at_exit() -> None:
    code = """
from hanzo import Queues, errors
queues = Queues("key", url="http://127.0.0.1:1", retries_max=0)
try:
    queues.get("q")
except errors.ServerUnreachable:
    print("away")
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "away\n", "")


def test_both_packages_export_the_same() -> None:
    assert sorted(hanzo.__all__) == sorted(hanzo_queues.__all__)
    for name in hanzo.__all__:
        assert getattr(hanzo, name) is getattr(hanzo_queues, name)
    with pytest.raises(AttributeError, match="nothing_here"):
        hanzo_queues.nothing_here  # noqa: B018


def test_the_server_pays_nothing_for_the_client() -> None:
    code = "import sys, hanzo_queues; assert 'hanzo_queues.client' not in sys.modules; hanzo_queues.Queues"
    assert subprocess.run([sys.executable, "-c", code], timeout=30).returncode == 0
