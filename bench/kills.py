"""kill -9 of server or nats-server under load: how many messages can't be accounted for. See tests/faults."""

from __future__ import annotations

from bench.figure import Figure, Scale
from bench.generator import LedgerBroken
from bench.measured import Measured
from tests.faults.killing import kill_under_load
from tests.faults.scenes import Embedded


async def measure(scale: Scale, seed: int) -> Measured:
    """One run."""
    third = scale.kills // 3
    blows = {"server": third, "nats-server": third, "both": scale.kills - 2 * third}
    struck = await kill_under_load(Embedded(), blows, seed)
    faults = struck.ledger.faults()
    if faults:
        raise LedgerBroken(f"seed {seed}: {faults[:5]}")
    details = {"kills": struck.blows.total(), "acknowledged": len(struck.ledger.acknowledged)}
    figure = Figure("lost, or twice unexplained, over kill -9", 0, "messages", 0, 0, at_most=True, details=details)
    return Measured([figure])
