"""What checkpoints cost, and how soon a killed server hands out a message again: `make recovery`.

    fill two servers, one with checkpoints, one without -> enqueue one by one on both in turns: latency
                                                        -> pass messages through the first: bytes of checkpoints
                                                        -> kill -9 of it, alone and with its nats-server: first message

Both servers run at the same time: what disturbs one disturbs both. Takes 2.4 KB of disk a message. Must not be believed
on a machine that does something else.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import time
from collections.abc import Sequence

import aiohttp

from bench.backlog import BATCH, CONNECTIONS, load
from bench.figure import Figure
from bench.machine import Since
from bench.measured import Measured
from bench.memory import nats_process, resident_bytes, stored_bytes
from examples.local_server import LocalServer

OFF = "1023GiB"
FILL = 1000
BETWEEN_FILLS = 20
TAKEN = re.compile(
    r"checkpoint of batch \d+: \d+ blocks, (?P<written>\d+) bytes for (?P<journal>\d+) of the journal, "
    r"no step over (?P<step>[\d.]+) ms"
)


class Asked:
    """One server, and requests to it."""

    def __init__(self, session: aiohttp.ClientSession, server: LocalServer, payload_bytes: int) -> None:
        self._session = session
        self.server = server
        self._headers = {"Authorization": f"Bearer {server.api_key}"}
        sizes = random.Random(1)
        entries = [{"payload": "x" * sizes.randrange(payload_bytes // 2, payload_bytes * 3 // 2)} for _ in range(FILL)]
        self._one = json.dumps(entries[0]).encode()
        self._many = json.dumps({"messages": entries}).encode()

    async def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        headers = self._headers | ({} if body is None else {"Content-Type": "application/json"})
        url = f"{self.server.url}/v1{path}"
        async with self._session.request(method, url, data=body, headers=headers) as answer:
            text = await answer.read()
            assert answer.status < 300, text
            return text

    async def fill(self) -> None:
        await self.ask("POST", "/queues/mails/messages/batch", self._many)

    async def single_ms(self) -> float:
        started = time.perf_counter()
        await self.ask("POST", "/queues/mails/messages", self._one)
        return (time.perf_counter() - started) * 1000

    async def first_message_s(self, *, with_nats: bool) -> float:
        """Kills the server, and its nats-server too or not, and starts it: seconds until a message was handed out."""
        await self.single_ms()
        if with_nats:
            os.kill(nats_process(self.server), signal.SIGKILL)
        self.server.kill()
        started = time.perf_counter()
        self.server.spawn()
        while True:
            try:
                answer = await self.ask("GET", "/queues/mails/messages?maxMessages=1")
                assert json.loads(answer)["messages"]
                return time.perf_counter() - started
            except (aiohttp.ClientError, AssertionError):
                await asyncio.sleep(0.02)


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def taken(log: str) -> list[tuple[int, int, float]]:
    """Of each checkpoint the log tells of: its bytes, those of the journal since the one before, its longest step."""
    return [(int(one["written"]), int(one["journal"]), float(one["step"])) for one in TAKEN.finditer(log)]


async def latencies(asked: Sequence[Asked], singles: int) -> list[list[float]]:
    """Of single enqueues on each server, in turns, between batches that make checkpoints come due."""
    found: list[list[float]] = [[] for _ in asked]
    for number in range(singles):
        for which in (number % 2, 1 - number % 2):
            found[which].append(await asked[which].single_ms())
        if number % BETWEEN_FILLS == 0:
            await asyncio.gather(*(one.fill() for one in asked))
    return found


async def measure(messages: int, singles: int, passed: int, payload_bytes: int) -> list[Figure]:
    """The figures. `messages` are queued, `singles` enqueued one by one on each server, `passed` go through."""
    environment = {"MAX_BATCH_SIZE": str(FILL), "LOG_LEVEL": "debug"}
    without = environment | {"HANZO_CHECKPOINT_EVERY": OFF}
    servers = [LocalServer(environment=environment), LocalServer(environment=without)]
    timeout = aiohttp.ClientTimeout(total=120)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            asked = [Asked(session, server, payload_bytes) for server in servers]
            for one in asked:
                one.server.start()
                for name in ("mails", "passing"):
                    await one.ask("POST", "/queues", json.dumps({"name": name}).encode())
                await load(one.server, "fill", "mails", messages, batch=FILL)
            filled = len(taken(servers[0].log()))
            found = await latencies(asked, singles)
            during = taken(servers[0].log())[filled:]
            servers[1].close()
            await load(servers[0], "pass", "passing", passed)
            through = taken(servers[0].log())[filled + len(during) :]
            kept = stored_bytes(servers[0], "HANZO_P0_CHECKPOINTS")
            alone_s = await asked[0].first_message_s(with_nats=False)
            assert servers[0].process is not None
            resident = resident_bytes(servers[0].process.pid)
            both_s = await asked[0].first_message_s(with_nats=True)
    finally:
        for server in servers:
            server.kill()
            server.close()
    on, off = (percentile(values, 0.999) for values in found)
    share = 100 * sum(written for written, _, _ in through) / max(1, sum(journal for _, journal, _ in through))
    name = f"{messages:,} x 1 KB queued"
    goal_s = 2 if messages <= 1_000_000 else 10
    starts = {"with its nats-server killed too, s": round(both_s, 2), "server MB then": resident // 10**6}
    pause = {
        "p99.9 on, ms": round(on, 2),
        "off, ms": round(off, 2),
        "p50 on, ms": round(percentile(found[0], 0.5), 2),
        "p50 off, ms": round(percentile(found[1], 0.5), 2),
        "checkpoints": len(during),
    }
    longest = max(step for _, _, step in during)
    return [
        Figure(f"{name}: first message after kill -9", alone_s, "s", goal_s, at_most=True, details=starts),
        Figure(f"{name}: p99.9 of an enqueue, on over off", on - off, "ms", 5, at_most=True, details=pause),
        Figure(f"{name}: longest step of a checkpoint", longest, "ms of CPU", 5, at_most=True),
        Figure(
            f"{name}: checkpoint bytes of journal bytes", share, "%", 10, at_most=True,
            details={"checkpoints": len(through), "MB that they take": kept // 10**6},
        ),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--singles", type=int, default=10_000)
    parser.add_argument("--passed", type=int, default=400_000)
    parser.add_argument("--payload-bytes", type=int, default=1000)
    parser.add_argument("--write", action="store_true", help="write the figures to bench/results")
    chosen = parser.parse_args()
    since = Since()
    each = CONNECTIONS * FILL
    passed = chosen.passed // (CONNECTIONS * BATCH) * CONNECTIONS * BATCH
    figures = asyncio.run(measure(chosen.messages // each * each, chosen.singles, passed, chosen.payload_bytes))
    Measured(figures).tell("recovery", since, write=chosen.write)


if __name__ == "__main__":
    main()
