"""When to try again, and how long to wait first. Pure: no clock, no request, and chance is passed in.

The whole policy: up to `retries_max` tries after the first, each after a wait that is drawn from 0 to an exponential
bound (full jitter: clients which failed together do not come back together; Brooker, "Exponential Backoff And Jitter",
AWS 2015) on top of what the server's Retry-After asks for. All waits of a call together are 10 seconds at most: the
last one is cut short to that, and a Retry-After that goes beyond it ends the call with its error.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from hanzo_queues.errors import ApiError, MessageLeased, QueuesError

RETRY_STATUSES = frozenset({408, 429, 502, 503, 504})

WAIT_SECONDS_MAX = 10.0
"""All waits of one call together. Whoever is asked to wait for longer is told so, and knows better what to do."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`retries_max` tries after the first; before the n-th it waits for what the server asked for, and 0 to
    `min(delay_max, delay_initial * 2 ** (n - 1))` seconds, but not beyond `wait_max` seconds in all."""

    retries_max: int = 8
    delay_initial: float = 0.1
    delay_max: float = 5.0
    wait_max: float = WAIT_SECONDS_MAX
    chance: Callable[[], float] = random.random

    def next_delay(self, failures: int, error: QueuesError, *, safe: bool, waited: float = 0.0) -> float | None:
        """Seconds to wait before the next try, or None to give up.

        failures    tries that failed, this one included: at least 1
        safe        repeating is harmless even when the failed try was carried out
        waited      seconds that this call has waited so far, between its tries
        """
        if failures > self.retries_max or not is_transient(error):
            return None
        if isinstance(error, MessageLeased):
            return None  # a lease lasts as long as its consumer works: whoever asked knows better than to sit it out
        if error.outcome == "unknown" and not safe:
            return None
        asked = (error.retry_after if isinstance(error, ApiError) else None) or 0.0
        left = self.wait_max - waited
        if left <= 0 or asked > left:
            return None
        return min(left, asked + self.backoff(failures))

    def backoff(self, failures: int) -> float:
        """The jittered wait after so many failures in a row (at least 1), in seconds."""
        bound = min(self.delay_max, self.delay_initial * 2.0 ** min(failures - 1, 30))
        return bound * self.chance()


def is_transient(error: QueuesError) -> bool:
    """Whether the same request can succeed later."""
    return error.retryable or (isinstance(error, ApiError) and error.status in RETRY_STATUSES)
