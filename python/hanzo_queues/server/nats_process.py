"""One life of an embedded nats-server process: its configuration, its start, its end.

    it ends with this process, however that ends (Linux: the kernel tells it; elsewhere: at the next start, by its pid)

It is asked to end, not killed: then it leaves an index of its blocks, without which its next start reads and verifies
every byte that is stored. One that does not end in time is killed. Knows nothing of why it is started or ended.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from contextlib import suppress
from pathlib import Path

from hanzo_queues.server.child_process import command_line, die_with_parent, end_and_wait, processor_ticks
from hanzo_queues.server.data_directory import DataDirectory

logger = logging.getLogger(__name__)

STORE_DIRECTORY = "jetstream"  # in the data directory
MAX_PAYLOAD_BYTES = 8 * 1024 * 1024
LOG_BYTES_MAX = 10 * 1024 * 1024
LAST_WORDS_BYTES = 4096
CONFIG_BYTES = 8192  # more than any configuration has
TERMINATE_TIMEOUT_S = 5.0
MEMORY_BYTES_MIN = 128 * 1024 * 1024
MEMORY_BYTES_MAX = 2 * 1024 * 1024 * 1024
CGROUP_MEMORY_MAX = Path("/sys/fs/cgroup/memory.max")


class NatsProcess:
    """The process of one data directory. At most one runs."""

    def __init__(self, directory: DataDirectory, program: Path) -> None:
        self._directory = directory
        self._program = program
        self._config_path = directory.path / "nats-server.conf"
        self._pid_path = directory.path / "nats-server.pid"
        self._log_path = directory.path / "nats-server.log"
        self.store_path = directory.path / STORE_DIRECTORY
        self._process: asyncio.subprocess.Process | None = None

    @property
    def process_id(self) -> int | None:
        """Of the process, while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    @property
    def processor_ticks(self) -> int | None:
        """How much processor time it has used, in a unit of the system's: a process that works uses more and more.
        None when that can't be told."""
        return None if self.process_id is None else processor_ticks(self.process_id)

    def configure(self, *, server_name: str, port: int, token: str, store_bytes_max: int) -> None:
        """Writes the configuration that the next `start` or `reload` reads. Loopback only, no monitoring port, every
        write synced. Raises OSError."""
        config = {
            "server_name": server_name,
            "host": "127.0.0.1",
            "port": port,
            "max_payload": MAX_PAYLOAD_BYTES,
            "authorization": {"token": token},
            "pid_file": str(self._pid_path),
            "log_file": str(self._log_path),
            "logfile_size_limit": LOG_BYTES_MAX,
            "logfile_max_num": 3,
            "jetstream": {
                "store_dir": str(self.store_path),
                "sync_interval": "always",
                "max_file_store": store_bytes_max,
            },
        }
        _overwrite(self._config_path, json.dumps(config, indent=2, ensure_ascii=False).encode())

    async def start(self) -> None:
        """Starts it, in a session of its own: a Ctrl-C at the terminal is ours, and ends it after us."""
        self._process = await asyncio.create_subprocess_exec(
            str(self._program),
            "-c",
            str(self._config_path),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={"GOMEMLIMIT": f"{_memory_bytes()}B", **os.environ},
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )

    def reload(self) -> None:
        """Has it read its configuration again, while it runs."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGHUP)

    async def ended(self) -> int:
        """Returns its exit code when it ends; at once when it does not run."""
        return 0 if self._process is None else await self._process.wait()

    async def kill(self) -> None:
        """Ends it now, also when it is frozen."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        """Ends it in order, and by force when that takes longer than 5 s."""
        if self._process is None or self._process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            self._process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(TERMINATE_TIMEOUT_S):
                await self._process.wait()
        await self.kill()

    def end_leftover(self) -> None:
        """Ends a nats-server that a killed server left on this directory. Blocks until it is gone."""
        try:
            pid = int(self._pid_path.read_text())
        except (OSError, ValueError):
            return
        if not self._is_ours(pid):
            return
        logger.warning("embedded nats-server: ending process %d, left by an earlier server", pid)
        with suppress(ProcessLookupError):
            end_and_wait(pid, TERMINATE_TIMEOUT_S)

    def last_words(self) -> str:
        """The end of its log, for people."""
        try:
            with self._log_path.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - LAST_WORDS_BYTES))
                lines = log.read().decode(errors="replace").splitlines()
        except OSError:
            return "it wrote no log"
        return " | ".join(lines[-3:])

    def _is_ours(self, pid: int) -> bool:
        """Whether process `pid` runs with our configuration file: a pid alone may have gone to somebody else."""
        return str(self._config_path) in command_line(pid)


def _overwrite(path: Path, text: bytes) -> None:
    """In place and always as long, so that a full disk has room for it: it is written before every use, and need not
    survive a crash."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text.ljust(CONFIG_BYTES - 1) + b"\n")
        file.truncate()


def _memory_bytes() -> int:
    """A quarter of what this machine or container has, within bounds: Go collects harder near it, and never fails."""
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):
        available = min(available, int(CGROUP_MEMORY_MAX.read_text()))
    return max(MEMORY_BYTES_MIN, min(MEMORY_BYTES_MAX, available // 4))
