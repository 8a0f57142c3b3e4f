"""Bugs of the core: a panic is an ordinary exception, and ends the engine it happened in."""

from __future__ import annotations

import pytest

from hanzo_queues._core import BatchError, Command, Engine, EngineBug
from tests.tidy.sources import ROOT
from tests.unit.core_journal import NOW_MS, CoreJournal


def test_a_panic_is_an_exception_and_ends_the_engine() -> None:
    core = CoreJournal()
    core.create("orders")
    command = core.receive_command("orders")
    with pytest.raises(EngineBug, match="time goes back") as raised:
        core.engine.step(NOW_MS - 1, [command])
    assert isinstance(raised.value, RuntimeError)
    for use in (
        lambda: core.engine.step(NOW_MS, [command]),
        lambda: core.engine.fence(NOW_MS, bytes(32)),
        lambda: core.engine.replay(3, b""),
    ):
        with pytest.raises(RuntimeError, match="of no further use"):
            use()
    assert core.replayed().lsn == 2


def test_waking_that_fails_ends_the_engine_since_the_state_went_on_without_a_batch() -> None:
    core = CoreJournal()
    core.create("orders")

    def wake(queues: object, members: object) -> list[Command]:
        raise LookupError("no such poll")

    with pytest.raises(EngineBug, match="waking failed: LookupError: no such poll"):
        core.engine.step(NOW_MS, [core.parser.enqueue("orders", b'{"payload": 1}')], wake)
    with pytest.raises(RuntimeError, match="of no further use"):
        core.engine.step(NOW_MS, [])


def test_what_brings_payloads_is_no_receive_that_waits() -> None:
    core = CoreJournal()
    core.create("orders")
    command = core.parser.enqueue("orders", b'{"payload": 1}')
    with pytest.raises(EngineBug, match="a receive brings none"):
        core.engine.step(NOW_MS, [command], lambda queues, members: [command])


def test_a_panic_of_a_fence_is_one_too() -> None:
    core = CoreJournal()
    with pytest.raises(EngineBug, match="time goes back"):
        core.engine.fence(NOW_MS - 1, bytes(32))


def test_a_journal_that_contradicts_itself_is_not_trusted() -> None:
    # Every kind of record, each well formed, in an order that no engine wrote.
    batch = (ROOT / "tests/golden/batch-v1.bin").read_bytes()
    engine = Engine(0)
    with pytest.raises(BatchError, match="contradicts the batches before it") as raised:
        engine.replay(1, batch)
    assert raised.value.reason == "malformed"
    with pytest.raises(RuntimeError, match="of no further use"):
        engine.replay(1, batch)
