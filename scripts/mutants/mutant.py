"""What cargo-mutants would change, as it lists it, under names that stay when lines move."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOURCES = "rust_core/engine/src/"


@dataclass(frozen=True)
class Mutant:
    """One small change. Lines and columns count from 1, columns in characters."""

    number: int
    file: str
    """Below the engine's `src`."""
    kind: str
    """cargo-mutants' genre: one of those that `weave` knows."""
    start: tuple[int, int]
    end: tuple[int, int]
    replacement: str
    name: str
    """File, function and change; a count where that is not one mutant alone."""

    def span(self, source: str) -> tuple[int, int]:
        """Where it begins and ends in the file's text, in characters."""
        lines = source.splitlines(keepends=True)
        begin, end = (sum(map(len, lines[: line - 1])) + column - 1 for line, column in (self.start, self.end))
        return begin, end


def list_mutants(cargo_mutants: Path, workspace: Path) -> list[Mutant]:
    """All of the engine in `workspace`, numbered from 1 in the order of files and lines."""
    command = [str(cargo_mutants), "mutants", "--list", "--json", "--package", "engine"]
    listed = subprocess.run(command, cwd=workspace, check=True, capture_output=True, text=True).stdout
    texts: dict[str, list[str]] = {}
    same: Counter[str] = Counter()
    found = []
    for number, entry in enumerate(json.loads(listed), 1):
        lines = texts.setdefault(entry["file"], (workspace / entry["file"]).read_text().splitlines())
        file = entry["file"].removeprefix(SOURCES)
        where = (entry["function"] or {}).get("function_name") or "(outside of functions)"
        name = f"{file} {where}: {_change(entry, lines)}"
        same[name] += 1
        name += f" ({same[name]})" if same[name] > 1 else ""
        start, end = (_position(entry["span"][bound]) for bound in ("start", "end"))
        found.append(Mutant(number, file, entry["genre"], start, end, entry["replacement"], name))
    return found


def within(mutants: Iterable[Mutant], files: list[str]) -> list[Mutant]:
    """Those of the files named, as `dedup` or `verbs/ack`; of all when none is. Raises on a name without a file."""
    known = list(mutants)
    if not files:
        return known
    stems = {mutant.file.removesuffix(".rs") for mutant in known}
    wanted = {name.removesuffix(".rs") for name in files}
    if wanted - stems:
        raise SystemExit(f"no mutants in: {', '.join(sorted(wanted - stems))}; files are named as in {SOURCES}")
    return [mutant for mutant in known if mutant.file.removesuffix(".rs") in wanted]


def _change(entry: dict[str, Any], lines: list[str]) -> str:
    match entry["genre"]:
        case "FnValue":
            return f"returns {entry['replacement']}"
        case "BinaryOperator":
            return f"{_original(entry, lines)} becomes {entry['replacement']}"
        case "MatchArmGuard":
            return f"guard {_original(entry, lines)} becomes {entry['replacement']}"
        case "MatchArm":
            return f"without arm {_original(entry, lines).split(' =>')[0]}"
        case _:
            return f"without {_original(entry, lines)}"


def _original(entry: dict[str, Any], lines: list[str]) -> str:
    """What is replaced: of many lines the first."""
    (first, begin), (last, end) = (_position(entry["span"][bound]) for bound in ("start", "end"))
    return lines[first - 1][begin - 1 : end - 1 if last == first else None].strip()


def _position(entry: dict[str, int]) -> tuple[int, int]:
    return entry["line"], entry["column"]
