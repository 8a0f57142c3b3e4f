"""Rate limits of the plain model: a bucket of tokens for whatever is limited."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

PERIODS_MS = {"second": 1000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
SETTINGS = ("rateLimit", "ingressLimit", "consumerRateLimit", "keyRateLimit")


@dataclass
class Bucket:
    """Tokens come evenly, up to a burst."""

    limit: dict[str, Any]
    tokens: Fraction
    at_ms: int

    def has(self, count: int, now_ms: int) -> bool:
        gained = Fraction((now_ms - self.at_ms) * self.limit["requests"], PERIODS_MS[self.limit["per"]])
        self.tokens, self.at_ms = min(Fraction(self.limit["burst"]), self.tokens + gained), now_ms
        return self.tokens >= count

    def take(self, now_ms: int) -> None:
        assert self.has(1, now_ms), "more went than the limit allows"
        self.tokens -= 1

    def wait_ms(self, count: int, now_ms: int) -> int:
        """Milliseconds until so many are there, or a whole burst; 0: they are."""
        if self.has(count, now_ms):
            return 0
        missing = min(count, self.limit["burst"]) - self.tokens
        return -int(-missing * PERIODS_MS[self.limit["per"]] // self.limit["requests"])


@dataclass
class Limits:
    """The buckets of one consumer group: by setting, and by whom each has one for."""

    fresh: dict[str, Bucket | None] = field(default_factory=dict)
    used: dict[tuple[str, str], Bucket] = field(default_factory=dict)

    def set(self, config: dict[str, Any], now_ms: int, *, full: bool, settings: tuple[str, ...] = SETTINGS) -> None:
        """Full for who never had one; empty where what went before is not known."""
        for name in settings:
            limit = config[name]
            self.fresh[name] = limit and Bucket(limit, Fraction(limit["burst"] if full else 0), now_ms)
        self.used = {key: bucket for key, bucket in self.used.items() if key[0] not in settings}

    def of(self, setting: str, who: str = "") -> Bucket | None:
        fresh = self.fresh[setting]
        return None if fresh is None else self.used.setdefault((setting, who), replace(fresh))

    def take(self, setting: str, who: str, now_ms: int) -> None:
        if bucket := self.of(setting, who):
            bucket.take(now_ms)

    def wait_ms(self, setting: str, who: str, now_ms: int) -> int:
        bucket = self.of(setting, who)
        return bucket.wait_ms(1, now_ms) if bucket else 0
