"""Builds the woven engine once, without the mutants that do not compile."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.mutants.mutant import SOURCES, Mutant
from scripts.mutants.place import Place, write
from scripts.mutants.weave import Region, regions, weave

TURNS_MAX = 60
"""rustc tells a part of the errors at a time."""
AT = Path(__file__).with_name("at.rs")
ARM = re.compile(rb"/\*<[\d,]+\*/ if ")
"""An arm that has no guard of its own, as woven."""


def build(place: Place, mutants: list[Mutant]) -> tuple[Path, dict[int, str]]:
    """The program of the engine's tests, and why which mutants are not in it. Raises when it can't be built."""
    left_out: dict[int, str] = {}
    for turn in range(TURNS_MAX):
        left_out |= _write_woven(place, [mutant for mutant in mutants if mutant.number not in left_out])
        errors = list(_errors(cargo(place, place.woven, "check")))
        if not errors:
            binary = tests(cargo(place, place.woven, "test", "--no-run"))
            if binary is None:
                raise SystemExit("the woven engine compiles, and its tests do not")
            return binary, left_out
        found = dict(_blamed(place, errors))
        if not found:
            raise SystemExit(f"the woven engine does not compile, and no mutant is to blame:\n{errors[0]['rendered']}")
        left_out |= found
        print(f"build {turn + 1}: {len(found)} mutants do not compile, {len(left_out)} left out", flush=True)
    raise SystemExit(f"the woven engine does not compile after {TURNS_MAX} turns")


def _write_woven(place: Place, mutants: list[Mutant]) -> dict[int, str]:
    by_file: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        by_file[mutant.file].append(mutant)
    sources, woven = place.original / SOURCES, place.woven / SOURCES
    left_out: dict[int, str] = {}
    for path in sorted(sources.rglob("*.rs")):
        file = path.relative_to(sources).as_posix()
        text, unwoven = weave(path.read_text(), by_file[file])
        left_out |= unwoven
        write(woven / file, text.decode() + ("\nmod at;\n" if file == "lib.rs" else ""))
    write(woven / "at.rs", AT.read_text())
    return left_out


def cargo(place: Place, workspace: Path, *arguments: str) -> list[dict[str, Any]]:
    """Runs cargo on the engine of a workspace; what it says, a message an entry."""
    environment = os.environ | {"CARGO_TARGET_DIR": str(place.built), "RUSTFLAGS": "--cap-lints allow"}
    command = ["cargo", *arguments, "--quiet", "--package", "engine", "--lib", "--message-format=json"]
    done = subprocess.run(command, cwd=workspace, env=environment, capture_output=True, text=True)
    messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode and not any(message["reason"] == "compiler-message" for message in messages):
        raise SystemExit(f"{' '.join(command)}:\n{done.stderr}")
    return messages


def tests(messages: list[dict[str, Any]]) -> Path | None:
    """The program of the tests that cargo built; None when it did not compile."""
    return next((Path(one["executable"]) for one in messages if one.get("executable")), None)


def _errors(messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for message in messages:
        error = message.get("message", {})
        if error.get("level") == "error" and error["spans"]:
            yield error


def _blamed(place: Place, errors: list[dict[str, Any]]) -> Iterator[tuple[int, str]]:
    """The mutant that an error lies in; else those of a choice around it, in it, or in a line that it names."""
    for error in errors:
        spans = sorted(error["spans"], key=lambda span: not span["is_primary"])
        spans += [span for child in error["children"] for span in child["spans"]]
        files = ((place.woven / span["file_name"], span) for span in spans)
        read = [(path.read_bytes(), span["byte_start"], span["byte_end"]) for path, span in files if path.exists()]
        is_open_match = (error["code"] or {}).get("code") == "E0004"
        looks = (_behind,) if is_open_match else (_around, _nearby)
        found = (region for look in looks for span in read for region in look(*span))
        region = next(found, None)
        if region is not None:
            is_woven_badly = region.is_choice and not is_open_match
            why = "can't be woven" if is_woven_badly else "does not compile"
            yield from ((number, f"{why}: {error['message']}") for number in region.numbers)


def _around(raw: bytes, at: int, end: int) -> Iterator[Region]:
    return (region for region in regions(raw) if region.start <= at < region.end)


def _nearby(raw: bytes, at: int, end: int) -> Iterator[Region]:
    lines = raw.rfind(b"\n", 0, at) + 1, raw.find(b"\n", end)
    for first, last in ((at, end), lines):
        yield from (region for region in regions(raw) if first <= region.start and region.end <= last)


def _behind(raw: bytes, at: int, end: int) -> Iterator[Region]:
    """A `match` that is not exhaustive is blamed at its head: the first arm behind that may go is one of its own."""
    arms = (region for region in regions(raw) if region.start >= end and ARM.match(raw, region.start))
    yield from sorted(arms, key=lambda region: region.start)[:1]
