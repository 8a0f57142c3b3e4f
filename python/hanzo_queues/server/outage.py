"""An outage: what is tried again and again, and fails. Told when it begins, when it has another reason, and when it is
over, not at each attempt; and whoever tries waits longer each time."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

DELAYS_S = (0.2, 0.4, 0.8, 1.6, 2.0)


class Waits:
    """The seconds after each attempt that failed: of `delays_s` one after the other, then the last again and again."""

    def __init__(self, delays_s: Sequence[float]) -> None:
        self._delays_s = delays_s
        self.count = 0  # of attempts in a row that failed

    def next_s(self) -> float:
        """An attempt failed. The seconds to wait before the next."""
        self.count += 1
        return self._delays_s[min(self.count, len(self._delays_s)) - 1]

    def begin_anew(self) -> None:
        """An attempt succeeded."""
        self.count = 0


class Outage:
    """Those of one thing. `what`: its name, for people; `logger`: of whoever tries."""

    def __init__(self, what: str, logger: logging.Logger, delays_s: Sequence[float] = DELAYS_S) -> None:
        self._what = what
        self._logger = logger
        self._waits = Waits(delays_s)
        self._reasons: set[str] = set()
        self._began = 0.0
        self.reason = ""  # the last one; empty while there is no outage
        self.count = 0  # of failures and hindrances in a row

    @property
    def lasted_s(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    def failed(self, error: Exception) -> float:
        """An attempt did. The seconds to wait before the next."""
        self.hindered(error)
        return self._waits.next_s()

    def hindered(self, error: Exception) -> None:
        """There was no use in an attempt: that makes nobody wait longer."""
        if self.count == 0:
            self._began = time.monotonic()
        self.count += 1
        self.reason = str(error) or type(error).__name__
        if self.reason not in self._reasons:
            self._reasons.add(self.reason)
            self._logger.warning("%s: %s; trying again until it is over", self._what, self.reason)

    def over(self) -> None:
        """An attempt succeeded."""
        if self.count > 0:
            self._logger.info("%s: over, after %d attempts in %.1f s", self._what, self.count, self.lasted_s)
        self.forget()

    def forget(self) -> None:
        """Whether it goes on, nobody here knows any more."""
        self._waits.begin_anew()
        self._reasons.clear()
        self.count, self.reason = 0, ""
