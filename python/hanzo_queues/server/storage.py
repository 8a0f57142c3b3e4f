"""Where the journal lives: a cluster that is joined, or an embedded nats-server in a data directory that is owned.

Owns the order: directory, its ownership, nats-server, journal; and back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from hanzo_queues.server.journal.base import Journal
from hanzo_queues.server.settings import Settings


class StartRefused(Exception):
    """The server can't start here and now. The text says why and what would help."""


@dataclass(frozen=True, slots=True)
class Storage:
    """A journal, not open yet. `place` says where it is, for people."""

    journal: Journal
    on_stuck: Callable[[], Awaitable[None]]
    place: str


@asynccontextmanager
async def open_storage(settings: Settings) -> AsyncIterator[Storage]:
    """The storage that `settings` ask for. Raises StartRefused."""
    raise NotImplementedError
    yield
