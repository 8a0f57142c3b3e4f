"""All trials of one built engine, some at a time; a run that is stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from scripts.mutants.apart import trial_apart
from scripts.mutants.mutant import Mutant
from scripts.mutants.place import Place
from scripts.mutants.trial import SURVIVED, Reach, Verdict, groups, reach, tests_of, trial

TEST_SECONDS_MAX = 5.0
"""Of processor time. Longer tests take no part: what they alone would notice counts as surviving."""
TOLD_EVERY = 50
PROCESSES = int(os.environ.get("MUTANTS_PROCESSES", os.cpu_count() or 1))


class Rounds:
    """Trials of mutants that are in `binary`, and of those that could not be, with the reason why."""

    def __init__(self, place: Place, binary: Path, left_out: dict[int, str]) -> None:
        self._place = place
        self._binary = binary
        self._left_out = left_out
        with binary.open("rb") as program:
            self._digest = hashlib.file_digest(program, "sha256").hexdigest()[:16]
        self._verdicts = {int(number): Verdict(*verdict) for number, verdict in self._load("verdicts", {}).items()}

    def verdicts(self, mutants: list[Mutant]) -> dict[int, Verdict]:
        """Of each of `mutants`."""
        for number, why in self._left_out.items():
            if why.startswith("does not compile"):
                self._verdicts[number] = Verdict("unviable", why)
        todo = [mutant for mutant in mutants if mutant.number not in self._verdicts]
        woven = [mutant for mutant in todo if mutant.number not in self._left_out]
        apart = [mutant for mutant in todo if mutant.number in self._left_out]
        reaches = self._reaches()
        with ProcessPoolExecutor(PROCESSES) as pool:
            by_mutant = [groups([one for one in reaches if mutant.number in one.mutants]) for mutant in woven]
            numbers = [mutant.number for mutant in woven]
            self._note(woven, pool.map(partial(trial, self._binary, self._place.scratch), numbers, by_mutant))
        self._note(apart, (trial_apart(self._place, mutant, groups(reaches)) for mutant in apart))
        return self._verdicts

    def _note(self, mutants: list[Mutant], verdicts: Iterable[Verdict]) -> None:
        for done, (mutant, verdict) in enumerate(zip(mutants, verdicts, strict=True), 1):
            self._verdicts[mutant.number] = verdict
            if verdict.outcome in SURVIVED:
                print(f"{verdict.outcome}: {mutant.name} (line {mutant.start[0]})", flush=True)
            if done % TOLD_EVERY == 0 or done == len(mutants):
                print(f"{done} of {len(mutants)} mutants tried", flush=True)
            self._save("verdicts", {number: [one.outcome, one.test] for number, one in self._verdicts.items()})

    def _reaches(self) -> list[Reach]:
        known = self._load("reached", [])
        if not known:
            tests = tests_of(self._binary)
            print(f"{len(tests)} tests: which mutants do they come by?", flush=True)
            with ProcessPoolExecutor(PROCESSES) as pool:
                found = list(pool.map(partial(reach, self._binary, self._place.scratch), tests))
            known = [[one.test, one.seconds, sorted(one.mutants)] for one in found]
            self._save("reached", known)
        for test, seconds, _ in known:
            if seconds > TEST_SECONDS_MAX:
                print(f"takes {seconds:.0f} s, and no part: {test}")
        return [Reach(test, seconds, frozenset(which)) for test, seconds, which in known if seconds <= TEST_SECONDS_MAX]

    def _load(self, what: str, otherwise: Any) -> Any:
        kept = self._place.base / f"{what}-{self._digest}.json"
        return json.loads(kept.read_text()) if kept.exists() else otherwise

    def _save(self, what: str, found: Any) -> None:
        (self._place.base / f"{what}-{self._digest}.json").write_text(json.dumps(found))
