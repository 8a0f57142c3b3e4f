"""Changes the engine in many small ways and sees that a test notices each.

    python -m scripts.mutants [FILE...]      files below the engine's src, as `dedup` or `verbs/ack`; `survivors` are
                                             those that survived the last time; else all

cargo-mutants says what to change. Building each change would take days, so those that are asked for are woven into one
program, and an environment variable says which is on; a mutant is held against the tests that come by it, the cheapest
first. Exits non-zero when one survives that explained.toml does not explain.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from scripts.mutants.build import build
from scripts.mutants.mutant import Mutant, list_mutants, within
from scripts.mutants.place import Place
from scripts.mutants.report import noticed, survivors, table
from scripts.mutants.rounds import Rounds


def main(files: list[str]) -> int:
    """The number of survivors that nobody explained."""
    place = Place(Path.cwd())
    place.renew()
    mutants = list_mutants(place.cargo_mutants, place.original)
    wanted = _wanted(place, mutants, files)
    binary, left_out = build(place, wanted)
    verdicts = Rounds(place, binary, left_out).verdicts(wanted)
    found = survivors(wanted, verdicts)
    (place.base / "survivors.json").write_text(json.dumps(found, indent=1) + "\n")
    print(table(wanted, verdicts))
    for name in noticed(wanted, verdicts):
        print(f"explained, and a test notices it: {name}")
    unexplained = [one for one in found if not one["why"]]
    for one in unexplained:
        print(f"not explained: {one['name']} (line {one['line']}): {one['outcome']}")
    return len(unexplained)


def _wanted(place: Place, mutants: list[Mutant], files: list[str]) -> list[Mutant]:
    if files != ["survivors"]:
        return within(mutants, files)
    alive = {found["name"] for found in json.loads((place.base / "survivors.json").read_text())}
    return [mutant for mutant in mutants if mutant.name in alive]


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
