"""The processes of a server under test, and their violent end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from examples.local_server import LocalServer


def kill(server: LocalServer, victim: str) -> None:
    """kill -9 of `server`, `nats-server` or `both`; starts again what does not start by itself, and returns when the
    server is ready."""
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
