"""Rounds of all contestants in turn: fill, then take everything out again. So noise hits all of them, each begins with
an empty queue, and every round has its ledger."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bench.figure import Scale
from bench.generator import Run, check_ledger
from bench.peers.contestants import Contestant
from bench.peers.installed import Missing


@dataclass
class Result:
    """What one contestant did in all rounds."""

    contestant: Contestant
    sent: list[Run] = field(default_factory=list)
    taken: list[Run] = field(default_factory=list)

    @property
    def send_rate(self) -> float:
        return median(run.messages_per_second for run in self.sent)

    @property
    def take_rate(self) -> float:
        return median(run.messages_per_second for run in self.taken)

    def json(self) -> dict[str, Any]:
        taken = {"take/s": [round(run.messages_per_second) for run in self.taken]} if self.taken else {}
        return {
            "name": self.contestant.name,
            "durability": self.contestant.durability,
            "send/s": [round(run.messages_per_second) for run in self.sent],
            **taken,
            "send p50 ms": round(median(run.p50_ms for run in self.sent), 2),
            "send p99 ms": round(median(run.p99_ms for run in self.sent), 2),
            "messages": sum(run.messages for run in self.sent),
        }


@dataclass(frozen=True)
class Load:
    """One question: `batch` messages a call, from `tasks` callers at once. A round sends `most` messages at most: who
    sends faster than others would have to take from a longer queue than they."""

    tasks: int
    batch: int
    payload_bytes: int
    most: int = 100_000


def ratio_of_rounds(rates: Sequence[float], references: Sequence[float]) -> float:
    """Rates of the same rounds: the median of their ratios."""
    return median(rate / reference for rate, reference in zip(rates, references, strict=True))


@dataclass
class Comparison:
    """The results by contestant, and who was left out and why."""

    results: dict[Contestant, Result]
    skipped: dict[str, str]

    def ratio(self, of: Contestant, to: Contestant, *, taking: bool = False) -> float | None:
        """The median of the ratios of all rounds, so that what slows a round down slows both; None when one was left
        out."""
        if of not in self.results or to not in self.results:
            return None
        pairs = [self.results[one].taken if taking else self.results[one].sent for one in (of, to)]
        return ratio_of_rounds(*([run.messages_per_second for run in runs] for runs in pairs))


async def compare(contestants: Sequence[Contestant], load: Load, scale: Scale, seed: int) -> Comparison:
    """Runs all rounds. The order within a round is drawn from `seed`. Raises LedgerBroken."""
    skipped: dict[str, str] = {}
    addresses: dict[str, str] = {}
    results: dict[Contestant, Result] = {}
    order = random.Random(seed)
    async with AsyncExitStack() as stack:
        for contestant in contestants:
            server = contestant.server
            if server.name not in addresses and server.name not in skipped:
                try:
                    addresses[server.name] = await stack.enter_async_context(server.start())
                    await contestant.prepare(addresses[server.name])
                except Missing as missing:
                    skipped[server.name] = str(missing)
            if server.name in addresses:
                results[contestant] = Result(contestant)
        for _ in range(scale.rounds):
            for result in order.sample(list(results.values()), len(results)):
                await play(result, addresses[result.contestant.server.name], load, scale.round_seconds)
    return Comparison(results, skipped)


async def play(result: Result, address: str, load: Load, seconds: float) -> None:
    """One round of one contestant."""
    contestant = result.contestant
    sent = await contestant.send(address, load.tasks, seconds, load.payload_bytes, load.batch, load.most)
    result.sent.append(sent)
    shown = f"{contestant.name} ({contestant.durability}): {sent.messages_per_second:,.0f}/s in"
    if contestant.durability != "none":
        taken = await contestant.take(address, 8, 100, sent.messages)
        check_ledger(sent.ids, taken.ids)
        result.taken.append(taken)
        shown += f", {taken.messages_per_second:,.0f}/s out"
    print(shown, file=sys.stderr, flush=True)
