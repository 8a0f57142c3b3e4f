"""A Hanzo Queues server of one's own: a process on a free port, with its data in a temporary directory.

Owns the process and the directory, and nothing of either outlives `close`. Knows only what a user knows: the command
line, the environment variables and the health routes. The examples, the benchmarks and the fault tests use it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30.0


class LocalServer:
    """`with LocalServer() as server:` serves at `server.url`, with the key `server.api_key`."""

    def __init__(
        self,
        api_key: str = "your-api-key",
        environment: dict[str, str] | None = None,
        command: tuple[str, ...] | None = None,
    ) -> None:
        """`environment`: further variables of the server, which win over the ones set here. `command`: that runs it,
        when it is not `hanzo-queues serve`."""
        self.api_key = api_key
        self._held = held_port()
        self.port = int(self._held.getsockname()[1])
        if sys.platform != "linux":
            self._held.close()  # elsewhere nobody may listen beside it
        self.url = f"http://127.0.0.1:{self.port}"
        self._directory = tempfile.TemporaryDirectory(prefix="hanzo-queues-")
        self.directory = Path(self._directory.name)
        self.log_path = self.directory / "server.log"
        self._command = command or (str(Path(sys.executable).with_name("hanzo-queues")), "serve")
        self.environment = {
            **_clean_environment(),
            "HANZO_API_KEYS": api_key,
            "HANZO_DATA_DIR": str(self.directory / "data"),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            **(environment or {}),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the process; returns when it is ready. After `kill`, starts it again on the same data."""
        self.spawn()
        self.wait_ready()

    def spawn(self) -> None:
        """Starts the process without waiting for it."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, env=self.environment, stdout=log, stderr=subprocess.STDOUT, cwd=self.directory
            )

    def wait_ready(self) -> None:
        """Returns when the server is ready. Raises RuntimeError, with the server's log, when it ends instead."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self.is_ready():
            ended = self.process is None or self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                what = "ended" if ended else f"was not ready within {START_SECONDS_MAX} s"
                raise RuntimeError(f"the server {what}; its log:\n{self.log()}")
            time.sleep(0.02)

    def is_ready(self) -> bool:
        """Asks the health route."""
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        """kill -9; returns when the process is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        """Asks the server to stop (SIGTERM) and returns its exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def close(self) -> None:
        """Stops the server and removes its data."""
        try:
            self.stop()
        finally:
            self._held.close()
            self._directory.cleanup()

    def log(self) -> str:
        """What the server has printed."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def held_port() -> socket.socket:
    """A socket bound to a port that nobody listens on. On Linux nobody else is given that port while it is open; a
    server may listen there, and again after each end, because both set SO_REUSEADDR."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _clean_environment() -> dict[str, str]:
    """The caller's environment without settings of a server it may run itself."""
    foreign = ("NATS_URL", "REDIS_URL", "MAX_BATCH_SIZE", "DEFAULT_VISIBILITY_TIMEOUT", "DEFAULT_MAX_RETRIES")
    return {name: value for name, value in os.environ.items() if name not in foreign and "HANZO" not in name}
