"""The embedded nats-server: kept running while this server runs, on loopback, behind a token of its data directory.

    start -> answering -(it ends)-------> start again, after a growing delay        stop -> ended
                       -(it is silent)--> kill, start again

Owns when the process lives and dies. Knows no streams: who finds one mute calls `restart`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import suppress

from hanzo_queues.server.data_directory import DataDirectory
from hanzo_queues.server.nats_binary import NoNatsServer, find_nats_server
from hanzo_queues.server.nats_port import is_free, remembered_port
from hanzo_queues.server.nats_probe import jetstream_answers
from hanzo_queues.server.nats_process import NatsProcess

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 60.0  # a large store is read at start
START_POLL_S = 0.01
START_ATTEMPTS_MAX = 3  # each on another port, when somebody took it in between
SILENT_PROBES_MAX = 2
RESTART_DELAYS_S = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0)
TOKEN_FILE = "nats-token"


class EmbeddedNats:
    """Started by `start`, watched until `stop`. Needs the event loop's thread to outlive it.

    `probe_every_s`: seconds between looks at whether it answers. `probe_timeout_s`: seconds an answer may take; two
    without one in a row, and it is killed.
    """

    def __init__(self, directory: DataDirectory, *, probe_every_s: float = 1.0, probe_timeout_s: float = 2.0) -> None:
        self._directory = directory
        self._probe_every_s = probe_every_s
        self._probe_timeout_s = probe_timeout_s
        self._process: NatsProcess | None = None
        self._watching: asyncio.Task[None] | None = None
        self._answering = asyncio.Event()
        self._server_name = ""
        self._port = 0
        self.token = ""

    @property
    def url(self) -> str:
        """Where it listens, the same over its restarts."""
        return f"nats://127.0.0.1:{self._port}"

    @property
    def process_id(self) -> int | None:
        """Of the running nats-server."""
        return None if self._process is None else self._process.process_id

    async def start(self) -> None:
        """Starts it; on return JetStream answers. Raises NoNatsServer."""
        program = await asyncio.to_thread(find_nats_server)
        process = self._process = NatsProcess(self._directory, program)
        await asyncio.to_thread(process.end_leftover)
        self.token = self._directory.remember(TOKEN_FILE, secrets.token_hex(32))
        self._server_name = f"hanzo-queues-{self._directory.node_id}"
        for _ in range(START_ATTEMPTS_MAX):
            self._port = remembered_port(self._directory)
            process.configure(server_name=self._server_name, port=self._port, token=self.token)
            await process.start()
            if await self._answers_in_time(process):
                self._watching = asyncio.create_task(self._watch(process), name="embedded-nats")
                return
            await process.kill()
            if is_free(self._port):
                break
        raise NoNatsServer(f"the embedded nats-server did not start: {process.last_words()}")

    async def restart(self) -> None:
        """Kills it and waits until it answers again, a minute at most. For one that runs and does not do its work."""
        if self._process is None or self._watching is None:
            return
        logger.warning("embedded nats-server: restarting")
        self._answering.clear()
        await self._process.kill()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._answering.wait(), START_TIMEOUT_S)

    async def stop(self) -> None:
        """Stops it and waits for its end."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        if self._process is not None:
            await self._process.stop()

    async def _watch(self, process: NatsProcess) -> None:
        failures = 0
        while True:
            await self._until_it_fails(process)
            await asyncio.sleep(RESTART_DELAYS_S[min(failures, len(RESTART_DELAYS_S) - 1)])
            failures += 1
            try:
                await process.start()
            except OSError as error:
                logger.error("embedded nats-server: can't be started: %s", error)
                continue
            if await self._answers_in_time(process):
                failures = 0
                logger.info("embedded nats-server: runs again")
            else:
                await process.kill()
                logger.error("embedded nats-server: does not start: %s", process.last_words())

    async def _until_it_fails(self, process: NatsProcess) -> None:
        """Returns when the process has ended, by itself or because it was silent."""
        silent = 0
        while process.process_id is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(process.ended(), self._probe_every_s)
                break
            silent = 0 if await self._answers() else silent + 1
            if silent >= SILENT_PROBES_MAX:
                logger.error("embedded nats-server: %d probes without an answer; killing it", silent)
                await process.kill()
        self._answering.clear()
        logger.error("embedded nats-server: ended with code %s", await process.ended())

    async def _answers_in_time(self, process: NatsProcess) -> bool:
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
        while process.process_id is not None and asyncio.get_running_loop().time() < deadline:
            if await self._answers():
                self._answering.set()
                return True
            await asyncio.sleep(START_POLL_S)
        return False

    async def _answers(self) -> bool:
        return await jetstream_answers(
            self._port, server_name=self._server_name, token=self.token, timeout_s=self._probe_timeout_s
        )
