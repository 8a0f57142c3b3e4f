"""Runs tests of the woven engine with one mutant on, or with none to see which mutants each test reaches.

Time is the processor's, so that a busy machine changes no verdict. Processes are forked: a caller has no threads.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

SURVIVED = ("missed", "unreached")
MEMORY_BYTES_MAX = 4 << 30
GROUP_SECONDS = 1.0
"""Tests that take no longer together run as one process."""
PATIENCE = 5
"""So many times as long as without a mutant, and three seconds, are a test that never ends."""


@dataclass(frozen=True)
class Reach:
    """A test: its price, and the mutants that it comes by."""

    test: str
    seconds: float
    mutants: frozenset[int]


@dataclass
class Group:
    """Tests that run as one process."""

    tests: list[str]
    seconds: float


@dataclass(frozen=True)
class Verdict:
    """`caught` by a test, `timeout` in one, `missed` by all that reach it, or `unreached`."""

    outcome: str
    test: str = ""


def tests_of(binary: Path) -> list[str]:
    """Names of all tests."""
    listed = subprocess.run([str(binary), "--list"], check=True, capture_output=True, text=True).stdout
    return [line.removesuffix(": test") for line in listed.splitlines() if line.endswith(": test")]


def reach(binary: Path, scratch: Path, test: str) -> Reach:
    """Raises when the test fails with no mutant on."""
    report = scratch / f"reached-{os.getpid()}"
    report.unlink(missing_ok=True)
    before = _spent_seconds()
    done = subprocess.run(
        _command(binary, [test]),
        cwd=scratch,
        env=_environment(0) | {"MUTANTS_REACHED": str(report)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{test} fails with no mutant on:\n{done.stdout}")
    numbers = report.read_text().split() if report.exists() else []
    return Reach(test, _spent_seconds() - before, frozenset(map(int, numbers)))


def groups(reaches: list[Reach]) -> list[Group]:
    """The cheapest first, and tests that take no time together."""
    found: list[Group] = []
    for reached in sorted(reaches, key=lambda reached: reached.seconds):
        if not found or found[-1].seconds + reached.seconds > GROUP_SECONDS:
            found.append(Group([], 0.0))
        found[-1].tests.append(reached.test)
        found[-1].seconds += reached.seconds
    return found


def trial(binary: Path, scratch: Path, number: int, those: list[Group]) -> Verdict:
    """Runs the tests that come by the mutant until one fails."""
    verdict = Verdict("missed" if those else "unreached")
    for group in those:
        verdict = _run(binary, scratch, number, group)
        if verdict.outcome != "missed":
            break
    return verdict


def _run(binary: Path, scratch: Path, number: int, group: Group) -> Verdict:
    seconds_max = math.ceil(3 + PATIENCE * group.seconds)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds_max, seconds_max + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))

    process = subprocess.Popen(
        _command(binary, group.tests),
        cwd=scratch,
        env=_environment(number),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=limit,
    )
    assert process.stdout is not None
    at = group.tests[0]
    with process:
        for line in process.stdout:
            words = line.split()
            if words[:1] == ["test"] and words[-1] == "FAILED":
                process.kill()
                return Verdict("caught", words[1])
            at = words[1] if words[:1] == ["test"] else at
    if process.returncode == 0:
        return Verdict("missed")
    return Verdict("timeout" if process.returncode in (-signal.SIGXCPU, -signal.SIGKILL) else "caught", f"after {at}")


def _command(binary: Path, tests: list[str]) -> list[str]:
    return [str(binary), "--exact", "--test-threads=1", *tests]


def _environment(number: int) -> dict[str, str]:
    """Random tests draw a hundred cases, and do not shrink what they find."""
    proptest = {"PROPTEST_CASES": "100", "PROPTEST_MAX_SHRINK_ITERS": "0"}
    return os.environ | proptest | {"MUTANT": str(number), "RUST_BACKTRACE": "0"}


def _spent_seconds() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime
