"""Strikes a scene at random moments, again and again, under load.

The seed decides in which order the blows fall and when; the machine decides what that hits. At the end everything that
was enqueued has come out, and the journal is looked at.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from examples.local_server import LocalServer
from tests.faults.ledger import Ledger
from tests.faults.load import Load
from tests.faults.scenes import Scene

PROGRESS_MAX = 50
"""Enqueues between two blows, at most: a few, and there is no load in which to strike."""
MOMENT_SECONDS_MAX = 0.1
DRAIN_S = 180


@dataclass
class Struck:
    """What came of it. `checkpoints` that verified, and the `first_lsn` that was not trimmed."""

    place: str
    ledger: Ledger
    blows: Counter[str]
    checkpoints: int
    first_lsn: int


async def kill_under_load(scene: Scene, blows: dict[str, int], seed: int) -> Struck:
    """Each of `blows` as often as it says. Raises AssertionError when the journal is not good at the end."""
    moments = random.Random(seed)
    menu = [blow for blow, count in blows.items() for _ in range(count)]
    moments.shuffle(menu)
    async with scene:
        async with Load(scene.url, scene.server.api_key) as load:
            for number, blow in enumerate(menu):
                await load.progress(moments.randint(1, PROGRESS_MAX))
                await asyncio.sleep(moments.uniform(0, MOMENT_SECONDS_MAX))
                await scene.strike(blow, number)
            await asyncio.wait_for(load.drain(), DRAIN_S)
        await scene.stop()
        checkpoints = await asyncio.to_thread(_verified, scene.server)
        first_lsn = await asyncio.to_thread(_first_lsn, scene.server)
    return Struck(type(scene).__name__, load.ledger, Counter(menu), checkpoints, first_lsn)


def journal(server: LocalServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`hanzo-queues journal` beside a server that was stopped."""
    command = [str(Path(sys.executable).with_name("hanzo-queues")), "journal", *arguments]
    return subprocess.run(command, env=server.environment, capture_output=True, text=True, timeout=120, check=False)


def _verified(server: LocalServer) -> int:
    verified = journal(server, "verify")
    assert verified.returncode == 0, verified.stderr
    return int(verified.stdout.rsplit(", ", 1)[1].split()[0])


def _first_lsn(server: LocalServer) -> int:
    return int(json.loads(journal(server, "dump").stdout.splitlines()[0])["lsn"])
