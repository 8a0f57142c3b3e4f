"""An outage is told when it begins, for each other reason, and when it is over; who tries waits longer each time."""

from __future__ import annotations

import logging

import pytest

from hanzo_queues.server.outage import DELAYS_S, Outage

logger = logging.getLogger("of tests")


def test_an_outage_is_told_once_for_each_reason_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    outage = Outage("the store", logger)
    outage.over()
    assert caplog.messages == []
    reasons = ("gone", "gone", "refused", "gone", "refused", "gone", "gone")
    waits = [outage.failed(OSError(reason)) for reason in reasons]
    assert waits == [*DELAYS_S, DELAYS_S[-1], DELAYS_S[-1]]
    assert sorted(waits) == waits
    again = "trying again until it is over"
    assert caplog.messages == [f"the store: gone; {again}", f"the store: refused; {again}"]
    outage.over()
    outage.over()
    (over,) = caplog.messages[2:]
    assert "over, after 7 attempts" in over
    assert outage.failed(TimeoutError()) == DELAYS_S[0]
    assert caplog.messages[3:] == [f"the store: TimeoutError; {again}"]
