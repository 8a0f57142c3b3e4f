"""Runs what sends and takes messages, and keeps the ledger of what it was told: hanzo-load (bench/load, in Rust) for
the product over HTTP, bench.peers.drive for each server through its Python client.

A generator in the language of the server would share its limits; hanzo-load costs a few microseconds a request.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from examples.local_server import LocalServer

BINARY = Path(__file__).parents[1] / "target" / "release" / "hanzo-load"


class LedgerBroken(Exception):
    """What was acknowledged is not what is there: the run is void."""


@dataclass(frozen=True)
class Run:
    """One run of a generator."""

    requests: int
    messages: int
    seconds: float
    p50_ms: float
    p99_ms: float
    ids: list[str]
    ahead_max: int = 0  # of stamped messages: how far one came before the first of its sender that was missing

    @property
    def requests_per_second(self) -> float:
        return self.requests / self.seconds

    @property
    def messages_per_second(self) -> float:
        return self.messages / self.seconds


async def generate(mode: str, address: str, **options: object) -> Run:
    """Runs `hanzo-load MODE`; raises RuntimeError when a request was not answered as hoped for."""
    return await run_generator([str(BINARY), mode, "--address", address], options)


async def run_generator(
    words: list[str], options: Mapping[str, object], environment: Mapping[str, str] | None = None
) -> Run:
    """Runs a command that prints a report and writes the ids it was told to the file `--ids`."""
    with tempfile.TemporaryDirectory(prefix="hanzo-load-") as directory:
        ids_path = Path(directory) / "ids"
        command = [*words, "--ids", str(ids_path)]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environment)
        try:
            out, _ = await process.communicate()
        finally:
            if process.returncode is None:  # this run was cancelled
                process.kill()
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} failed: {out.decode()}")
        report = json.loads(out)
        fields = {name: report[name] for name in ("requests", "messages", "seconds", "p50_ms", "p99_ms")}
        return Run(**fields, ahead_max=report.get("ahead_max", 0), ids=ids_path.read_text().split())


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
