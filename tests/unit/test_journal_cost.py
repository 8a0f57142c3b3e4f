"""What a message costs in the journal, counted and not timed: bytes beside its payload, and batches.

The numbers are gates. One that must grow is a decision: raise it in the change that needs it, and say why.
"""

from __future__ import annotations

import json
import tomllib
from typing import Any

from hanzo_queues._core import Command, Engine, Parser, Step
from tests.tidy.sources import ROOT

NOW_MS = 1_800_000_000_000
LIMITS = {name: limit["value"] for name, limit in tomllib.loads((ROOT / "spec/limits.toml").read_text()).items()}
MESSAGES = 1000
PAYLOAD = "x" * 98

BYTES_PER_ENQUEUE_MAX = 22
BYTES_PER_LEASE_MAX = 6
BYTES_PER_ACK_MAX = 7


class Counted:
    """An engine with one queue."""

    def __init__(self) -> None:
        self.parser = Parser(LIMITS, visibility_timeout_ms=30_000, max_retries=3)
        self.engine = Engine(0)
        self.batches: dict[int, bytes] = {}
        self.keep(self.engine.fence(NOW_MS, b"s" * 32))
        self.step([self.parser.create_queue(b'{"name": "counted"}')])

    def step(self, commands: list[Command]) -> Step:
        return self.keep(self.engine.step(NOW_MS, commands))

    def keep(self, step: Step) -> Step:
        assert step.batch is not None
        self.batches[step.lsn] = step.batch
        return step

    def enqueue(self) -> Step:
        body = json.dumps({"payload": PAYLOAD}).encode()
        return self.step([self.parser.enqueue("counted", body) for _ in range(MESSAGES)])

    def receive(self) -> Step:
        options: dict[str, Any] = {"group": None, "consumer": None, "messages_max": 100, "visibility_timeout_ms": None}
        return self.step([self.parser.receive("counted", **options) for _ in range(MESSAGES // 100)])

    def ack(self, received: Step) -> Step:
        answers = (json.loads(reply.render(self.batches)) for reply in received.replies)
        messages = [message for answer in answers for message in answer["messages"]]
        assert len(messages) == MESSAGES
        receipts = ((message["id"], json.dumps({"receipt": message["receipt"]}).encode()) for message in messages)
        return self.step([self.parser.ack(id, body) for id, body in receipts])


def bytes_per_message(step: Step) -> float:
    assert step.batch is not None
    return len(step.batch) / MESSAGES


def test_a_step_is_one_batch_however_many_commands_it_has() -> None:
    counted = Counted()
    before = counted.engine.lsn
    counted.enqueue()
    assert counted.engine.lsn == before + 1


def test_bytes_a_message() -> None:
    counted = Counted()
    assert bytes_per_message(counted.enqueue()) - (len(PAYLOAD) + 2) <= BYTES_PER_ENQUEUE_MAX
    received = counted.receive()
    assert bytes_per_message(received) <= BYTES_PER_LEASE_MAX
    assert bytes_per_message(counted.ack(received)) <= BYTES_PER_ACK_MAX
