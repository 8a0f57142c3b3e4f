"""Drives one server through its usual Python client: `python -m bench.peers.drive DRIVER MODE --address ...`.

    prepare      makes the queue
    send         one message a call, each of `--tasks` tasks its next one when the last is stored, for `--seconds` or
                 until `--most` are stored
    send-batch   the same, `--batch` messages a call
    take         receives and acknowledges `--batch` at a time, until `--expected` messages are done

Prints what hanzo-load prints, and writes the ids to `--ids`: the same ledger for all. Runs in the environment that has
the client, and imports nothing of the product but for its own driver.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from bench.peers.drivers import Driver

PATIENCE_SECONDS = 120.0


class Tally:
    """What all tasks of a run did."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.latencies: list[float] = []
        self.started = self.ended = time.perf_counter()

    def count(self, ids: list[str], since: float) -> None:
        self.ended = time.perf_counter()
        self.ids += ids
        self.latencies.append(self.ended - since)

    def report(self) -> str:
        ordered = sorted(self.latencies) or [0.0]
        percentiles = {
            f"p{percent}_ms": 1000 * ordered[round((len(ordered) - 1) * percent / 100)] for percent in (50, 99)
        }
        seconds = max(self.ended - self.started, 1e-9)
        counts = {"requests": len(self.latencies), "messages": len(self.ids), "seconds": seconds}
        return json.dumps({**counts, **percentiles})


async def drive(driver: Driver, chosen: argparse.Namespace) -> Tally:
    """Runs the mode."""
    payload = "x" * (chosen.payload_bytes - 2)
    await driver.open(chosen.address, chosen.tasks)
    tally = Tally()
    try:
        async with asyncio.timeout(chosen.seconds + PATIENCE_SECONDS):
            match chosen.mode:
                case "prepare":
                    await driver.prepare()
                case "send":
                    await send(tally, chosen, lambda number: _one(driver, number, payload))
                case "send-batch":
                    payloads = [payload] * chosen.batch
                    await send(tally, chosen, lambda number: driver.send_batch(number, payloads))
                case "take":
                    await take(tally, chosen, driver)
    finally:
        await driver.close()
    return tally


async def _one(driver: Driver, number: int, payload: str) -> list[str]:
    return [await driver.send(number, payload)]


async def send(tally: Tally, chosen: argparse.Namespace, call: Callable[[int], Awaitable[list[str]]]) -> None:
    until = time.perf_counter() + chosen.seconds

    async def loop(number: int) -> None:
        while (since := time.perf_counter()) < until and len(tally.ids) < chosen.most:
            tally.count(await call(number), since)

    await asyncio.gather(*map(loop, range(chosen.tasks)))


async def take(tally: Tally, chosen: argparse.Namespace, driver: Driver) -> None:
    async def loop(number: int) -> None:
        while len(tally.ids) < chosen.expected:
            since = time.perf_counter()
            if taken := await driver.take(number, chosen.batch):
                tally.count(taken, since)

    await asyncio.gather(*map(loop, range(chosen.tasks)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("driver")
    parser.add_argument("mode", choices=["prepare", "send", "send-batch", "take"])
    parser.add_argument("--address", required=True)
    parser.add_argument("--tasks", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--most", type=int, default=sys.maxsize)
    parser.add_argument("--payload-bytes", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--expected", type=int, default=0)
    parser.add_argument("--ids", type=Path)
    chosen = parser.parse_args()
    driver: Driver = importlib.import_module(f"bench.peers.drivers.{chosen.driver}").DRIVER()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        tally = runner.run(drive(driver, chosen))
    if chosen.ids is not None:
        chosen.ids.write_text("\n".join(tally.ids))
    print(tally.report())


if __name__ == "__main__":
    main()
