"""Faults: the environment failed, not the request.

A fault always says whether its outcome is known. `none`: nothing happened, a retry is safe. `unknown`: the request may
have been carried out; retry with the same dedup id or receipt. Rules that say no are rejections, not faults.
"""

from __future__ import annotations

from typing import Literal

Outcome = Literal["none", "unknown"]


class Fault(Exception):
    """A failure of the environment, with its code in spec/errors.toml."""

    code = "internal_error"
    outcome: Outcome = "unknown"

    def __init__(self, detail: str, *, outcome: Outcome | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.outcome = outcome or self.outcome
        self.retry_after_s = retry_after_s


class JournalUnavailable(Fault):
    """An append failed, timed out or was refused, or a payload could not be read back."""

    code = "journal_unavailable"
    outcome: Outcome = "unknown"


class PartitionRecovering(Fault):
    """The partition replays its journal; the request was not applied."""

    code = "partition_recovering"
    outcome: Outcome = "none"


class ShuttingDown(Fault):
    """The server stops; the request was not applied."""

    code = "shutting_down"
    outcome: Outcome = "none"


class Overloaded(Fault):
    """A budget of the server is used up; the request was not applied."""

    code = "overloaded"
    outcome: Outcome = "none"


def stopped_before(outcome: Outcome) -> ShuttingDown:
    """The server stopped before the request was answered."""
    return ShuttingDown("The server stopped before the request was answered.", outcome=outcome)
