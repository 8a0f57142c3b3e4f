"""The input: webhook deliveries as GitHub sent them, one poisoned one among them, and what should come out.

Pure. The example compares what two consumers made of the queue with `expected`, computed here without a queue.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INPUT = Path(__file__).with_name("deliveries.jsonl.gz")
POISON_AT = 100
POISON_ID = "delivery-poison"

PRIORITIES = {
    "security_advisory": 200,
    "code_scanning_alert": 200,
    "dependabot_alert": 200,
    "repository_vulnerability_alert": 200,
    "deployment": 50,
    "deployment_status": 50,
    "push": 10,
    "pull_request": 10,
}
PRIORITY_DEFAULT = 1


@dataclass(frozen=True)
class Delivery:
    """One webhook delivery. `id` names it for good: sent twice, it is stored once."""

    id: str
    event: str
    payload: Any

    @property
    def priority(self) -> int:
        """What must be looked at soon, by event type."""
        return PRIORITIES.get(self.event, PRIORITY_DEFAULT)


def read_deliveries() -> list[Delivery]:
    """Every delivery of the file, with the poisoned one planted among them."""
    with gzip.open(INPUT, "rt", encoding="utf-8") as lines:
        parsed = [json.loads(line) for line in lines]
    deliveries = [Delivery(f"delivery-{at}", line["event"], line["payload"]) for at, line in enumerate(parsed)]
    deliveries.insert(POISON_AT, Delivery(POISON_ID, "push", {"repository": {"full_name": 42}}))
    return deliveries


def repository_of(payload: Any) -> str:
    """The repository's full name, or "-" for an event that has none. Raises ValueError when it is not text."""
    repository = payload.get("repository")
    name = "-" if repository is None else repository["full_name"]
    if not isinstance(name, str):
        raise ValueError(f"a repository's name is text, not {name!r}")
    return name


def expected(deliveries: list[Delivery]) -> Counter[tuple[str, str]]:
    """Deliveries per event and repository, counted directly."""
    sound = (delivery for delivery in deliveries if delivery.id != POISON_ID)
    return Counter((delivery.event, repository_of(delivery.payload)) for delivery in sound)
