"""An outage: what is tried again and again, and fails. Told when it begins, when it has another reason, and when it is
over, not at each attempt; and whoever tries waits longer each time."""

from __future__ import annotations

import logging
import time

RETRY_DELAYS_S = (0.2, 0.4, 0.8, 1.6, 2.0)


class Outage:
    """Those of one thing. `what`: its name, for people; `logger`: of whoever tries."""

    def __init__(self, what: str, logger: logging.Logger) -> None:
        self._what = what
        self._logger = logger
        self._reasons: set[str] = set()
        self._count = 0
        self._began = 0.0

    def failed(self, error: Exception) -> float:
        """An attempt did. The seconds to wait before the next."""
        if self._count == 0:
            self._began = time.monotonic()
        self._count += 1
        reason = str(error) or type(error).__name__
        if reason not in self._reasons:
            self._reasons.add(reason)
            self._logger.warning("%s: %s; trying again until it is over", self._what, reason)
        return RETRY_DELAYS_S[min(self._count, len(RETRY_DELAYS_S)) - 1]

    def over(self) -> None:
        """An attempt succeeded."""
        if self._count > 0:
            lasted_s = time.monotonic() - self._began
            self._logger.info("%s: over, after %d attempts in %.1f s", self._what, self._count, lasted_s)
        self._count = 0
        self._reasons.clear()
