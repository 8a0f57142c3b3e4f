"""Runs the load generator (bench/load, in Rust) and keeps the ledger of what it was told.

A generator in the language of the server would share its limits; this one costs a few microseconds a request.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from examples.local_server import LocalServer

BINARY = Path(__file__).parents[1] / "target" / "release" / "hanzo-load"


class LedgerBroken(Exception):
    """What was acknowledged is not what is there: the run is void."""


@dataclass(frozen=True)
class Run:
    """One run of the generator."""

    requests: int
    messages: int
    seconds: float
    p50_ms: float
    p99_ms: float
    ids: list[str]

    @property
    def requests_per_second(self) -> float:
        return self.requests / self.seconds

    @property
    def messages_per_second(self) -> float:
        return self.messages / self.seconds


async def generate(mode: str, address: str, **options: object) -> Run:
    """Runs `hanzo-load MODE`; raises RuntimeError when a request was not answered as hoped for."""
    with tempfile.TemporaryDirectory(prefix="hanzo-load-") as directory:
        ids_path = Path(directory) / "ids"
        words = [str(BINARY), mode, "--address", address, "--ids", str(ids_path)]
        for name, value in options.items():
            words += [f"--{name.replace('_', '-')}", str(value)]
        process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"hanzo-load {mode} failed: {out.decode()}")
        report = json.loads(out)
        fields = {name: report[name] for name in ("requests", "messages", "seconds", "p50_ms", "p99_ms")}
        return Run(**fields, ids=ids_path.read_text().split())


async def drain(server: LocalServer, queue: str, acknowledged: list[str]) -> Run:
    """Receives and acks everything; raises LedgerBroken unless it is what was acknowledged, each once."""
    address = server.url.removeprefix("http://")
    run = await generate("drain", address, key=server.api_key, queue=queue, connections=8, batch=100)
    check_ledger(acknowledged, run.ids)
    return run


def check_ledger(acknowledged: list[str], received: list[str]) -> None:
    """What was acknowledged came out once each, and nothing else did."""
    accepted, out = Counter(acknowledged), Counter(received)
    if accepted != out:
        lost, extra = accepted - out, out - accepted
        raise LedgerBroken(f"{lost.total()} acknowledged and lost, {extra.total()} too many, of {len(acknowledged)}")
