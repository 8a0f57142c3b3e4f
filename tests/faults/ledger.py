"""The ledger: what was acknowledged, what was handed out, what was acked, and what of it can't be explained.

Pure. Entries are written by the load while servers die; `faults` reads them at the end. Every message has a key of the
producer's choosing in its payload, so the ledger doesn't trust the server's ids to tell messages apart.

A second delivery is explained when the first one's lease had ended by then, as the server itself had said. A crash
explains nothing by itself: a lease that was answered is durable.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

CLOCK_TOLERANCE_S = 0.002


@dataclass
class Delivery:
    """One handing-out, as the consumer saw it. Instants are seconds since 1970, of the machine both run on."""

    message_id: str
    number: int
    received_at: float
    leased_until: float
    acked: bool = False


@dataclass
class Ledger:
    """`acknowledged`: key -> id in the answer. `unknown`: keys whose enqueue ended without an answer."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    deliveries: dict[str, list[Delivery]] = field(default_factory=dict)

    def faults(self) -> list[str]:
        """Everything that must not be, one sentence each."""
        found = list(self._lost())
        for key, deliveries in self.deliveries.items():
            found += self._faults_of(key, deliveries)
        return found

    def _lost(self) -> Iterator[str]:
        for key in self.acknowledged:
            deliveries = self.deliveries.get(key, [])
            if not deliveries:
                yield f"{key}: acknowledged and lost"
            elif not any(delivery.acked for delivery in deliveries):
                yield f"{key}: acknowledged, delivered and never acked, and yet the queue is empty"

    def _faults_of(self, key: str, deliveries: list[Delivery]) -> Iterator[str]:
        if key not in self.acknowledged and key not in self.unknown:
            yield f"{key}: delivered, and never enqueued"
        ids = {delivery.message_id for delivery in deliveries}
        if key in self.acknowledged:
            ids.add(self.acknowledged[key])
        if len(ids) > 1:
            yield f"{key}: stored more than once, as {sorted(ids)}"
        ordered = sorted(deliveries, key=lambda delivery: delivery.number)
        for earlier, later in pairwise(ordered):
            if later.number == earlier.number:
                yield f"{key}: delivery {later.number} was handed out twice"
            elif earlier.acked:
                yield f"{key}: delivered again after it was acked"
            elif later.received_at < earlier.leased_until - CLOCK_TOLERANCE_S:
                yield f"{key}: delivered again {earlier.leased_until - later.received_at:.3f} s before its lease ended"

    def summary(self) -> str:
        """The counts, for people."""
        again = sum(len(deliveries) - 1 for deliveries in self.deliveries.values())
        return (
            f"{len(self.acknowledged)} enqueues acknowledged, {len(self.unknown)} of unknown outcome, "
            f"{len(self.deliveries)} messages delivered, {again} of them again after their lease ended"
        )
