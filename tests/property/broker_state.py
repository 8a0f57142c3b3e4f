"""Messages and queues of the plain model: what each knows of itself.

A queue's list is in the order in which each message came into its state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

PERIODS_MS = {"second": 1000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}


@dataclass(eq=False)
class Death:
    reason: str
    source_queue: str
    source: Message
    deliveries: int
    attempts: int
    first_failure_ms: int | None
    last_failure_ms: int | None
    error: str | None


@dataclass(eq=False)
class Message:
    number: int
    queue: Queue
    payload: bytes
    priority: int
    enqueued_at_ms: int
    fields: dict[str, Any] = field(default_factory=dict)
    key: str | None = None
    expires_at_ms: int | None = None
    max_retries: int | None = None
    state: str = ""
    at_ms: int = 0
    deliveries: int = 0
    attempts: int = 0
    first_failure_ms: int | None = None
    last_failure_ms: int | None = None
    error: str | None = None
    nacked: bool = False
    death: Death | None = None
    id: str = ""

    def deadline_ms(self) -> int | None:
        """When time changes it by itself. While it is leased its time to live waits."""
        if self.state in ("dead", "gone"):
            return None
        ends = [self.at_ms] if self.state in ("delayed", "leased") else []
        if self.expires_at_ms is not None and self.state != "leased":
            ends.append(self.expires_at_ms)
        return min(ends, default=None)


@dataclass(eq=False)
class Queue:
    name: str
    config: dict[str, Any]
    created_at_ms: int
    messages: list[Message] = field(default_factory=list)
    dedup: dict[str, tuple[bytes, Message, int]] = field(default_factory=dict)
    tokens: Fraction = Fraction(0)
    tokens_at_ms: int = 0

    def in_state(self, state: str) -> list[Message]:
        """In the order of a peek."""
        found = [message for message in self.messages if message.state == state]
        return sorted(found, key=lambda message: -message.priority) if state == "ready" else found

    def of_key(self, key: str) -> list[Message]:
        """Those that hold the ordering key: the first one's turn it is."""
        held = [message for message in self.messages if message.key == key and message.state != "dead"]
        return sorted(held, key=lambda message: message.number)

    def refill(self, now_ms: int) -> None:
        if limit := self.config["rateLimit"]:
            gained = Fraction((now_ms - self.tokens_at_ms) * limit["requests"], PERIODS_MS[limit["per"]])
            self.tokens = min(Fraction(limit["burst"]), self.tokens + gained)
        self.tokens_at_ms = now_ms

    def empty_bucket(self, now_ms: int) -> None:
        self.tokens, self.tokens_at_ms = Fraction(0), now_ms
