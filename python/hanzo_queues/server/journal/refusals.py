"""Who was refused twice where a store says that it ends was not refused because of another writer.

    refused, and it ends elsewhere the next time -> another writer
    refused, and refused there a second later    -> the store contradicts itself

So does a nats-server that has met damage in a stream: what it says of the stream ends before the damage, and what it
expects of an append counts from before it met that. Started anew, it says what its files hold. The leader of a cluster
may refuse for what another writer has proposed, and name an end that does not have it yet: not for so long.
"""

from __future__ import annotations

import time

from hanzo_queues.server.journal.base import StoreContradicts, WrongLastSequence

PATIENCE_S = 1.0


class Refusals:
    """Those of one writer by one store. `what`: the store, for people."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._refused_at: int | None = None
        self._since = 0.0

    def note(self, refusal: WrongLastSequence, expected_last_sequence: int) -> None:
        """An append was refused there, where the store said just before that it ends. Raises StoreContradicts when it
        was a while ago, too."""
        if expected_last_sequence != self._refused_at:
            self._refused_at, self._since = expected_last_sequence, time.monotonic()
        elif time.monotonic() - self._since >= PATIENCE_S:
            raise StoreContradicts(
                f"nats-server says that {self._what} ends with {expected_last_sequence}, and refuses what is appended "
                f"there ({refusal}): it has met damage in its store. If that does not end by itself, restart the "
                "nats-server that leads the stream: started anew it says what its files hold."
            ) from refusal
