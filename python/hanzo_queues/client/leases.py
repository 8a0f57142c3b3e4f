"""The receipts of messages this client received, so that a message can be settled by its id.

Bounded: beyond the limit the oldest is forgotten. A lease is remembered for a while after its end, so that a late
ack gets the server's word (`lease_lost`) and not ours. Used by several threads at once.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from hanzo_queues.client.models import Message
from hanzo_queues.errors import ReceiptUnknown

LEASES_MAX = 100_000
REMEMBERED_S = 43_200.0
"""The longest visibility timeout: no lease of ours is forgotten while it runs, unless there are too many."""


Lease = tuple[str, str, float]
"""Queue, receipt, and when to forget it: a tuple without names costs a fraction of one with them."""


class Leases:
    """Message id -> its last lease."""

    def __init__(self, leases_max: int = LEASES_MAX, clock: Callable[[], float] = time.monotonic) -> None:
        self._leases: OrderedDict[str, Lease] = OrderedDict()
        self._watched: set[str] = set()
        self._leases_max = leases_max
        self._clock = clock
        self._guard = threading.Lock()

    def __len__(self) -> int:
        return len(self._leases)

    def remember(self, messages: list[Message]) -> None:
        """Keeps the receipts, and forgets what is long over."""
        now = self._clock()
        with self._guard:
            leases = self._leases
            for message in messages:
                leases.pop(message.id, None)  # the last one is the youngest
                leases[message.id] = (message.queue, message.receipt, now + REMEMBERED_S)
            while leases:
                _, _, forget_at = next(iter(leases.values()))
                if len(leases) <= self._leases_max and forget_at > now:
                    break
                leases.popitem(last=False)

    def find(self, message: Message | str) -> tuple[str, str, str]:
        """(queue, id, receipt) of a message or of an id. Raises ReceiptUnknown."""
        if isinstance(message, Message):
            return message.queue, message.id, message.receipt
        if not isinstance(message, str):
            raise TypeError(f"expected a received message or its id, not a {type(message).__name__}")
        lease = self._leases.get(message)
        if lease is None:
            raise ReceiptUnknown(
                f"this client holds no lease of message {message!r}: it was never received here, or is settled "
                "already. A message received elsewhere is settled by passing the message itself"
            )
        return lease[0], message, lease[1]

    def watch(self, message: Message) -> None:
        """Notes whether this very lease gets settled, whatever becomes of later ones; until `unwatch`."""
        self._watched.add(message.receipt)

    def is_settled(self, message: Message) -> bool:
        """Whether this lease, which is watched, was settled through this client."""
        return message.receipt not in self._watched

    @property
    def watches(self) -> bool:
        """Whether a lease is watched: a handler has its message, or it is being settled."""
        return bool(self._watched)

    def unwatch(self, message: Message) -> None:
        self._watched.discard(message.receipt)

    def forget(self, message_id: str, receipt: str) -> None:
        """The lease was settled. A later lease of the same message stays."""
        self.forget_all(((message_id, receipt),))

    def forget_all(self, settled: Iterable[tuple[str, str]]) -> None:
        """These leases were, each an id and its receipt."""
        with self._guard:
            leases = self._leases
            for message_id, receipt in settled:
                self._watched.discard(receipt)
                lease = leases.get(message_id)
                if lease is not None and lease[1] == receipt:
                    del leases[message_id]
