"""One measured figure, and how long to measure it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Scale:
    """Lengths of a run. Rounds alternate between what is measured and its reference."""

    rounds: int
    round_seconds: float
    latency_seconds: float
    kills: int

    @classmethod
    def full(cls) -> Scale:
        return cls(rounds=5, round_seconds=4, latency_seconds=20, kills=100)

    @classmethod
    def quick(cls) -> Scale:
        return cls(rounds=2, round_seconds=1, latency_seconds=3, kills=2)


@dataclass(frozen=True)
class Figure:
    """`value` in `unit`. `target` is what it should reach; `at_most` when smaller is better."""

    name: str
    value: float
    unit: str
    target: float | None = None
    at_most: bool = False
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached; None when there is none."""
        if self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target

    def row(self) -> str:
        """A line of the table."""
        target = ""
        if self.target is not None:
            verdict = "reached" if self.reached else "MISSED"
            target = f"{'at most' if self.at_most else 'at least'} {self.target:,g}: {verdict}"
        details = ", ".join(f"{name} {value}" for name, value in self.details.items())
        return f"{self.name:44} {self.value:>12,.4g} {self.unit:12} {target:28} {details}"

    def json(self) -> dict[str, Any]:
        """What is written down."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "target": self.target,
            "reached": self.reached,
            "details": self.details,
        }
