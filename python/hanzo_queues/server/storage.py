"""Where the journal lives: on a cluster that is joined, or on an embedded nats-server in a data directory of its own.

Owns the order: directory, nats-server, ownership, journal; and back. An embedded nats-server answers when the storage
is open; a cluster may come later, and is waited for by whoever needs it. Knows no partition.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from hanzo_queues.server.checkpoints.base import CheckpointStore
from hanzo_queues.server.checkpoints.jetstream import JetStreamCheckpoints
from hanzo_queues.server.data_directory import DataDirectory, DataDirectoryTaken, DataDirectoryUnusable
from hanzo_queues.server.disk_room import DiskRoom, anywhere
from hanzo_queues.server.embedded_nats import EmbeddedNats
from hanzo_queues.server.journal.jetstream import JetStreamJournal
from hanzo_queues.server.journal.marked import MarkedJournal
from hanzo_queues.server.nats_access import NatsAccessUnusable
from hanzo_queues.server.nats_binary import NoNatsServer
from hanzo_queues.server.nats_connection import NatsEndpoint
from hanzo_queues.server.ownership import OwnershipLease
from hanzo_queues.server.settings import Settings

logger = logging.getLogger(__name__)

OWN_PARTITION = 0  # the only one: docs/adr/0003
MARK_FILE = "journal-mark"


class StartRefused(Exception):
    """The server can't start here and now. The text says why and what would help."""


@dataclass(frozen=True, slots=True)
class Storage:
    """A journal and its checkpoints, not open yet, and the lease that says who may write them: none where nobody else
    can. `place` says where they are, for people; `admit` refuses messages that find no room; `on_stuck` is what to do
    when they keep failing; `restart` starts the nats-server anew, None when it is another's; `directory` is this
    server's own."""

    directory: DataDirectory
    journal: MarkedJournal
    checkpoints: CheckpointStore
    ownership: OwnershipLease | None
    admit: Callable[[int, int], None]
    on_stuck: Callable[[], Awaitable[None]]
    restart: Callable[[], Awaitable[None]] | None
    place: str


@asynccontextmanager
async def open_storage(settings: Settings) -> AsyncIterator[Storage]:
    """The storage that `settings` ask for, for the length of a block. Raises StartRefused."""
    async with AsyncExitStack() as stack:
        try:
            directory = stack.enter_context(DataDirectory(settings.data_dir))
            if settings.nats_url is None:
                storage = await _embedded(settings, directory, stack)
            else:
                storage = _cluster(settings, settings.nats_url, directory, stack)
            yield storage
        except (DataDirectoryTaken, DataDirectoryUnusable, NoNatsServer, NatsAccessUnusable) as error:
            raise StartRefused(str(error)) from error


async def _embedded(settings: Settings, directory: DataDirectory, stack: AsyncExitStack) -> Storage:
    nats = EmbeddedNats(directory)
    # Before it starts, so that a start that is cut short leaves nothing behind.
    stack.push_async_callback(nats.stop)
    await nats.start()
    endpoint = NatsEndpoint((nats.url,), nats.token)
    journal = _journal(endpoint, settings, directory)
    room = DiskRoom(nats.store_path)
    checkpoints = JetStreamCheckpoints(
        endpoint, partition=OWN_PARTITION, replicas=settings.nats_replicas, room=room
    )
    place = f"data in {settings.data_dir}"
    return Storage(directory, journal, checkpoints, None, room.admit, nats.restart, nats.restart, place)


def _cluster(settings: Settings, urls: str, directory: DataDirectory, stack: AsyncExitStack) -> Storage:
    settings.nats_access.options()  # what can't be used ends the start, not a connection
    endpoint = NatsEndpoint(tuple(address.strip() for address in urls.split(",")), access=settings.nats_access)
    ownership = OwnershipLease(
        endpoint, partition=OWN_PARTITION, node_id=directory.node_id, replicas=settings.nats_replicas
    )
    stack.push_async_callback(ownership.close)
    journal = _journal(endpoint, settings, directory)
    checkpoints = JetStreamCheckpoints(endpoint, partition=OWN_PARTITION, replicas=settings.nats_replicas)
    help_asked = _asks_for_help(endpoint)
    return Storage(directory, journal, checkpoints, ownership, anywhere, help_asked, None, f"journal on {endpoint}")


def _journal(endpoint: NatsEndpoint, settings: Settings, directory: DataDirectory) -> MarkedJournal:
    journal = JetStreamJournal(endpoint, partition=OWN_PARTITION, replicas=settings.nats_replicas)
    return MarkedJournal(journal, directory.path / MARK_FILE)


async def only_wait() -> None:
    """Trying again is all there is to do."""


def _asks_for_help(endpoint: NatsEndpoint) -> Callable[[], Awaitable[None]]:
    """A cluster mends itself, but for what only who runs it can do."""

    async def ask() -> None:
        logger.error(
            "nats-server (%s) takes what is to be written, and does not confirm it. If that does not end by itself: "
            "one that saw a write fail, as on a full disk, stays mute until it is restarted. Look at its log, and "
            "restart the one that leads the stream HANZO_P%d", endpoint, OWN_PARTITION,
        )  # fmt: skip

    return ask
