"""Mutants that can't be woven, as those of constants: each is built by itself, of an engine that has no other."""

from __future__ import annotations

from scripts.mutants.build import cargo, tests
from scripts.mutants.mutant import SOURCES, Mutant
from scripts.mutants.place import Place
from scripts.mutants.trial import Group, Verdict, trial


def trial_apart(place: Place, mutant: Mutant, those: list[Group]) -> Verdict:
    """Builds, and runs the tests until one fails; `unviable` when it does not compile."""
    path = place.original / SOURCES / mutant.file
    source = path.read_text()
    start, end = mutant.span(source)
    path.write_text(source[:start] + mutant.replacement + source[end:])
    try:
        binary = tests(cargo(place, place.original, "test", "--no-run"))
    finally:
        path.write_text(source)
    return trial(binary, place.scratch, 0, those) if binary else Verdict("unviable")
