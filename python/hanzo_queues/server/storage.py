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
from hanzo_queues.server.nats_connection import NatsEndpoint
from hanzo_queues.server.settings import Settings

OWN_PARTITION = 0


class StartRefused(Exception):
    """The server can't start here and now. The text says why and what would help."""


@dataclass(frozen=True, slots=True)
class Storage:
    """A journal, not open yet. `place` says where it is, for people; `on_stuck` is what to do when it keeps failing."""

    journal: Journal
    on_stuck: Callable[[], Awaitable[None]]
    place: str


@asynccontextmanager
async def open_storage(settings: Settings) -> AsyncIterator[Storage]:
    """The storage that `settings` ask for, for the length of a block. Raises StartRefused."""
    async with AsyncExitStack() as stack:
        if settings.nats_url is None:
            endpoint, on_stuck = await _embedded(settings, stack)
            place = f"data in {settings.data_dir}"
        else:
            servers = tuple(address.strip() for address in settings.nats_url.split(","))
            endpoint, on_stuck = NatsEndpoint(servers), _wait
            place = "journal on " + ", ".join(map(_without_credentials, servers))
        yield Storage(_journal(endpoint, settings), on_stuck, place)


async def _embedded(settings: Settings, stack: AsyncExitStack) -> tuple[NatsEndpoint, Callable[[], Awaitable[None]]]:
    try:
        directory = stack.enter_context(DataDirectory(settings.data_dir))
        nats = EmbeddedNats(directory)
        # Before it starts, so that a start that is cut short leaves nothing behind.
        stack.push_async_callback(nats.stop)
        await nats.start()
    except (DataDirectoryTaken, DataDirectoryUnusable, NoNatsServer) as error:
        raise StartRefused(str(error)) from error
    return NatsEndpoint((nats.url,), nats.token), nats.restart


def _journal(endpoint: NatsEndpoint, settings: Settings) -> Journal:
    return JetStreamJournal(endpoint, partition=OWN_PARTITION, replicas=settings.nats_replicas)


async def _wait() -> None:
    """A cluster mends itself: trying again is all there is to do."""


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 4222}"
