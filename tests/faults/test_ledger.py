"""Servers and nats-servers that die, freeze, fall mute or are cut off under load: nothing acknowledged is lost, nothing
is delivered twice unexplained, order per key, dedup ids and attempts are kept.

FAULTS_KILLS blows in all, a short slice by default; `make faults` does a thousand. FAULTS_SEED repeats a run's choices.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.killing import Struck, kill_under_load
from tests.faults.ledger import Delivery, End, Ledger, Repeat
from tests.faults.scenes import Cluster, CutOff, Embedded, Scene

KILLS = int(os.environ.get("FAULTS_KILLS", "30"))
SEED = int(os.environ.get("FAULTS_SEED", "0")) or secrets.randbelow(2**32)

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="finds the nats-server in /proc")


def shares(blows: int, directory: Path) -> list[tuple[Scene, dict[str, int]]]:
    """Scenes, and how often each blow falls there: most are plain kills, of what is slow a slice."""
    tenth, twentieth = max(1, blows // 10), max(1, blows // 20)
    slow = {"frozen nats-server": max(1, blows // 30), "mute nats-server": max(1, blows // 60)}
    cut = {"cut off from nats-server": max(1, twentieth // 2), "cut off to nats-server": max(1, twentieth // 2)}
    lead = {"leader": max(1, tenth // 2), "frozen leader": max(1, tenth // 6), "leader and server": max(1, tenth // 3)}
    lead |= dict.fromkeys(("mute leader", "stopped owner", "frozen owner"), max(1, tenth // 8))
    plain = blows - sum(sum(part.values()) for part in (slow, cut, lead))
    kills = {"server": plain // 3, "both": plain // 3, "nats-server": plain - 2 * (plain // 3)}
    return [
        (Embedded(), {blow: count - count // 2 for blow, count in kills.items()}),
        (Embedded(), {blow: count // 2 for blow, count in kills.items()}),
        (Embedded(), slow),
        (CutOff(directory / "cut-off"), cut),
        (Cluster(directory / "cluster"), lead),
    ]


@linux_only
@pytest.mark.timeout(120 + KILLS * 30)
async def test_blows_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    print(f"\nFAULTS_SEED={SEED} FAULTS_KILLS={KILLS}")
    scenes = shares(KILLS, tmp_path)
    assert sum(sum(blows.values()) for _, blows in scenes) == KILLS
    struck = await asyncio.gather(
        *(kill_under_load(scene, blows, SEED + number) for number, (scene, blows) in enumerate(scenes))
    )
    print(report(struck))
    assert [finding for one in struck for finding in one.ledger.faults()] == []
    assert sum(len(one.ledger.acknowledged) for one in struck) > 10 * KILLS
    assert min(one.checkpoints for one in struck[:2]) > 0
    assert min(one.first_lsn for one in struck[:2]) > 1, "nothing was trimmed"


def report(struck: list[Struck]) -> str:
    """What happened in each scene, and the sums that matter."""
    lines = [f"{one.place}: {dict(one.blows)}: {one.ledger.summary()}" for one in struck]
    kinds = Counter(finding.kind for one in struck for finding in one.ledger.faults())
    acknowledged = sum(len(one.ledger.acknowledged) for one in struck)
    blows = sum(sum(one.blows.values()) for one in struck)
    sums = f"{blows} blows, {acknowledged} acknowledged, lost {kinds['lost']}, unexplained twice {kinds['twice']}"
    return "\n".join([*lines, sums])


def delivery(number: int, received_at: float, leased_until: float, end: End = "left", attempts: int = -1) -> Delivery:
    return Delivery("id", number, number - 1 if attempts < 0 else attempts, received_at, leased_until, end)


@pytest.mark.parametrize(
    ("deliveries", "kind", "fault"),
    [
        ([], "lost", "acknowledged and lost"),
        ([delivery(1, 1, 4)], "lost", "never acked"),
        ([delivery(1, 1, 4), delivery(2, 3, 6, "acked")], "twice", "before its lease ended"),
        ([delivery(1, 1, 4, "ack unknown"), delivery(2, 3, 6, "acked")], "twice", "before its lease ended"),
        ([delivery(1, 1, 4, "acked"), delivery(2, 5, 8)], "twice", "after it was acked"),
        ([delivery(1, 1, 4), delivery(1, 5, 8, "acked")], "twice", "handed out twice"),
        ([delivery(1, 1, 4, "nacked"), delivery(2, 2, 5, "acked", 0)], "attempts", "0 attempts at delivery 2"),
        ([delivery(1, 1, 4), delivery(2, 5, 8, "acked", 2)], "attempts", "2 attempts at delivery 2"),
        ([delivery(1, 1, 4, "released"), delivery(2, 2, 5, "acked", 1)], "attempts", "1 attempts at delivery 2"),
        ([delivery(2, 1, 4, "acked", 2)], "attempts", "2 attempts at delivery 2"),
        ([delivery(1, 1, 4), delivery(4, 9, 12, "acked", 0)], "attempts", "0 attempts at delivery 4"),
    ],
)
def test_the_ledger_finds(deliveries: list[Delivery], kind: str, fault: str) -> None:
    ledger = Ledger(acknowledged={"m": "id"}, deliveries={"m": deliveries} if deliveries else {})
    found = [finding for finding in ledger.faults() if fault in finding.text]
    assert [finding.kind for finding in found] == [kind]


def test_the_ledger_finds_that_what_nobody_was_told_of_is_lost_once_it_was_delivered() -> None:
    ledger = Ledger(unknown={"m"}, deliveries={"m": [delivery(1, 1, 4)]})
    (found,) = ledger.faults()
    assert (found.kind, found.text) == ("lost", "m: delivered and never acked, and yet the queue is empty")


def test_the_ledger_finds_a_message_stored_twice() -> None:
    ledger = Ledger(acknowledged={"m": "other"}, deliveries={"m": [delivery(1, 1, 4, "acked")]})
    assert "stored more than once" in ledger.faults()[0].text


def test_the_ledger_finds_a_message_from_nowhere() -> None:
    ledger = Ledger(deliveries={"m": [delivery(1, 1, 4, "acked")]})
    assert "never enqueued" in ledger.faults()[0].text


def test_the_ledger_finds_what_overtook() -> None:
    deliveries = {"m": [delivery(1, 1, 4), delivery(2, 5, 8, "acked")], "n": [delivery(1, 4.5, 8, "acked")]}
    ledger = Ledger(acknowledged={"m": "id", "n": "id"}, places={"m": ("k", 0), "n": ("k", 1)}, deliveries=deliveries)
    (found,) = ledger.faults()
    assert (found.kind, found.text) == ("order", "n: delivered 0.500 s before m, of the same key k")
    ledger.places["n"] = ("other", 1)
    assert ledger.faults() == []


@pytest.mark.parametrize("repeat", [Repeat("m", "other", True), Repeat("m", "id", False)])
def test_the_ledger_finds_a_dedup_id_that_was_forgotten(repeat: Repeat) -> None:
    ledger = Ledger(acknowledged={"m": "id"}, deliveries={"m": [delivery(1, 1, 4, "acked")]}, repeats=[repeat])
    assert [found.kind for found in ledger.faults()] == ["dedup"]


@pytest.mark.parametrize(
    "deliveries",
    [
        [delivery(1, 1, 4), delivery(2, 4.1, 7, "acked")],
        [delivery(1, 1, 4, "nacked"), delivery(2, 2, 5, "acked")],
        [delivery(1, 1, 4, "nack unknown"), delivery(2, 2, 5, "ack unknown")],
        [delivery(1, 1, 4, "released"), delivery(2, 2, 5, "acked", 0)],
        [delivery(1, 1, 4, "released"), delivery(4, 2, 5, "acked", 2)],
    ],
)
def test_the_ledger_accepts_what_has_its_reason(deliveries: list[Delivery]) -> None:
    assert Ledger(acknowledged={"m": "id"}, deliveries={"m": deliveries}).faults() == []


def test_the_ledger_accepts_a_dead_letter_whose_deliveries_nobody_saw() -> None:
    """Each of their answers went with a crash; what is not dead is still lost."""
    ledger = Ledger(acknowledged={"m": "id", "n": "other"}, dead={"m"})
    assert [found.text for found in ledger.faults()] == ["n: acknowledged and lost"]
