"""What every route works with: router, parser, keys, room for bodies. Made once, by the composition root.

The parser exists only when the journal is open, since the journal bounds what a request may carry; until then every
request that needs it is told to come back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hanzo_queues._core import Command, Parser
from hanzo_queues.server.auth import ApiKeys
from hanzo_queues.server.byte_budget import ByteBudget
from hanzo_queues.server.disk_room import anywhere
from hanzo_queues.server.faults import PartitionRecovering
from hanzo_queues.server.problems import Refused
from hanzo_queues.server.router import Router


class Edge:
    """The server, as routes see it. `admit` raises a Fault when the disk has no room for messages of so many bytes,
    beside those of the bodies in flight."""

    def __init__(
        self, router: Router, keys: ApiKeys, limits: Mapping[str, int], admit: Callable[[int, int], None] = anywhere
    ) -> None:
        self.router = router
        self.keys = keys
        self.limits = limits
        self.bodies = ByteBudget(limits["inflight_bytes_max"])
        self._admit = admit
        self._command_bytes_max = 0
        self._parser: Parser | None = None

    @property
    def parser(self) -> Parser:
        """Turns requests into commands. Raises PartitionRecovering while the journal is not open yet."""
        if self._parser is None:
            raise PartitionRecovering("the journal is not open yet", retry_after_s=1.0)
        return self._parser

    @property
    def request_bytes_max(self) -> int:
        """The largest body that is read."""
        return self.limits["request_bytes_max"]

    def open(self, parser: Parser, limits: Mapping[str, int], command_bytes_max: int) -> None:
        """From now on requests are parsed, within `limits`; a command may cause `command_bytes_max` journal bytes."""
        self.limits = limits
        self._command_bytes_max = command_bytes_max
        self._parser = parser

    def fitting(self, command: Command) -> Command:
        """`command`, when one journal batch can hold what it causes and, if it brings messages, the disk has room for
        them. Raises Refused (`request_too_large`), JournalUnavailable."""
        if command.batch_bytes_max > self._command_bytes_max:
            raise Refused(
                "request_too_large",
                f"The request needs {command.batch_bytes_max} bytes of a journal batch, which holds "
                f"{self._command_bytes_max}.",
            )
        if command.is_enqueue:
            self._admit(command.batch_bytes_max, self.bodies.taken)
        return command
