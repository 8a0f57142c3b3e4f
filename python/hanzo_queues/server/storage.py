"""Where the journal lives: on a cluster that is joined, or on an embedded nats-server in a data directory of its own.

Owns the order: directory, its ownership, nats-server, connection, journal; and back. Knows no partition.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from hanzo_queues.server.data_directory import DataDirectory, DataDirectoryTaken, DataDirectoryUnusable
from hanzo_queues.server.embedded_nats import EmbeddedNats
from hanzo_queues.server.journal.base import Journal
from hanzo_queues.server.journal.jetstream import JetStreamJournal
from hanzo_queues.server.nats_binary import NoNatsServer
from hanzo_queues.server.nats_connection import NatsConnection, NatsEndpoint, NatsUnreachable
from hanzo_queues.server.ownership import Ownership
from hanzo_queues.server.settings import Settings

OWN_PARTITION = 0
CONNECT_TIMEOUT_S = 5.0


class StartRefused(Exception):
    """The server can't start here and now. The text says why and what would help."""


@dataclass(frozen=True, slots=True)
class Storage:
    """A journal, not open yet, and the lease that says who may write it: none where nobody else can. `place` says where
    it is, for people; `on_stuck` is what to do when it keeps failing; `directory` is this server's own."""

    directory: DataDirectory
    journal: Journal
    ownership: Ownership | None
    on_stuck: Callable[[], Awaitable[None]]
    place: str


@asynccontextmanager
async def open_storage(settings: Settings) -> AsyncIterator[Storage]:
    """The storage that `settings` ask for, for the length of a block. Raises StartRefused."""
    async with AsyncExitStack() as stack:
        try:
            directory = stack.enter_context(DataDirectory(settings.data_dir))
            if settings.nats_url is None:
                yield await _embedded(settings, directory, stack)
            else:
                yield await _cluster(settings, settings.nats_url, directory, stack)
        except (DataDirectoryTaken, DataDirectoryUnusable, NatsUnreachable, NoNatsServer) as error:
            raise StartRefused(str(error)) from error


async def _embedded(settings: Settings, directory: DataDirectory, stack: AsyncExitStack) -> Storage:
    nats = EmbeddedNats(directory)
    # Before it starts, so that a start that is cut short leaves nothing behind.
    stack.push_async_callback(nats.stop)
    await nats.start()
    journal = _journal(NatsEndpoint((nats.url,), nats.token), settings)
    return Storage(directory, journal, None, nats.restart, f"data in {settings.data_dir}")


async def _cluster(settings: Settings, urls: str, directory: DataDirectory, stack: AsyncExitStack) -> Storage:
    servers = tuple(address.strip() for address in urls.split(","))
    endpoint = NatsEndpoint(servers)
    # Of its own: the journal replaces its connection when in doubt.
    connection = NatsConnection(endpoint, "hanzo-queues ownership", lambda reason: None)
    await connection.connect(CONNECT_TIMEOUT_S)
    stack.push_async_callback(connection.close)
    ownership = Ownership(
        connection.client, partition=OWN_PARTITION, node_id=directory.node_id, replicas=settings.nats_replicas
    )
    place = "journal on " + ", ".join(map(_without_credentials, servers))
    return Storage(directory, _journal(endpoint, settings), ownership, _wait, place)


def _journal(endpoint: NatsEndpoint, settings: Settings) -> Journal:
    return JetStreamJournal(endpoint, partition=OWN_PARTITION, replicas=settings.nats_replicas)


async def _wait() -> None:
    """A cluster mends itself: trying again is all there is to do."""


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 4222}"
