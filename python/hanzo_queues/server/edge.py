"""What every route works with: the router, the parser, the keys. Made by the composition root, once.

The parser exists only when the journal is open, since the journal bounds what a request may carry; until then every
request that needs it is told to come back.
"""

from __future__ import annotations

from collections.abc import Mapping

from hanzo_queues._core import Parser
from hanzo_queues.server.auth import ApiKeys
from hanzo_queues.server.faults import PartitionRecovering
from hanzo_queues.server.router import Router


class Edge:
    """The server, as routes see it."""

    def __init__(self, router: Router, keys: ApiKeys, limits: Mapping[str, int]) -> None:
        self.router = router
        self.keys = keys
        self.limits = limits
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

    def open(self, parser: Parser, limits: Mapping[str, int]) -> None:
        """From now on requests are parsed, within `limits`."""
        self.limits = limits
        self._parser = parser
