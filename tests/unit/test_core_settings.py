"""What the server sets of the core: defaults, the number of queues, and what a command says of its size."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hanzo_queues._core import Engine
from tests.unit.core_journal import LIMITS, NOW_MS, CoreJournal, new_parser


def with_engine(**settings: int) -> CoreJournal:
    core = CoreJournal()
    core.engine = Engine(0, **settings)
    core.batches = {}
    core.keep(core.engine.fence(NOW_MS, bytes(32)))
    return core


def test_a_dead_letter_queue_made_by_name_has_a_new_queue_s_settings() -> None:
    for core in (CoreJournal(), with_engine(visibility_timeout_ms=60_000, max_retries=5)):
        core.create("mails", deadLetterQueue="mails-dlq")
        made = core.ask(core.parser.get_queue("mails-dlq"))["config"]
        core.parser = new_parser()
        core.create("new")
        new = core.ask(core.parser.get_queue("new"))["config"]
        assert {k for k in new if new[k] != made[k]} <= {"visibilityTimeout", "maxRetries"}
    assert (made["visibilityTimeout"], made["maxRetries"]) == (60, 5)


def test_queues_are_bounded() -> None:
    core = with_engine(queues_max=2)
    core.create("a")
    body = b'{"name": "b", "config": {"deadLetterQueue": "c"}}'
    assert core.refused(core.parser.create_queue(body)) == "queues_exhausted"
    core.create("b", deadLetterQueue="a")
    assert core.refused(core.parser.create_queue(b'{"name": "c"}')) == "queues_exhausted"


def _settle(core: CoreJournal) -> bytes:
    core.create("orders")
    for _ in range(3):
        core.enqueue("orders", 1)
    entries = [{"id": m["id"], "receipt": m["receipt"]} for m in core.receive("orders")]
    return json.dumps({"acks": entries[:1], "nacks": entries[1:2], "extends": entries[2:]}).encode()


def test_a_command_says_how_many_messages_it_touches() -> None:
    core = CoreJournal()
    settle = core.parser.settle("orders", _settle(core))
    batch = core.parser.enqueue_batch("q", b'{"messages": [{"payload": 1}, {"payload": 2}]}')
    peek = core.parser.peek("q", state=None, after=None, limit=7)
    commands: list[Any] = [settle, batch, peek, core.receive_command("q", 9), core.parser.get_queue("q")]
    assert [command.messages_max for command in commands] == [3, 2, 7, 9, 1]


@pytest.mark.parametrize("limit", [1000, LIMITS["answer_bytes_max"]])
def test_an_answer_is_bounded_in_bytes(limit: int) -> None:
    core = CoreJournal()
    core.parser = new_parser(answer_bytes_max=limit)
    core.create("orders")
    for _ in range(4):
        core.enqueue("orders", "x" * 450)
    page = core.ask(core.parser.peek("orders", state=None, after=None, limit=10))
    assert (len(page["messages"]), page["next"] is None) == ((2, False) if limit == 1000 else (4, True))
    assert len(core.receive("orders")) == len(page["messages"])
