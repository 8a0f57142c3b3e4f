"""kill -9 of server and nats-server under load: nothing acknowledged is lost, nothing is delivered twice unexplained.

A short slice by default; `make faults` does a hundred. FAULTS_SEED repeats a run's choices.
"""

from __future__ import annotations

import os
import secrets
import sys

import pytest

from tests.faults.killing import kill_under_load
from tests.faults.ledger import Delivery, Ledger

KILLS = int(os.environ.get("FAULTS_KILLS", "10"))
SEED = int(os.environ.get("FAULTS_SEED", "0")) or secrets.randbelow(2**32)

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="finds the nats-server in /proc")


@linux_only
@pytest.mark.timeout(60 + KILLS * 30)
async def test_kills_lose_nothing_and_double_nothing() -> None:
    print(f"\nFAULTS_SEED={SEED} FAULTS_KILLS={KILLS}")
    ledger, killed = await kill_under_load(KILLS, SEED)
    print(f"killed {dict(killed)}: {ledger.summary()}")
    assert ledger.faults() == []
    assert len(ledger.acknowledged) > 10 * KILLS


def delivery(number: int, received_at: float, leased_until: float, *, acked: bool = False) -> Delivery:
    return Delivery("id", number, received_at, leased_until, acked)


@pytest.mark.parametrize(
    ("deliveries", "fault"),
    [
        ([], "acknowledged and lost"),
        ([delivery(1, 1, 4)], "never acked"),
        ([delivery(1, 1, 4), delivery(2, 3, 6, acked=True)], "before its lease ended"),
        ([delivery(1, 1, 4, acked=True), delivery(2, 5, 8)], "after it was acked"),
        ([delivery(1, 1, 4), delivery(1, 5, 8, acked=True)], "handed out twice"),
    ],
)
def test_the_ledger_finds(deliveries: list[Delivery], fault: str) -> None:
    ledger = Ledger(acknowledged={"m": "id"}, deliveries={"m": deliveries} if deliveries else {})
    (found,) = ledger.faults()
    assert fault in found


def test_the_ledger_finds_a_message_stored_twice() -> None:
    ledger = Ledger(acknowledged={"m": "other"}, deliveries={"m": [delivery(1, 1, 4, acked=True)]})
    assert "stored more than once" in ledger.faults()[0]


def test_the_ledger_finds_a_message_from_nowhere() -> None:
    ledger = Ledger(deliveries={"m": [delivery(1, 1, 4, acked=True)]})
    assert "never enqueued" in ledger.faults()[0]


def test_the_ledger_accepts_a_redelivery_after_the_lease() -> None:
    deliveries = [delivery(1, 1, 4), delivery(2, 4.1, 7, acked=True)]
    assert Ledger(acknowledged={"m": "id"}, deliveries={"m": deliveries}).faults() == []
