"""What one request costs on the Python side of the core: parse, step, render. `pytest bench --benchmark-only`."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from hanzo_queues._core import Command, Engine, Parser, Step
from tests.tidy.sources import ROOT

NOW_MS = 1_800_000_000_000
LIMITS = {name: limit["value"] for name, limit in tomllib.loads((ROOT / "spec/limits.toml").read_text()).items()}
SINGLE = json.dumps({"payload": "x" * 1022}).encode()
BATCH = json.dumps({"messages": [{"payload": "x" * 1022}] * 100}).encode()


class Harness:
    """An engine with one queue, and the batches it decided."""

    def __init__(self) -> None:
        self.parser = Parser(LIMITS, visibility_timeout_ms=30_000, max_retries=3)
        self.engine = Engine(0)
        self.batches: dict[int, bytes] = {}
        self.keep(self.engine.fence(NOW_MS, b"s" * 32))
        self.step([self.parser.create_queue(b'{"name": "bench"}')])

    def step(self, commands: list[Command]) -> Step:
        return self.keep(self.engine.step(NOW_MS, commands))

    def keep(self, step: Step) -> Step:
        if step.batch is not None:
            self.batches[step.lsn] = step.batch
        return step


@pytest.fixture
def harness() -> Harness:
    return Harness()


def test_parse_single(benchmark: BenchmarkFixture, harness: Harness) -> None:
    benchmark(harness.parser.enqueue, "bench", SINGLE)


def test_parse_batch_of_100(benchmark: BenchmarkFixture, harness: Harness) -> None:
    benchmark(harness.parser.enqueue_batch, "bench", BATCH)


@pytest.mark.parametrize("commands", [1, 64])
def test_step_enqueues(benchmark: BenchmarkFixture, harness: Harness, commands: int) -> None:
    parsed = [harness.parser.enqueue("bench", SINGLE) for _ in range(commands)]
    benchmark(harness.engine.step, NOW_MS, parsed)


def test_render_an_enqueue(benchmark: BenchmarkFixture, harness: Harness) -> None:
    (reply,) = harness.step([harness.parser.enqueue("bench", SINGLE)]).replies
    assert b'"id"' in benchmark(reply.render, {})


def test_render_a_receive_of_100(benchmark: BenchmarkFixture, harness: Harness) -> None:
    harness.step([harness.parser.enqueue_batch("bench", BATCH)])
    options: dict[str, Any] = {"group": None, "consumer": None, "messages_max": 100, "visibility_timeout_ms": None}
    (reply,) = harness.step([harness.parser.receive("bench", **options)]).replies
    assert reply.message_count == 100
    assert benchmark(reply.render, harness.batches).count(b'"receipt"') == 100


def test_receive_and_ack(benchmark: BenchmarkFixture, harness: Harness) -> None:
    """One message's whole life after its enqueue, a command a step."""

    def life() -> None:
        harness.step([harness.parser.enqueue("bench", SINGLE)])
        options: dict[str, Any] = {"group": None, "consumer": None, "messages_max": 1, "visibility_timeout_ms": None}
        (reply,) = harness.step([harness.parser.receive("bench", **options)]).replies
        (message,) = json.loads(reply.render(harness.batches))["messages"]
        harness.step([harness.parser.ack(message["id"], json.dumps({"receipt": message["receipt"]}).encode())])
        harness.batches.clear()

    benchmark(life)
