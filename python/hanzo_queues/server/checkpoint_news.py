"""How the checkpoints of a partition fare: for its log, and for readiness.

A checkpoint that fails harms nobody. Many in a row do: what no checkpoint covers is not trimmed, and a disk fills. So
that is said once it is more than a hitch, and once more when it is over, not at each attempt.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

FAILURES_UNTIL_TOLD = 3


class CheckpointNews:
    """Those of one partition. `on_taken` is called for each that is taken, `on_failed` with why one was not."""

    def __init__(
        self,
        on_taken: Callable[[], None] = lambda: None,
        on_failed: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        self._on_taken = on_taken
        self._on_failed = on_failed
        self._count = 0  # of failures in a row
        self._why = ""
        self._since = 0.0
        self._is_told = False

    def begin(self) -> None:
        """What failed before counts no more."""
        self._count, self._why, self._is_told = 0, "", False

    @property
    def warning(self) -> str:
        """What whoever runs the server should know; empty when all is well."""
        if not self._is_told:
            return ""
        seconds = time.monotonic() - self._since
        lasts = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"
        return (
            f"no checkpoint could be taken for {lasts}: {self._why.rstrip('.')}. Messages are in no danger; but the "
            "journal is not trimmed, so the disk fills, and a start takes longer."
        )

    def taken(self) -> None:
        """One was."""
        if self._is_told:
            logger.warning("checkpoints are taken again")
        self.begin()
        self._on_taken()

    def failed(self, error: Exception) -> None:
        """None was taken that was due: an attempt came to nothing, or there is no room for one."""
        if self._count == 0:
            self._since = time.monotonic()
        self._count += 1
        is_new, self._why = str(error) != self._why, str(error)
        if is_new:
            logger.warning("no checkpoint was taken: %s; another is tried later", error)
        if self._count == FAILURES_UNTIL_TOLD:
            self._tell()
        self._on_failed(error)

    def ended(self, why: str) -> None:
        """None is tried any more, by this writer."""
        self._since, self._why = time.monotonic(), why
        self._tell()

    def _tell(self) -> None:
        self._is_told = True
        logger.error("%s", self.warning)
