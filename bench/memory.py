"""What a server's processes take of memory and disk, as the operating system counts it."""

from __future__ import annotations

from pathlib import Path

from examples.local_server import LocalServer


def children(process_id: int) -> list[int]:
    """The processes it has started itself."""
    text = Path(f"/proc/{process_id}/task/{process_id}/children").read_text()
    return [int(word) for word in text.split()]


def peak_bytes(process_id: int) -> int:
    """The most that was resident at a time since the process began."""
    return _status_bytes(process_id, "VmHWM")


def resident_bytes(process_id: int) -> int:
    """What is resident now."""
    return _status_bytes(process_id, "VmRSS")


def nats_process(server: LocalServer) -> int:
    """Its embedded nats-server."""
    assert server.process is not None
    return children(server.process.pid)[0]


def stored_bytes(server: LocalServer, stream: str) -> int:
    """What a stream's blocks take on disk."""
    directories = (path for path in (server.directory / "data").rglob(stream) if path.parent.name == "streams")
    total = 0
    for found in directories:
        for file in found.rglob("*.blk"):
            try:
                total += file.stat().st_size
            except FileNotFoundError:  # purged meanwhile
                continue
    return total


def _status_bytes(process_id: int, name: str) -> int:
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
