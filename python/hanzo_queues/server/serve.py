"""One server's life in a process: socket, keys, journal, HTTP, and the way back.

SIGTERM, SIGINT -> no new connections -> every parked poll answered -> requests in flight end, within a bound
                -> partition, journal, nats-server -> exit 0.   A second SIGINT waits for nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import logging
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterator

import uvicorn
import uvloop

from hanzo_queues._core import __version__
from hanzo_queues.data_path import HomeUnknown, data_directory
from hanzo_queues.server.app import App
from hanzo_queues.server.auth import ApiKeys, local_key
from hanzo_queues.server.data_directory import DataDirectory
from hanzo_queues.server.http_protocol import HttpProtocol
from hanzo_queues.server.limits_table import LIMITS
from hanzo_queues.server.open_connections import OpenConnections
from hanzo_queues.server.settings import Settings
from hanzo_queues.server.storage import StartRefused, Storage, open_storage
from hanzo_queues.server.whole_request import WholeRequests

logger = logging.getLogger(__name__)

BACKLOG = 2048
KEEP_ALIVE_S = 75  # longer than the idle time of common client pools, so that the client closes first
DRAIN_S = 10
GC_THRESHOLDS = (20_000, 20, 50)  # a request's objects die by their count: cycles are rare, looking for them dear
CLOSE_S = 10
OTHER_FILES = 256  # descriptors that are no client's: journal, nats-server, libraries


class HttpServer(uvicorn.Server):
    """uvicorn, with the polls answered before it waits for requests to end, and signals left to `serve`."""

    def __init__(self, app: App) -> None:
        self.open_connections = OpenConnections(connections_max(), LIMITS["unread_answer_bytes_max"])
        config = uvicorn.Config(
            app.http,
            http=functools.partial(  # type: ignore[arg-type]
                HttpProtocol, open_connections=self.open_connections, whole_requests=WholeRequests(app.edge)
            ),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=DRAIN_S,
        )
        super().__init__(config)
        self._app = app

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.stop_parking()
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            if isinstance(connection, HttpProtocol):
                connection.cut_off()


def connections_max() -> int:
    """How many connections there may be: as many as the limit says, or fewer where the process can't open so many
    files. Asks for as many as it may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = LIMITS["connections_max"] + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    room = wanted if soft == resource.RLIM_INFINITY else min(soft, wanted)
    if room < wanted:
        logger.warning("this process may open %d files: %d connections at most", room, room - OTHER_FILES)
    return max(room - OTHER_FILES, 1)


class Stop:
    """What a signal does: before HTTP is up it cancels the start; then it ends HTTP in an orderly way, and at a second
    SIGINT at once."""

    def __init__(self) -> None:
        self.http: uvicorn.Server | None = None
        self.failed = False
        self._starting = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.came, number)

    def came(self, number: signal.Signals) -> None:
        """`number` came."""
        logger.info("%s: stopping", number.name)
        self._stop(number)

    def fail(self, why: str) -> None:
        """The server can't serve any more."""
        logger.critical("%s", why)
        self.failed = True
        self._stop(signal.SIGTERM)

    def _stop(self, number: signal.Signals) -> None:
        if self.http is not None:
            self.http.handle_exit(number, None)
        elif self._starting is not None:
            self._starting.cancel()


def serve(settings: Settings) -> int:
    """Runs a server until it is told to stop. Returns the exit status: 0, or 1 when it could not serve."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(_serve(settings))
        except StartRefused as refused:
            print(f"hanzo-queues: {refused}", file=sys.stderr)
            return 1


async def _serve(settings: Settings) -> int:
    began = time.monotonic()
    stop = Stop()
    listening = listen(settings.host, settings.port)
    try:
        async with open_storage(settings) as storage:
            keys = ApiKeys(settings.api_keys or (_local_key(storage.directory),))
            begin_listening(listening, settings.host, settings.port)
            await _serve_http(settings, storage, keys, listening, stop, began)
    except asyncio.CancelledError:
        logger.info("stopped while starting")
    finally:
        listening.close()
    return 1 if stop.failed else 0


async def _serve_http(
    settings: Settings, storage: Storage, keys: ApiKeys, listening: socket.socket, stop: Stop, began: float
) -> None:
    def serving() -> None:
        # What lives now lives for ever: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        took_ms = (time.monotonic() - began) * 1000
        logger.info(
            "serving at %s, %s, engine %s, started in %.0f ms", url_of(listening), storage.place, __version__, took_ms
        )

    app = App(
        settings,
        storage.journal,
        keys,
        checkpoints=storage.checkpoints,
        ownership=storage.ownership,
        admit=storage.admit,
        on_stuck=storage.on_stuck,
        restart=storage.restart,
        on_failed=stop.fail,
        on_serving=serving,
    )
    stop.http = HttpServer(app)
    app.start()
    try:
        await stop.http.serve(sockets=[listening])
    finally:
        try:
            async with asyncio.timeout(0.1 if stop.http.force_exit else CLOSE_S):
                await app.close()
        except TimeoutError:
            logger.warning("the partition did not close in time; its journal holds everything that was answered")
    logger.info("stopped")


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to `host` and `port`, not listening yet: who connects before there is a server is refused. Raises
    StartRefused."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        raise _cannot_listen(host, port, error) from error
    bound.setblocking(False)
    return bound


def begin_listening(bound: socket.socket, host: str, port: int) -> None:
    """Raises StartRefused: another server that was starting at the same time was first."""
    try:
        bound.listen(BACKLOG)
    except OSError as error:
        raise _cannot_listen(host, port, error) from error


def _cannot_listen(host: str, port: int, error: OSError) -> StartRefused:
    return StartRefused(
        f"can't listen on {host} port {port}: {error.strerror or error}. "
        "Stop what uses it, or choose another with PORT and HOST (--port, --host)."
    )


def url_of(listening: socket.socket) -> str:
    """Where clients find the server."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _local_key(directory: DataDirectory) -> str:
    key, made = local_key(directory)
    if made:
        print(
            f"hanzo-queues: made an API key, since HANZO_API_KEYS is not set: {key}\n"
            f"hanzo-queues: it is kept in {directory.path}; SDK and CLI on this machine find it {_where(directory)}",
            file=sys.stderr,
        )
    return key


def _where(directory: DataDirectory) -> str:
    """They look in the usual place, or in the one they are told."""
    usual = {name: value for name, value in os.environ.items() if name != "HANZO_DATA_DIR"}
    with contextlib.suppress(HomeUnknown):
        if data_directory(usual).absolute() == directory.path:
            return "there"
    return f"when HANZO_DATA_DIR={directory.path} is set for them, too"
