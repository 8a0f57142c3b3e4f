"""Kills a server or its nats-server (-9) at random moments, again and again, under load.

The seed decides who is killed and when; the machine decides what that hits. Returns the ledger once everything that was
enqueued has come out.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from pathlib import Path

from examples.local_server import LocalServer
from tests.faults.ledger import Ledger
from tests.faults.load import Load

MOMENT_SECONDS_MAX = 1.2
VICTIMS = ("server", "nats-server", "both")


async def kill_under_load(kills: int, seed: int) -> tuple[Ledger, Counter[str]]:
    """The ledger, and how often each victim was killed."""
    moments = random.Random(seed)
    killed: Counter[str] = Counter()
    with LocalServer() as server:
        async with Load(server.url, server.api_key) as load:
            for _ in range(kills):
                await asyncio.sleep(moments.uniform(0.05, MOMENT_SECONDS_MAX))
                victim = moments.choice(VICTIMS)
                killed[victim] += 1
                await asyncio.to_thread(kill, server, victim)
            await asyncio.wait_for(load.drain(), 120)
        return load.ledger, killed


def kill(server: LocalServer, victim: str) -> None:
    """Kills, starts again what does not start by itself, and returns when the server is ready."""
    if victim != "server":
        for child in nats_servers_of(server):
            os.kill(child, signal.SIGKILL)
    if victim != "nats-server":
        server.kill()
        server.spawn()
    server.wait_ready()


def nats_servers_of(server: LocalServer) -> list[int]:
    """Process ids of the nats-servers that this server started."""
    if server.process is None:
        return []
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            before, _, after = status.read_text().rpartition(")")
        except OSError:
            continue  # it ended meanwhile
        process, _, name = before.partition(" (")
        parent = int(after.split()[1])
        if name.startswith("nats-server") and is_descendant(parent, server.process.pid):
            found.append(int(process))
    return found


def is_descendant(process: int, ancestor: int) -> bool:
    """Whether `ancestor` is `process` or one of its parents."""
    while process > 1 and process != ancestor:
        try:
            process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return process == ancestor
