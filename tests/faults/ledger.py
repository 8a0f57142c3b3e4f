"""The ledger: what was acknowledged, what was handed out, what was acked, and what of it can't be explained.

Pure. Entries are written by a load while servers die; `faults` reads them at the end. Every message has a key of the
producer's choosing in its payload, so the ledger doesn't trust the server's ids to tell messages apart.

A second delivery is explained when the first one's lease had ended by then, as the server itself had said, or when it
was nacked. A crash explains nothing by itself: a lease that was answered is durable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, NamedTuple

CLOCK_TOLERANCE_S = 0.002

End = Literal["left", "acked", "nacked", "released", "ack unknown", "nack unknown", "release unknown"]
"""How a delivery ended: `left`: nobody said anything, or too late; unknown: what was said was not answered."""

Kind = Literal["lost", "twice", "order", "dedup", "attempts"]


class Finding(NamedTuple):
    """Something that must not be."""

    kind: Kind
    text: str


@dataclass
class Delivery:
    """One handing-out, as the consumer saw it. Instants are seconds since 1970, of the machine both run on.
    `attempts`: deliveries before it that failed, as the server said."""

    message_id: str
    number: int
    attempts: int
    received_at: float
    leased_until: float
    end: End = "left"


class Repeat(NamedTuple):
    """What an enqueue was answered whose dedup id was acknowledged before."""

    key: str
    message_id: str
    duplicate: bool


@dataclass
class Ledger:
    """`acknowledged`: key -> id in the answer. `unknown`: keys whose enqueue ended without an answer. `dead`: keys
    whose dead letters came, as they should: they are never acked. `places`: key -> its ordering key, and its place
    among that key's messages."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    dead: set[str] = field(default_factory=set)
    places: dict[str, tuple[str, int]] = field(default_factory=dict)
    deliveries: dict[str, list[Delivery]] = field(default_factory=dict)
    repeats: list[Repeat] = field(default_factory=list)

    def faults(self) -> list[Finding]:
        """Everything that must not be."""
        found = [Finding("lost", text) for text in self._lost()]
        for key, deliveries in self.deliveries.items():
            ordered = sorted(deliveries, key=lambda delivery: delivery.number)
            found += [Finding("twice", text) for text in self._stored_twice(key, ordered)]
            found += [Finding("twice", f"{key}: {text}") for text in _handed_out_twice(ordered)]
            found += [Finding("attempts", f"{key}: {text}") for text in _miscounted(ordered)]
        found += [Finding("order", text) for text in self._out_of_order()]
        found += [Finding("dedup", text) for text in self._stored_again()]
        return found

    def _lost(self) -> Iterator[str]:
        for key in self.acknowledged:
            # Of one that is dead the answers of all deliveries may have been lost.
            if key not in self.dead and not self.deliveries.get(key):
                yield f"{key}: acknowledged and lost"
        # A delivery was answered, so its message is durable, whatever became of the enqueue's answer.
        for key, deliveries in self.deliveries.items():
            if key not in self.dead and not any(one.end in ("acked", "ack unknown") for one in deliveries):
                yield f"{key}: delivered and never acked, and yet the queue is empty"

    def _stored_twice(self, key: str, deliveries: list[Delivery]) -> Iterator[str]:
        if key not in self.acknowledged and key not in self.unknown:
            yield f"{key}: delivered, and never enqueued"
        ids = {delivery.message_id for delivery in deliveries}
        if key in self.acknowledged:
            ids.add(self.acknowledged[key])
        if len(ids) > 1:
            yield f"{key}: stored more than once, as {sorted(ids)}"

    def _out_of_order(self) -> Iterator[str]:
        """Of one ordering key a message is handed out when all before it are done: behind their last deliveries."""
        lanes: dict[str, list[tuple[int, str]]] = {}
        for key, (lane, place) in self.places.items():
            if self.deliveries.get(key):
                lanes.setdefault(lane, []).append((place, key))
        for lane, members in lanes.items():
            for (_, earlier), (_, later) in pairwise(sorted(members)):
                done_at = max(self.deliveries[earlier], key=lambda one: one.number).received_at
                first_at = min(self.deliveries[later], key=lambda one: one.number).received_at
                if first_at < done_at:
                    yield f"{later}: delivered {done_at - first_at:.3f} s before {earlier}, of the same key {lane}"

    def _stored_again(self) -> Iterator[str]:
        for key, message_id, duplicate in self.repeats:
            if not duplicate or message_id != self.acknowledged[key]:
                yield f"{key}: enqueued again, it became {message_id}, and not a duplicate of {self.acknowledged[key]}"

    def summary(self) -> str:
        """The counts, for people."""
        again = sum(len(deliveries) - 1 for deliveries in self.deliveries.values())
        kinds = Counter(finding.kind for finding in self.faults())
        return (
            f"{len(self.acknowledged)} enqueues acknowledged, {len(self.unknown)} of unknown outcome, "
            f"{len(self.repeats)} repeated, {len(self.deliveries)} messages delivered, {again} of them again; "
            f"lost {kinds['lost']}, unexplained twice {kinds['twice']}, out of order {kinds['order']}, "
            f"dedup forgotten {kinds['dedup']}, attempts miscounted {kinds['attempts']}"
        )


def _handed_out_twice(deliveries: list[Delivery]) -> Iterator[str]:
    for earlier, later in pairwise(deliveries):
        if later.number == earlier.number:
            yield f"delivery {later.number} was handed out twice"
        elif earlier.end == "acked":
            yield "delivered again after it was acked"
        elif earlier.end in ("left", "ack unknown") and later.received_at < earlier.leased_until - CLOCK_TOLERANCE_S:
            yield f"delivered again {earlier.leased_until - later.received_at:.3f} s before its lease ended"


def _miscounted(deliveries: list[Delivery]) -> Iterator[str]:
    """Each delivery that came to nothing counts as an attempt, unless it was released. Of one that nobody saw both may
    be: its lease ended, or the server took it back."""
    if deliveries and not 0 <= deliveries[0].attempts < deliveries[0].number:
        yield f"{deliveries[0].attempts} attempts at delivery {deliveries[0].number}"
    for earlier, later in pairwise(deliveries):
        unseen = later.number - earlier.number - 1
        least = earlier.attempts + (earlier.end not in ("released", "release unknown"))
        most = earlier.attempts + (earlier.end != "released") + unseen
        if not least <= later.attempts <= most:
            yield (
                f"{later.attempts} attempts at delivery {later.number}, {earlier.attempts} at delivery "
                f"{earlier.number}, which ended as {earlier.end!r}"
            )
