"""An outage of a partition's checkpoints. One that fails harms nobody. Many in a row do: what no checkpoint covers is
not trimmed, and a disk fills. So whoever runs the server is warned once it is more than a hitch, until one is taken."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from hanzo_queues.server.outage import Outage

logger = logging.getLogger(__name__)

DELAYS_S: Sequence[float] = (10.0, 20.0, 40.0, 80.0, 160.0, 320.0)  # what an attempt writes is in vain
FAILURES_UNTIL_WARNED = 3


class CheckpointOutage(Outage):
    """Those of one partition. `on_taken` is called for each checkpoint that is, `on_failed` with why one was not."""

    def __init__(
        self,
        on_taken: Callable[[], None] = lambda: None,
        on_failed: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        super().__init__("no checkpoint was taken", logger, DELAYS_S)
        self._on_taken = on_taken
        self._on_failed = on_failed

    @property
    def warning(self) -> str:
        """What whoever runs the server should know; empty when all is well."""
        if self.count < FAILURES_UNTIL_WARNED:
            return ""
        lasts = f"{self.lasted_s:.0f} s" if self.lasted_s < 120 else f"{self.lasted_s / 60:.0f} minutes"
        return (
            f"no checkpoint could be taken for {lasts}: {self.reason.rstrip('.')}. Messages are in no danger; but the "
            "journal is not trimmed, so the disk fills, and a start takes longer."
        )

    def hindered(self, error: Exception) -> None:
        """None was taken that was due."""
        super().hindered(error)
        if self.count == FAILURES_UNTIL_WARNED:
            logger.error("%s", self.warning)
        self._on_failed(error)

    def over(self) -> None:
        """One was taken."""
        super().over()
        self._on_taken()
