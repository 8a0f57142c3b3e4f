"""Messages and queues of the plain model: what each knows of itself.

Each consumer group of a queue is a `Queue` with copies of its own. A queue's list of messages is in the order in which
each came into its state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.property.broker_limits import Limits

DEFAULTS: dict[str, Any] = {
    "maxRetries": 3,
    "visibilityTimeout": 30,
    "deadLetterQueue": None,
    "rateLimit": None,
    "consumerRateLimit": None,
    "keyRateLimit": None,
    "ingressLimit": None,
    "fairness": {"weights": {}, "maxInFlight": None},
    "maxMessages": None,
    "maxInFlight": None,
    "scheduling": {"mode": "fair", "agingSeconds": 60},
    "backoff": {"initial": 1, "multiplier": 2, "max": 600, "jitter": 0.2},
    "dedupWindow": 300,
    "delay": 0,
    "ttl": None,
    "deadRetention": None,
    "resultRetention": 86_400,
    "sessionTimeout": 30,
}


class Refused(Exception):
    """The rules say no."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def ms(seconds: float) -> int:
    return round(seconds * 1000)


@dataclass(eq=False)
class Known:
    """A message as everybody knows it: one id, and each group's copy, that of `default` first."""

    number: int
    payload: bytes
    fields: dict[str, Any]
    enqueued_at_ms: int
    copies: list[Message] = field(default_factory=list)
    id: str = ""
    result: Result | None = None

    def held(self) -> list[Message]:
        """What groups are not done with."""
        return [copy for copy in self.copies if copy.state != "gone"]

    def groups(self) -> dict[str, str] | None:
        """Its state in each group, when there were several."""
        if len(self.copies) < 2:
            return None
        there = [copy for copy in self.copies if not copy.queue.deleted]
        return {copy.queue.group: "done" if copy.state == "gone" else copy.state for copy in there}

    def state(self) -> str:
        """As a duplicate is told it: that of the first copy."""
        return "done" if self.copies[0].state == "gone" else self.copies[0].state

    def kept(self, now_ms: int) -> Result | None:
        """The result of its last ack that had one, while it is kept."""
        result = self.result
        return result if result and result.expires_at_ms > now_ms and not result.dropped else None


@dataclass(eq=False)
class Result:
    text: bytes
    queue: Queue
    group: str
    done_at_ms: int
    expires_at_ms: int
    dropped: bool = False


@dataclass(eq=False)
class Death:
    reason: str
    at_ms: int
    source: Message
    deliveries: int
    attempts: int
    first_failure_ms: int | None
    last_failure_ms: int | None
    error: str | None


@dataclass(eq=False)
class Message:
    """One group's copy."""

    known: Known
    queue: Queue
    priority: int
    key: str | None = None
    lane: str | None = None
    expires_at_ms: int | None = None
    max_retries: int | None = None
    backoff: dict[str, float] | None = None
    state: str = ""
    at_ms: int = 0
    deliveries: int = 0
    attempts: int = 0
    first_failure_ms: int | None = None
    last_failure_ms: int | None = None
    error: str | None = None
    nacked: bool = False
    holder: str = ""
    since_ms: int = 0
    perhaps_ms: int | None = None
    death: Death | None = None

    def deadline_ms(self) -> int | None:
        """When time changes it by itself. While it is leased its time to live waits."""
        if self.state == "dead":
            return self.retires_ms()
        ends = [self.at_ms] if self.state in ("delayed", "leased") else []
        if self.expires_at_ms is not None and self.state in ("ready", "blocked", "delayed"):
            ends.append(self.expires_at_ms)
        return min(ends, default=None)

    def retires_ms(self) -> int | None:
        """When it is gone that is dead, or a dead letter; while a consumer holds one it waits."""
        kept = self.queue.config["deadRetention"]
        if kept is None or self.death is None:
            return None
        return self.death.at_ms + ms(kept)

    def in_lane(self) -> tuple[int, str | None, bool]:
        """Ready messages that share it are first in, first out."""
        return (self.priority, self.lane, self.key is not None)

    def may_go_to(self, consumer: str) -> bool:
        """A key of a group with members goes to nobody but the member it sticks to."""
        members = self.queue.members
        return self.key is None or not members or (consumer in members and consumer in self.owners())

    def must_go_to(self, consumer: str) -> bool:
        """Nobody else can be whom it sticks to."""
        return self.may_go_to(consumer) and (self.key is None or self.owners() <= {consumer})

    def owners(self) -> set[str]:
        """Whom its ordering key may stick to."""
        return self.queue.owners.setdefault(self.key or "", set(self.queue.members))

    def gone_at_ms(self) -> int | None:
        """What is shown as its expiry."""
        dies_ms = None if self.state == "dead" else self.expires_at_ms
        return self.retires_ms() or dies_ms

    def is_last_attempt(self) -> bool:
        own = self.max_retries if self.death is None else None  # a dead letter's rest
        retries: int = self.queue.config["maxRetries"] if own is None else own
        return self.attempts + 1 > retries


@dataclass(eq=False)
class Queue:
    """A queue, or one of its further groups, which has the settings and pauses of its `source`."""

    name: str
    group: str
    created_at_ms: int
    settings: dict[str, Any] = field(default_factory=dict)
    of: Queue | None = None
    further: list[Queue] = field(default_factory=list)
    paused: dict[str, bool] = field(default_factory=lambda: {"enqueue": False, "receive": False})
    deleted: bool = False
    messages: list[Message] = field(default_factory=list)
    dedup: dict[str, tuple[bytes, Known, int | None]] = field(default_factory=dict)
    members: dict[str, int] = field(default_factory=dict)
    owners: dict[str, set[str]] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    results: list[Result] = field(default_factory=list)

    @property
    def source(self) -> Queue:
        return self.of or self

    @property
    def config(self) -> dict[str, Any]:
        return self.source.settings

    def groups(self) -> list[Queue]:
        return [self, *self.further]

    def held(self) -> int:
        """Messages that any of its groups holds, each once."""
        return len({message.known for group in self.groups() for message in group.messages})

    def in_state(self, state: str) -> list[Message]:
        """In the order of a peek."""
        found = [message for message in self.messages if message.state == state]
        return sorted(found, key=lambda message: -message.priority) if state == "ready" else found

    def of_key(self, key: str) -> list[Message]:
        """Those that hold the ordering key: the first one's turn it is."""
        held = [message for message in self.messages if message.key == key and message.state != "dead"]
        return sorted(held, key=lambda message: message.known.number)

    def line(self) -> list[Message]:
        """Ready messages in the order of delivery, were there no fairness keys."""
        return sorted(self.in_state("ready"), key=self.rank)

    def rank(self, message: Message) -> tuple[int, int]:
        scheduling = self.config["scheduling"]
        if scheduling["mode"] == "strict":
            return (0, -message.priority)
        return (message.at_ms - message.priority * ms(scheduling["agingSeconds"]), -message.priority)

    def leases_left(self) -> int:
        most = self.config["maxInFlight"]
        return 1 << 60 if most is None else max(0, most - len(self.in_state("leased")))

    def key_wait_ms(self, key: str | None, now_ms: int) -> int | None:
        """Milliseconds until a message of this fairness key may go; 0: now. None: when one of them is done."""
        if key is None:
            return 0
        most = self.config["fairness"]["maxInFlight"]
        if most is not None and sum(message.lane == key for message in self.in_state("leased")) >= most:
            return None
        return self.limits.wait_ms("keyRateLimit", key, now_ms)
