"""Where the consumers put their results: one SQLite file, keyed by message id.

Delivery is at least once, so a consumer may see a message that another one handled just before it died. A key makes the
effect happen once: the second insert changes nothing.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path

SCHEMA = """
create table if not exists handled (
    message_id text primary key,
    delivery_id text not null,
    event text not null,
    repository text not null,
    priority integer not null,
    payload text not null,
    consumer text not null
)
"""


class Results:
    """One process's connection to the file."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, timeout=30, isolation_level=None)
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute(SCHEMA)

    def store(self, row: tuple[str, str, str, str, int, str, str]) -> bool:
        """Stores one handled message, durably. False: it was there already."""
        cursor = self._connection.execute("insert or ignore into handled values (?, ?, ?, ?, ?, ?, ?)", row)
        return cursor.rowcount == 1

    def counts(self) -> Counter[tuple[str, str]]:
        """Messages per event and repository."""
        rows = self._connection.execute("select event, repository, count(*) from handled group by 1, 2")
        return Counter({(event, repository): count for event, repository, count in rows})

    def rows(self) -> list[tuple[str, str, int, str]]:
        """Delivery id, event, priority and payload of every handled message."""
        return self._connection.execute("select delivery_id, event, priority, payload from handled").fetchall()

    def consumers(self) -> dict[str, int]:
        """How many messages each consumer stored first."""
        return dict(self._connection.execute("select consumer, count(*) from handled group by 1"))

    def close(self) -> None:
        """Lets go of the file."""
        self._connection.close()
