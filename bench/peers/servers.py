"""Starts the peers' servers: free ports, temporary directories, settings that favour each within its durability."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.peers.installed import environment, program, rabbitmq_server, require
from bench.processes import running
from examples.local_server import free_port


@asynccontextmanager
async def redis(*, fsync: bool) -> AsyncIterator[str]:
    """Redis with an append-only file: synced before each answer (`always`), or every second. No snapshots."""
    async with redis_process(fsync=fsync) as (address, _):
        yield address


@asynccontextmanager
async def redis_process(*, fsync: bool) -> AsyncIterator[tuple[str, int]]:
    """The same, with the number of its process."""
    require("redis", "python")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="hanzo-bench-redis-") as directory:
        durability = ["--appendonly", "yes", "--appendfsync", "always" if fsync else "everysec", "--save", ""]
        listen = ["--bind", "127.0.0.1", "--port", str(port), "--dir", directory, "--maxmemory-policy", "noeviction"]
        async with running([program("redis-server"), *listen, *durability], port, environment()) as process:
            yield f"redis://127.0.0.1:{port}", process.pid


@asynccontextmanager
async def rabbitmq() -> AsyncIterator[str]:
    """RabbitMQ; the driver makes a quorum queue, whose log is synced before a confirm. Its port mapper is our own."""
    require("rabbitmq", "python")
    script, port, mapper_port = rabbitmq_server(), free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="hanzo-bench-rabbitmq-") as name:
        directory = Path(name)
        (directory / "plugins").write_text("[].\n")
        limits = "vm_memory_high_watermark.absolute = 4GB\ndisk_free_limit.absolute = 1MB\n"
        (directory / "rabbitmq.conf").write_text(limits)
        variables = {
            "HOME": name,
            "ERL_EPMD_PORT": str(mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"bench{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
            "RABBITMQ_LOG_BASE": str(directory / "log"),
            "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(directory / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
        }
        its_environment = {**environment(), **variables}
        mapper = [program("epmd"), "-port", str(mapper_port), "-address", "127.0.0.1"]
        async with (
            running(mapper, mapper_port, its_environment),
            running([script], port, its_environment),
        ):
            yield f"amqp://guest:guest@127.0.0.1:{port}/"


@asynccontextmanager
async def postgres() -> AsyncIterator[str]:
    """PostgreSQL as it comes (fsync, synchronous commits), with more memory. It refuses root: then `nobody` runs it."""
    require("postgres", "python")
    port = free_port()
    user = "nobody" if os.geteuid() == 0 else None
    directory = Path(tempfile.mkdtemp(prefix="hanzo-bench-postgres-"))
    try:
        if user is not None:
            os.chown(directory, pwd.getpwnam(user).pw_uid, -1)
        data = str(directory / "data")
        initdb = [program("initdb"), "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--no-locale"]
        made = await asyncio.to_thread(
            subprocess.run, initdb, env=environment(), user=user, cwd=directory, capture_output=True, text=True
        )
        if made.returncode != 0:
            raise RuntimeError(f"initdb failed: {made.stderr}")
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": directory,
            "max_connections": 200,
            "shared_buffers": "1GB",
            "max_wal_size": "4GB",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        async with running([program("postgres"), "-D", data, *options], port, environment(), user):
            yield f"postgresql://bench@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(directory, ignore_errors=True)
