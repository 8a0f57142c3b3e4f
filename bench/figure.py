"""One measured figure, how long to measure it, and what it is held against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Scale:
    """Lengths of a run. Rounds alternate between what is compared."""

    rounds: int
    round_seconds: float
    latency_seconds: float
    kills: int
    messages: int
    """Of what is filled first and worked off then."""
    depth: int
    """The deep queue, which is compared with one of 10,000."""

    @classmethod
    def full(cls) -> Scale:
        return cls(rounds=5, round_seconds=2, latency_seconds=20, kills=100, messages=15_000, depth=1_000_000)

    @classmethod
    def quick(cls) -> Scale:
        return cls(rounds=2, round_seconds=0.5, latency_seconds=3, kills=2, messages=2_000, depth=20_000)


@dataclass(frozen=True)
class Figure:
    """`value` in `unit`; `floor` is what it must reach and `aim` what it should. `at_most` when smaller is better."""

    name: str
    value: float
    unit: str
    floor: float | None = None
    aim: float | None = None
    at_most: bool = False
    details: dict[str, Any] = field(default_factory=dict)

    def reaches(self, bound: float | None) -> bool | None:
        """Whether the value reaches a bound; None when there is none."""
        if bound is None:
            return None
        return self.value <= bound if self.at_most else self.value >= bound

    def row(self) -> str:
        """A line for the terminal."""
        bounds = ""
        if self.floor is not None:
            verdict = "aim reached" if self.reaches(self.aim) else "reached" if self.reaches(self.floor) else "MISSED"
            bounds = f"{'at most' if self.at_most else 'at least'} {self.floor:,g}: {verdict}"
        details = ", ".join(f"{name} {value}" for name, value in self.details.items())
        return f"{self.name:64} {self.value:>12,.4g} {self.unit:10} {bounds:28} {details}"

    def json(self) -> dict[str, Any]:
        """What is written down."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "floor": self.floor,
            "aim": self.aim,
            "at_most": self.at_most,
            "details": self.details,
        }
