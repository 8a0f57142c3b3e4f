"""How many handlers a consumer runs at once, between its minimum and its maximum. Pure: no clock, no request.

By Little's law: to work off the backlog in time takes backlog * handler time / time handlers. It grows to the double
and shrinks by a quarter at most, one look at a time, so that a burst is met soon and does not make it flap. When
handlers that were added only made all of them slower, they are taken back, and concurrency stays there for a while:
what they share is the limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

LOOK_SECONDS = 1.0
"""Between two looks."""
CLEAR_SECONDS = 5.0
"""How soon a backlog should be worked off: shorter makes for more handlers."""
GAIN_MIN = 1 / 3
"""The share of what handlers were added that their throughput has to grow by; else what they use is saturated."""
JUDGED_WITHIN = 10
"""So many looks at most growth waits for handlers to show what it brought."""
HOLD_LOOKS = 30
"""So many looks concurrency stays where more of it brought nothing."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One look."""

    backlog: float
    """Messages that wait for this consumer, and those in its hands."""
    handler_seconds: float
    """What those messages took that ended since the last look; 0: none did."""
    busy: bool
    """All handlers run."""


class Scale:
    """The concurrency of one consumer."""

    def __init__(self, least: int, most: int) -> None:
        self.current = least
        self._least = least
        self._most = most
        self._handler_seconds = 0.0
        self._before: tuple[int, float] | None = None
        """Handlers and their time before it grew, while that is to be judged."""
        self._settling = 0
        """Looks until then."""
        self._hold = 0
        """Looks that growth waits."""

    def next(self, seen: Seen) -> int:
        """The number of handlers from now on."""
        self._handler_seconds = seen.handler_seconds or self._handler_seconds
        wanted = self.current
        if self._handler_seconds:
            wanted = math.ceil(seen.backlog * self._handler_seconds / CLEAR_SECONDS)
        self._hold = max(0, self._hold - 1)
        self._settling = max(0, self._settling - 1)
        if wanted < self.current:
            self._before = None
            self.current = max(wanted, self.current - max(1, self.current // 4))
        elif seen.busy and self._settling == 0:
            if self._before is not None and self._is_saturated(*self._before):
                self.current = self._before[0]
                self._before = None
                self._hold = HOLD_LOOKS
            elif wanted > self.current and self._hold == 0:
                self._grow(wanted)
        self.current = min(max(self.current, self._least), self._most)
        return self.current

    def _grow(self, wanted: int) -> None:
        self._before = (self.current, self._handler_seconds)
        self.current = min(wanted, 2 * self.current, self._most)
        # Handlers that began since must have ended: those of the look before tell of less concurrency.
        self._settling = min(math.ceil(self._handler_seconds / LOOK_SECONDS) + 1, JUDGED_WITHIN)

    def _is_saturated(self, handlers: int, handler_seconds: float) -> bool:
        """Throughput, which is handlers / handler time, did not follow the growth that is to be judged."""
        if handlers >= self.current:
            return False
        grown = self.current / handlers - 1
        gained = (1 + grown) * handler_seconds / self._handler_seconds - 1
        return gained < GAIN_MIN * grown
