"""What callgrind wrote: instructions of each function, for each load.

A function's own instructions include those of the C library that it calls (memcpy, malloc): there the function is what
one wants to know. Names lose what differs between builds of the same source.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

LEAVES = re.compile(r"/(?:libc|libm|libpthread|ld-linux[\w-]*|ld)[.-][^/]*$")
HASH = re.compile(r"(?:::h[0-9a-f]{16}|\.(?:llvm|lto_priv|constprop|isra|part|cold)(?:\.\d+)*)+")
RECURSION = re.compile(r"'\d+$")
NAMED = re.compile(r"\((\d+)\)(?: (.*))?")
TRIGGER = "desc: Trigger: Client Request: "

Functions = dict[str, int]


def read_dumps(directory: Path) -> dict[str, Functions]:
    """The functions of every load that was dumped in `directory`."""
    loads: dict[str, Functions] = {}
    for path in sorted(directory.glob("callgrind.out.*")):
        with path.open(errors="replace") as lines:
            load, functions = read_dump(lines)
        if load:
            loads[load] = functions
    return loads


def read_dump(lines: Iterable[str]) -> tuple[str, Functions]:
    """The name of one dump, empty when it has none, and its functions."""
    names = Names()
    load = ""
    own: Counter[tuple[str, str]] = Counter()
    passed: defaultdict[tuple[str, str], Counter[tuple[str, str]]] = defaultdict(Counter)
    place = callee = ("", "")
    called_object = ""
    rows: Iterator[str] = iter(lines)
    for row in rows:
        kind, _, rest = row.rstrip("\n").partition("=")
        if row[:1] in "+-*0123456789":
            own[place] += int(row.split()[1])
        elif kind == "ob":
            place = (names.of("ob", rest), place[1])
        elif kind == "fn":
            place = (place[0], names.of("fn", rest))
            called_object = ""
        elif kind == "cob":
            called_object = names.of("ob", rest)
        elif kind == "cfn":
            callee = (called_object or place[0], names.of("fn", rest))
        elif kind == "calls":
            passed[place][callee] += int(next(rows).split()[1])
            called_object = ""
        elif row.startswith(TRIGGER):
            load = row.removeprefix(TRIGGER).strip()
    return load, _with_leaves(own, passed)


def _with_leaves(
    own: Counter[tuple[str, str]], passed: dict[tuple[str, str], Counter[tuple[str, str]]]
) -> Functions:
    """What a leaf did is its callers'. What nobody is known to have called stays under its own name."""
    functions: Counter[str] = Counter()
    of_leaves: Counter[tuple[str, str]] = Counter()
    for (library, function), count in own.items():
        if not LEAVES.search(library):
            functions[plain(library, function)] += count
    for (library, function), callees in passed.items():
        if LEAVES.search(library):
            continue
        for callee, count in callees.items():
            if LEAVES.search(callee[0]):
                functions[plain(library, function)] += count
                of_leaves[callee] += count
    rest = sum(count for place, count in own.items() if LEAVES.search(place[0])) - sum(of_leaves.values())
    if rest > 0:
        functions["the C library"] += rest
    return dict(functions)


def plain(library: str, function: str) -> str:
    """The name without hashes, clones and depths of recursion. Where there is none, callgrind gives an address."""
    if function.startswith("0x"):
        return f"unnamed functions of {library.rpartition('/')[2]}"
    return HASH.sub("", RECURSION.sub("", function))


class Names:
    """callgrind's compressed names: a number, and the name where it comes first."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}

    def of(self, kind: str, text: str) -> str:
        """The name that `text` stands for."""
        found = NAMED.fullmatch(text)
        if found is None:
            return text
        number, name = found.groups()
        if name is not None:
            self._known[kind, number] = name
        return self._known[kind, number]
