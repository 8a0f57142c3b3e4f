"""The connections of a server: how many there may be, and how much of their answers may wait to be read.

A client that does not read costs the memory of its answer until it is cut off. Many of them at once must not cost more
than a bound: beyond it the one that stopped reading first goes. Knows neither HTTP nor the API.
"""

from __future__ import annotations

from typing import Protocol


class Connection(Protocol):
    """What is known of one."""

    def unread_bytes(self) -> int:
        """Bytes written to it that the client has not taken."""

    def abort(self) -> None:
        """Ends it at once."""


class OpenConnections:
    """At most `count_max` connections, and `unread_bytes_max` bytes that wait in those whose clients read slowly."""

    def __init__(self, count_max: int, unread_bytes_max: int) -> None:
        self.count_max = count_max
        self.unread_bytes_max = unread_bytes_max
        self._admitted: set[Connection] = set()
        self._stalled: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self._admitted)

    def admit(self, connection: Connection) -> bool:
        """Whether there is room for `connection`; then it counts until it leaves."""
        if len(self._admitted) >= self.count_max:
            return False
        self._admitted.add(connection)
        return True

    def leave(self, connection: Connection) -> None:
        """`connection` has ended, whether it was admitted or not."""
        self._admitted.discard(connection)
        self.flow(connection)

    def stall(self, connection: Connection) -> None:
        """The client of `connection` reads more slowly than it is answered. May abort connections, the one that has
        stalled longest first."""
        self._stalled[connection] = None
        unread = sum(stalled.unread_bytes() for stalled in self._stalled)
        while unread > self.unread_bytes_max and len(self._stalled) > 1:
            longest = next(iter(self._stalled))
            del self._stalled[longest]
            unread -= longest.unread_bytes()
            longest.abort()

    def flow(self, connection: Connection) -> None:
        """The client of `connection` has caught up."""
        self._stalled.pop(connection, None)
