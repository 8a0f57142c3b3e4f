"""Real nats-servers for tests: one, or three that form a cluster, on free ports, to be killed, frozen and restarted.

Every process is started here, dies with the test run, and is only ever touched by its own process id.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from examples.local_server import held_port
from hanzo_queues.server.child_process import die_with_parent
from hanzo_queues.server.nats_binary import find_nats_server
from hanzo_queues.server.nats_connection import NatsEndpoint

READY_TIMEOUT_S = 20.0
POLL_S = 0.01


class NatsServer:
    """One process, started again in the same place after each end."""

    def __init__(self, program: Path, config: dict[str, object], directory: Path) -> None:
        self.name = str(config["server_name"])
        self.port = int(str(config["port"]))
        self._config = directory / f"{self.name}.conf"
        self._command = [str(program), "-c", str(self._config)]
        self._log = directory / f"{self.name}.log"
        self._config.write_text(json.dumps(config))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, start_new_session=True, preexec_fn=die_with_parent()
            )

    def wait_until_ready(self) -> None:
        """It takes connections."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self._greets():
            assert time.monotonic() < deadline, self._log.read_text()[-2000:]
            time.sleep(POLL_S)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def freeze(self) -> None:
        """On return none of its threads runs any more: it answers nothing of what it is asked from now on."""
        self._signal(signal.SIGSTOP)
        if self._process is not None and self._process.poll() is None:
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    @property
    def process_id(self) -> int:
        """Of the process that was started last."""
        assert self._process is not None
        return self._process.pid

    def require_token(self, token: str | None) -> None:
        """From now on, of whoever connects and whoever is connected; None: of nobody."""
        config = json.loads(self._config.read_text())
        config.pop("authorization", None)
        if token is not None:
            config["authorization"] = {"token": token}
        self._config.write_text(json.dumps(config))
        self._signal(signal.SIGHUP)

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, number)

    def _greets(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                return connection.recv(5) == b"INFO "
        except OSError:
            return False


class NatsServers:
    """Servers of one cluster; `replicas` is how many there are."""

    def __init__(self, directory: Path, replicas: int, *, max_payload_bytes: int = 2 * 1024 * 1024) -> None:
        program = find_nats_server()
        self._held = [held_port() for _ in range(2 * replicas)]
        ports = [int(held.getsockname()[1]) for held in self._held]
        routes = [f"nats://127.0.0.1:{port}" for port in ports[replicas:]]
        self.replicas = replicas
        self.directory = directory
        self.servers = []
        for number in range(replicas):
            config: dict[str, object] = {
                "server_name": f"nats{number}",
                "host": "127.0.0.1",
                "port": ports[number],
                "max_payload": max_payload_bytes,
                "max_pending": max(64 << 20, 2 * max_payload_bytes),
                "jetstream": {"store_dir": str(directory / f"store{number}"), "sync_interval": "always"},
            }
            if replicas > 1:
                config["cluster"] = {
                    "name": "tests", "host": "127.0.0.1", "port": ports[replicas + number], "routes": routes,
                }  # fmt: skip
            self.servers.append(NatsServer(program, config, directory))

    @property
    def endpoint(self) -> NatsEndpoint:
        return NatsEndpoint(tuple(f"nats://127.0.0.1:{server.port}" for server in self.servers))

    def start(self) -> None:
        for server in self.servers:
            server.start()
        for server in self.servers:
            server.wait_until_ready()

    def kill(self) -> None:
        for server in self.servers:
            server.kill()

    def let_go(self) -> None:
        """Their ports may be others' now."""
        for held in self._held:
            held.close()

    def named(self, name: str) -> NatsServer:
        return next(server for server in self.servers if server.name == name)


@contextmanager
def running_nats_servers(directory: Path, replicas: int, **options: int) -> Iterator[NatsServers]:
    """One nats-server or a cluster, for the length of a block; `options` are those of NatsServers."""
    servers = NatsServers(directory, replicas, **options)
    try:
        servers.start()
        yield servers
    finally:
        servers.kill()
        servers.let_go()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
