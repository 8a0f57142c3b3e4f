"""The benchmarks' rounds, short: what drives product and JetStream works, and a broken ledger voids the run."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from functools import partial

import pytest

from bench.figure import Figure, Scale
from bench.generator import LedgerBroken, Run
from bench.peers.contestants import HANZO_SDK, JETSTREAM, Contestant, Server
from bench.peers.rounds import Load, compare
from bench.peers.servers import redis
from bench.report import verdict
from bench.virtual_latency import run

SHORT = Scale(rounds=1, round_seconds=0.2, latency_seconds=0, kills=0, messages=0, depth=0)
LONG = Scale(rounds=1, round_seconds=30, latency_seconds=0, kills=0, messages=0, depth=0)


@pytest.mark.parametrize("batch", [1, 100])
async def test_what_is_sent_is_taken(batch: int) -> None:
    comparison = await compare([HANZO_SDK, JETSTREAM], Load(4, batch, 200), SHORT, seed=1)
    assert comparison.skipped == {}
    for result in comparison.results.values():
        (sent,), (taken,) = result.sent, result.taken
        assert sent.messages == taken.messages == len(set(taken.ids)) > 0
    assert comparison.ratio(HANZO_SDK, JETSTREAM) is not None
    assert comparison.ratio(HANZO_SDK, HANZO_SDK, taking=True) == 1


@pytest.mark.parametrize("batch", [1, 100])
async def test_a_round_ends_when_it_has_sent_enough(batch: int) -> None:
    comparison = await compare([HANZO_SDK], Load(4, batch, 200, most=800), LONG, seed=1)
    (sent,) = comparison.results[HANZO_SDK].sent
    assert 800 <= sent.messages <= 800 + 4 * batch


@dataclass(frozen=True)
class Forgetful(Contestant):
    """Acknowledges three messages and hands out `out`."""

    out: tuple[str, ...] = ()

    async def prepare(self, address: str) -> None:
        await asyncio.sleep(0)

    async def send(
        self, address: str, tasks: int, seconds: float, payload_bytes: int, batch: int, most: int = sys.maxsize
    ) -> Run:
        return Run(3, 3, 1, 1, 1, ["a", "b", "c"])

    async def take(self, address: str, tasks: int, batch: int, expected: int) -> Run:
        return Run(1, len(self.out), 1, 1, 1, list(self.out))


@pytest.mark.parametrize("out", [("a", "b"), ("a", "b", "c", "c"), ("a", "b", "d")])
async def test_a_message_lost_or_doubled_voids_the_run(out: tuple[str, ...]) -> None:
    contestant = Forgetful("forgetful", "fsync", JETSTREAM.server, "none", out)
    with pytest.raises(LedgerBroken):
        await compare([contestant], Load(1, 1, 200), SHORT, seed=1)


async def test_a_peer_that_could_not_be_had_is_left_out_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.peers.installed.skipped", lambda: {"redis": "no such package"})
    missing = Contestant("Redis", "fsync", Server("redis", partial(redis, fsync=True)), "redis_streams")
    comparison = await compare([missing], Load(1, 1, 200), SHORT, seed=1)
    assert comparison.results == {}
    assert comparison.skipped == {"redis": "no such package"}
    assert comparison.ratio(missing, JETSTREAM) is None


@pytest.mark.parametrize(("value", "said"), [(1, "aim"), (0.8, "floor"), (0.7, "**missed**")])
def test_a_figure_says_what_it_reached(value: float, said: str) -> None:
    assert verdict(Figure("a rate", value, "x", 0.75, 0.95).json()) == said
    assert verdict(Figure("a time", -value, "ms", -0.75, -0.95, at_most=True).json()) == said


def test_a_message_finds_a_poll_that_waits() -> None:
    """With one poll of the consumer the half waits 2.9 ms, and there is nearly a commit a message."""
    waited = run(1000)
    assert waited["p50 ms"] < 2.7
    assert waited["p99 ms"] < 4
    assert waited["commits a message"] < 0.8
