"""The embedded nats-server: kept running while this server runs, on loopback, behind a token of its data directory.

    start -> answering -(it ends)-------> start again, after a growing delay        stop -> ended
                       -(it is silent)--> kill, start again

Owns when the process lives and dies. Knows no streams: who finds one mute calls `restart`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import subprocess
from contextlib import suppress
from pathlib import Path

from hanzo_queues.server.data_directory import DataDirectory
from hanzo_queues.server.nats_binary import NoNatsServer, find_nats_server
from hanzo_queues.server.nats_disk import reserve_bytes, store_bytes_max
from hanzo_queues.server.nats_port import is_free, remembered_port
from hanzo_queues.server.nats_probe import Heard, probe_jetstream
from hanzo_queues.server.nats_process import STORE_DIRECTORY, NatsProcess
from hanzo_queues.server.outage import Waits

logger = logging.getLogger(__name__)

START_STILL_S_MAX = 60.0
START_TOLD_EVERY_S = 5.0
START_POLL_S = 0.01
START_POLL_S_MAX = 0.25
START_ATTEMPTS_MAX = 3  # each on another port, when somebody took it in between
SILENT_PROBES_MAX = 2
RESTART_DELAYS_S = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0)
LIMIT_STEPS = 16  # in the reserve: its limit lags behind the disk by less than what is kept for consumers (disk_room)
TOKEN_FILE = "nats-token"


class EmbeddedNats:
    """Started by `start`, watched until `stop`. Needs the event loop's thread to outlive it.

    `probe_every_s`: seconds between looks at whether it answers. `probe_timeout_s`: seconds an answer may take; two
    without one in a row, and it is killed. `disk_every_s`: seconds between looks at whether it may store more.
    """

    def __init__(
        self,
        directory: DataDirectory,
        *,
        probe_every_s: float = 1.0,
        probe_timeout_s: float = 2.0,
        disk_every_s: float = 10.0,
    ) -> None:
        self._directory = directory
        self._probe_every_s = probe_every_s
        self._probe_timeout_s = probe_timeout_s
        self._disk_every_s = disk_every_s
        self._process: NatsProcess | None = None
        self._watching: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None
        self._answering = asyncio.Event()
        self._server_name = ""
        self._port = 0
        self._store_bytes_max = 0
        self.token = ""

    @property
    def url(self) -> str:
        """Where it listens, the same over its restarts."""
        return f"nats://127.0.0.1:{self._port}"

    @property
    def store_path(self) -> Path:
        """Where it stores."""
        return self._directory.path / STORE_DIRECTORY

    @property
    def process_id(self) -> int | None:
        """Of the running nats-server."""
        return None if self._process is None else self._process.process_id

    async def start(self) -> None:
        """Starts it; on return JetStream answers, which takes as long as reading a large store does. Raises
        NoNatsServer, DataDirectoryUnusable."""
        program = await asyncio.to_thread(find_nats_server)
        process = self._process = NatsProcess(self._directory, program)
        await asyncio.to_thread(process.end_leftover)
        self.token = self._directory.remember(TOKEN_FILE, secrets.token_hex(32))
        self._server_name = f"hanzo-queues-{self._directory.node_id}"
        for _ in range(START_ATTEMPTS_MAX):
            try:
                self._port = remembered_port(self._directory)
                await self._configure(process)
                await process.start()
            except (OSError, subprocess.SubprocessError) as error:
                raise NoNatsServer(f"the embedded nats-server, {program}, can't be started: {error}") from error
            if await self._answers_at_last(process):
                self._watching = asyncio.create_task(self._watch(process), name="embedded-nats")
                self._following = asyncio.create_task(self._follow_disk(process), name="embedded-nats-disk")
                return
            await process.kill()
            if is_free(self._port):
                break
        raise NoNatsServer(f"the embedded nats-server did not start: {process.last_words()}")

    async def restart(self) -> None:
        """For one that runs and does not do its work: kills it, and returns when it answers again, however long it
        reads its store. One that is being started anyway is only waited for."""
        if self._process is None or self._watching is None:
            return
        if self._answering.is_set():
            logger.warning("embedded nats-server: restarting")
            self._answering.clear()
            await self._process.kill()
        await self._answering.wait()

    async def stop(self) -> None:
        """Stops it and waits for its end."""
        watching = [task for task in (self._watching, self._following) if task is not None]
        self._watching = self._following = None
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        if self._process is not None:
            await self._process.stop()

    async def _configure(self, process: NatsProcess) -> None:
        self._store_bytes_max = await asyncio.to_thread(store_bytes_max, process.store_path)
        process.configure(
            server_name=self._server_name, port=self._port, token=self.token, store_bytes_max=self._store_bytes_max
        )

    async def _watch(self, process: NatsProcess) -> None:
        """Must not end before it is told to: nobody else starts the process again."""
        waits = Waits(RESTART_DELAYS_S)
        while True:
            try:
                await self._until_it_fails(process)
                await asyncio.sleep(waits.next_s())
                if await self._start_again(process):
                    waits.begin_anew()
            except Exception:
                logger.exception("embedded nats-server: the watch met a bug, and goes on")
                await asyncio.sleep(self._probe_every_s)

    async def _start_again(self, process: NatsProcess) -> bool:
        try:
            await self._configure(process)
        except OSError as error:
            logger.error("embedded nats-server: starts with its old configuration: %s", error)
        try:
            await process.start()
        except (OSError, subprocess.SubprocessError) as error:
            logger.error("embedded nats-server: can't be started: %s", error)
            return False
        if await self._answers_at_last(process):
            logger.info("embedded nats-server: runs again")
            return True
        await process.kill()
        logger.error("embedded nats-server: does not start: %s", process.last_words())
        return False

    async def _until_it_fails(self, process: NatsProcess) -> None:
        """Returns when the process has ended, by itself or because it was silent."""
        silent = 0
        while process.process_id is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._probe_every_s):
                    await process.ended()
                break
            silent = 0 if await self._probe() is Heard.ANSWER else silent + 1
            if silent >= SILENT_PROBES_MAX:
                logger.error("embedded nats-server: %d probes without an answer; killing it", silent)
                await process.kill()
        self._answering.clear()
        logger.error("embedded nats-server: ended with code %s", await process.ended())

    async def _answers_at_last(self, process: NatsProcess) -> bool:
        """Whether it came to answer. As long as it reads its store it does not listen, and works: it is given up only
        when it is still, or listens and says nothing, for a minute."""
        clock = asyncio.get_running_loop().time
        began = worked_at = told_at = clock()
        ticks: int | None = None
        while process.process_id is not None:
            heard = await self._probe()
            if heard is Heard.ANSWER:
                return True
            now = clock()
            if heard is Heard.CLOSED_PORT and now - told_at >= START_TOLD_EVERY_S:
                told_at = now
                logger.info("embedded nats-server: starting for %.0f s: %s", now - began, process.last_words())
                before, ticks = ticks, process.processor_ticks
                worked_at = now if ticks != before else worked_at
            if now - worked_at >= START_STILL_S_MAX:
                return False
            await asyncio.sleep(min(START_POLL_S_MAX, START_POLL_S + (now - began) / 20))
        return False

    async def _probe(self) -> Heard:
        heard = await probe_jetstream(
            self._port, server_name=self._server_name, token=self.token, timeout_s=self._probe_timeout_s
        )
        if heard is Heard.ANSWER:
            self._answering.set()
        return heard

    async def _follow_disk(self, process: NatsProcess) -> None:
        """Space that others free is the store's, without a restart."""
        while True:
            await asyncio.sleep(self._disk_every_s)
            try:
                step = reserve_bytes(process.store_path) // LIMIT_STEPS
                room = await asyncio.to_thread(store_bytes_max, process.store_path)
                if room >= self._store_bytes_max + step and self._answering.is_set():
                    await self._configure(process)
                    process.reload()
            except OSError as error:
                logger.warning("embedded nats-server: its limit can't be raised: %s", error)
            except Exception:
                logger.exception("embedded nats-server: following the disk met a bug, and goes on")
