"""When to try again, and how long to wait first. Pure: no clock, no request, and chance is passed in.

Full jitter: the wait is drawn from 0 to the exponential bound, so that clients which failed together do not come
back together (Brooker, "Exponential Backoff And Jitter", AWS 2015). What the server asks for is a lower bound.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from hanzo_queues.errors import ApiError, MessageLeased, QueuesError

RETRY_STATUSES = frozenset({408, 429, 502, 503, 504})

RETRY_AFTER_MAX = 60.0
"""Seconds. A server that asks for more gets its answer passed on to the caller, who knows better."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`retries_max` tries after the first; the n-th waits 0 to `min(delay_max, delay_initial * 2 ** n)` s."""

    retries_max: int = 8
    delay_initial: float = 0.1
    delay_max: float = 5.0
    chance: Callable[[], float] = random.random

    def next_delay(self, failures: int, error: QueuesError, *, safe: bool) -> float | None:
        """Seconds to wait before the next try, or None to give up.

        failures    tries that failed, this one included: at least 1
        safe        repeating is harmless even when the failed try was carried out
        """
        if failures > self.retries_max or not is_transient(error):
            return None
        if isinstance(error, MessageLeased):
            return None  # a lease lasts as long as its consumer works: whoever asked knows better than to sit it out
        if error.outcome == "unknown" and not safe:
            return None
        asked = error.retry_after if isinstance(error, ApiError) else None
        if asked is not None and asked > RETRY_AFTER_MAX:
            return None
        return (asked or 0.0) + self.backoff(failures)

    def backoff(self, failures: int) -> float:
        """The jittered wait after so many failures in a row (at least 1), in seconds."""
        bound = min(self.delay_max, self.delay_initial * 2.0 ** min(failures - 1, 30))
        return bound * self.chance()


def is_transient(error: QueuesError) -> bool:
    """Whether the same request can succeed later."""
    return error.retryable or (isinstance(error, ApiError) and error.status in RETRY_STATUSES)
