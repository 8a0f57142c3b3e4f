"""How soon a killed server hands out a message again, and what checkpoints cost: `make recovery`.

    fill, with a checkpoint now and then -> kill -9 -> start -> the first message
                '- latency of single enqueues meanwhile

Two servers, one with checkpoints and one without, run at the same time and are asked in turns: what disturbs one
disturbs both. Must not be believed on a machine that does something else.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from examples.local_server import LocalServer

BATCH = 1000
OFF = "1023GiB"


class Load:
    """One server, and requests to it."""

    def __init__(self, session: aiohttp.ClientSession, server: LocalServer, payload_bytes: int) -> None:
        self._session = session
        self.server = server
        self._headers = {"Authorization": f"Bearer {server.api_key}"}
        sizes = random.Random(1)
        entries = [{"payload": "x" * sizes.randrange(payload_bytes // 2, payload_bytes * 3 // 2)} for _ in range(BATCH)]
        self._one = json.dumps(entries[0]).encode()
        self._many = json.dumps({"messages": entries}).encode()

    async def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        headers = self._headers | ({} if body is None else {"Content-Type": "application/json"})
        url = f"{self.server.url}/v1{path}"
        async with self._session.request(method, url, data=body, headers=headers) as answer:
            text = await answer.read()
            assert answer.status < 300, text
            return text

    async def create(self) -> None:
        await self.ask("POST", "/queues", b'{"name": "mails"}')

    async def fill(self) -> None:
        await self.ask("POST", "/queues/mails/messages/batch", self._many)

    async def single_ms(self) -> float:
        started = time.perf_counter()
        await self.ask("POST", "/queues/mails/messages", self._one)
        return (time.perf_counter() - started) * 1000

    async def pass_through(self) -> None:
        """A batch that is enqueued, received and acked."""
        await self.fill()
        held = json.loads(await self.ask("GET", f"/queues/mails/messages?maxMessages={BATCH}"))["messages"]
        acks = [{"id": message["id"], "receipt": message["receipt"]} for message in held]
        await self.ask("POST", "/queues/mails/settle", json.dumps({"acks": acks}).encode())

    async def first_message_s(self) -> float:
        """Kills the server and starts it again: seconds until a message was handed out."""
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


def bytes_of(server: LocalServer, stream: str) -> int:
    """What a stream takes on disk."""
    directories = (path for path in (server.directory / "data").rglob(stream) if path.parent.name == "streams")
    return sum(file.stat().st_size for found in directories for file in found.rglob("*.blk"))


def checkpoint_bytes(log: str) -> list[int]:
    """Of each checkpoint that the log tells of."""
    return [int(count) for count in re.findall(r"checkpoint of batch \d+: \d+ blocks, (\d+) bytes", log)]


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def measure(messages: int, singles: int, passed: int, payload_bytes: int) -> dict[str, object]:
    """The figures. `messages` are queued, `singles` enqueued one by one on each server, `passed` go through."""
    environment = {"MAX_BATCH_SIZE": str(BATCH), "LOG_LEVEL": "debug"}
    without = environment | {"HANZO_CHECKPOINT_EVERY": OFF}
    servers = [LocalServer(environment=environment), LocalServer(environment=without)]
    timeout = aiohttp.ClientTimeout(total=120)
    try:
        for server in servers:
            server.start()
        async with aiohttp.ClientSession(timeout=timeout) as session:
            loads = [Load(session, server, payload_bytes) for server in servers]
            for load in loads:
                await load.create()
            for _ in range(messages // BATCH):
                await asyncio.gather(*(load.fill() for load in loads))
            before = sum(checkpoint_bytes(servers[0].log()))
            for _ in range(passed // BATCH):
                await loads[0].pass_through()
            written = sum(checkpoint_bytes(servers[0].log())) - before
            journal = passed * (payload_bytes + 100)
            latencies: list[list[float]] = [[], []]
            for number in range(singles):
                for which in (number % 2, 1 - number % 2):
                    latencies[which].append(await loads[which].single_ms())
                if number % 20 == 0:
                    await asyncio.gather(*(load.fill() for load in loads))
            seconds = [await load.first_message_s() for load in loads]
        return {
            "messages": messages,
            "first message after kill -9, s": [round(value, 2) for value in seconds],
            "enqueue p50, ms": [round(percentile(values, 0.5), 2) for values in latencies],
            "enqueue p99.9, ms": [round(percentile(values, 0.999), 2) for values in latencies],
            "checkpoints": len(checkpoint_bytes(servers[0].log())),
            "first in, first out: checkpoint bytes of journal bytes, %": round(100 * written / max(1, journal), 2),
            "bytes of both streams at the end": [
                bytes_of(servers[0], name) for name in ("HANZO_P0", "HANZO_P0_CHECKPOINTS")
            ],
        }
    finally:
        for server in servers:
            server.kill()
            server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--singles", type=int, default=5_000)
    parser.add_argument("--passed", type=int, default=300_000)
    parser.add_argument("--payload-bytes", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("bench/results/recovery.json"))
    chosen = parser.parse_args()
    figures = asyncio.run(measure(chosen.messages, chosen.singles, chosen.passed, chosen.payload_bytes))
    chosen.out.write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
