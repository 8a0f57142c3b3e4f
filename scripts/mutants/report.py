"""What came of the mutants: a table, the survivors as JSON, and whether each survivor has its explanation."""

from __future__ import annotations

import tomllib
from collections import Counter, defaultdict
from pathlib import Path

from scripts.mutants.mutant import Mutant
from scripts.mutants.trial import SURVIVED, Verdict

OUTCOMES = ("caught", "timeout", "missed", "unreached", "unviable")
EXPLAINED = Path(__file__).with_name("explained.toml")


def explained() -> dict[str, str]:
    """The reason for each mutant that may survive, by its name."""
    groups = tomllib.loads(EXPLAINED.read_text())["survivors"]
    return {name: group["why"] for group in groups for name in group["mutants"]}


def table(mutants: list[Mutant], verdicts: dict[int, Verdict]) -> str:
    """A row a file, and one for all."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for mutant in mutants:
        outcome = verdicts[mutant.number].outcome
        counts[mutant.file][outcome] += 1
        counts["all"][outcome] += 1
    rows: list[tuple[str, ...]] = [("file", "mutants", *OUTCOMES)]
    for file in [*sorted(counts.keys() - {"all"}), "all"]:
        rows.append((file, str(counts[file].total()), *(str(counts[file][outcome] or "") for outcome in OUTCOMES)))
    width = max(len(row[0]) for row in rows)
    return "\n".join(f"{row[0]:<{width}}" + "".join(f"{cell:>10}" for cell in row[1:]) for row in rows)


def survivors(mutants: list[Mutant], verdicts: dict[int, Verdict]) -> list[dict[str, str | int]]:
    """Where each lies, and the reason that it may."""
    reasons = explained()
    return [
        {
            "name": mutant.name,
            "outcome": verdicts[mutant.number].outcome,
            "line": mutant.start[0],
            "column": mutant.start[1],
            "why": reasons.get(mutant.name, ""),
        }
        for mutant in mutants
        if verdicts[mutant.number].outcome in SURVIVED
    ]


def noticed(mutants: list[Mutant], verdicts: dict[int, Verdict]) -> list[str]:
    """Mutants that are explained, though they do not survive."""
    reasons = explained()
    return [
        mutant.name
        for mutant in mutants
        if mutant.name in reasons and verdicts[mutant.number].outcome not in SURVIVED
    ]
