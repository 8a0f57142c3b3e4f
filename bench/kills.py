"""kill -9 of server or nats-server under load: how many messages can't be accounted for. See tests/faults."""

from __future__ import annotations

from bench.figure import Figure, Scale
from bench.generator import LedgerBroken
from bench.measured import Measured
from tests.faults.killing import kill_under_load


async def measure(scale: Scale, seed: int) -> Measured:
    """One run."""
    ledger, killed = await kill_under_load(scale.kills, seed)
    faults = ledger.faults()
    if faults:
        raise LedgerBroken(f"seed {seed}: {faults[:5]}")
    details = {"kills": killed.total(), "acknowledged": len(ledger.acknowledged)}
    figure = Figure("lost, or twice unexplained, over kill -9", 0, "messages", 0, 0, at_most=True, details=details)
    return Measured([figure])
