"""The parity table: which vectors each SDK passes, and why it skips one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tests.conformance.vectors import KINDS, vectors_of

HEAD = """\
<!-- Generated from spec/vectors by `make conformance`. Change it there. -->
# Parity of the SDKs

Three SDKs, one behaviour: each runs the same [vectors](../../spec/vectors/README.md), and this is what it passes.
`wire` is requests and answers, `retry` what is repeated and when, `sharing` how concurrent calls share requests,
`scaling` how many handlers run, `scenario` steps against a live server, which is killed in the middle of some.

"""


@dataclass(frozen=True)
class Result:
    """What became of one vector in one SDK."""

    vector: str
    result: str
    reason: str = ""

    @property
    def file(self) -> str:
        return self.vector.partition(":")[0]


def summary(language: str, results: list[Result]) -> str:
    """One line, and one for each vector that was skipped or failed."""
    counts = Counter(result.result for result in results)
    told = ", ".join(f"{counts[kind]} {kind}" for kind in ("passed", "failed", "skipped"))
    others = [f"  {one.result}: {one.vector} ({_first_line(one.reason)})" for one in results if one.result != "passed"]
    return "\n".join([f"{language}: {told}", *others])


def page(found: dict[str, list[Result]]) -> str:
    """The page, from the results of each SDK."""
    files = sorted({vector.id.partition(":")[0] for kind in KINDS for vector in vectors_of(kind)}, key=_order)
    lines = [f"| Vectors | {' | '.join(found)} |", "|---|" + "---:|" * len(found)]
    for file in files:
        cells = (_cell([result for result in results if result.file == file]) for results in found.values())
        lines.append(f"| `{file}` | {' | '.join(cells)} |")
    cells = (_cell(results) for results in found.values())
    lines.append(f"| all | {' | '.join(cells)} |")
    skipped = [
        f"- {language} skips `{one.vector}`: {_first_line(one.reason)}.\n"
        for language, results in found.items()
        for one in results
        if one.result == "skipped"
    ]
    return HEAD + "\n".join(lines) + "\n" + ("\n" + "".join(skipped) if skipped else "")


def _order(file: str) -> tuple[int, str]:
    return KINDS.index(file.partition("/")[0]), file


def _cell(results: list[Result]) -> str:
    passed = sum(result.result == "passed" for result in results)
    return f"{passed} of {len(results)}"


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
