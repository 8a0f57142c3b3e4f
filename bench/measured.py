"""What one run found, and where it is written down: bench/results/NAME.json, with machine, versions and seed."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.figure import Figure
from bench.machine import Since, describe_machine
from bench.peers.installed import versions

RESULTS = Path(__file__).with_name("results")


@dataclass(frozen=True)
class Measured:
    """Figures, what each contestant did, and who was left out and why."""

    figures: list[Figure]
    contestants: list[dict[str, Any]] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    def tell(self, name: str, since: Since, *, write: bool) -> None:
        """Prints the figures of a run without a seed; writes its file, or not."""
        for figure in self.figures:
            print(figure.row())
        if write:
            self.write(name, 0, since)

    def write(self, name: str, seed: int, since: Since) -> None:
        """Writes the file of this run, with what the machine was like since it began."""
        written = {
            "measured": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            "took_seconds": round(since.seconds()),
            "machine": {
                **describe_machine(),
                "kernel": platform.release(),
                "load_average": os.getloadavg(),
                "stolen": since.stolen(),
            },
            "versions": versions(),
            "seed": seed,
            "figures": [figure.json() for figure in self.figures],
            "contestants": self.contestants,
            "skipped": self.skipped,
        }
        (RESULTS / f"{name}.json").write_text(json.dumps(written, indent=2) + "\n")
