"""kill -9 of server or nats-server under load: how many messages can't be accounted for. See tests/faults."""

from __future__ import annotations

import secrets

from bench.figure import Figure, Scale
from bench.generator import LedgerBroken
from tests.faults.killing import kill_under_load


async def measure(scale: Scale) -> list[Figure]:
    """One run with a seed of its own, which is written down."""
    seed = secrets.randbelow(2**32)
    ledger, killed = await kill_under_load(scale.kills, seed)
    faults = ledger.faults()
    if faults:
        raise LedgerBroken(f"seed {seed}: {faults[:5]}")
    details = {"seed": seed, "kills": killed.total(), "acknowledged": len(ledger.acknowledged)}
    return [Figure("lost, or twice unexplained, over kill -9", 0, "messages", 0, at_most=True, details=details)]
