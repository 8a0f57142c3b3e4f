"""The vectors of spec/vectors: read, references and generators written out, results held against what is expected.

Knows the format of spec/vectors/README.md and nothing of an SDK.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2] / "spec" / "vectors"
KINDS = ("wire", "retry", "sharing", "scaling", "scenario")


@dataclass(frozen=True)
class Vector:
    """One vector, and the values its file names."""

    id: str
    body: dict[str, Any]
    values: dict[str, Any]

    @property
    def needs(self) -> set[str]:
        return set(self.body.get("needs", ()))


def vectors_of(kind: str) -> list[Vector]:
    """All of a kind, those that kill the server last."""
    found = []
    for path in sorted((ROOT / kind).glob("*.json")):
        file = json.loads(path.read_text())
        values = file.get("values", {})
        found += [Vector(f"{kind}/{path.name}: {body['name']}", body, values) for body in file["vectors"]]
    return sorted(found, key=lambda vector: "kill" in vector.needs)


def resolved(value: Any, names: Mapping[str, Any]) -> Any:
    """The value with its references and generators written out; matchers stay."""
    if isinstance(value, str) and value.startswith("$"):
        return value[1:] if value.startswith("$$") else _looked_up(value[1:].split("."), names)
    if isinstance(value, list):
        return [resolved(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        [(name, argument)] = value.items()
        if name in GENERATORS:
            return GENERATORS[name](argument, names)
    return {key: resolved(member, names) for key, member in value.items()}


def _looked_up(path: list[str], names: Mapping[str, Any]) -> Any:
    value: Any = names
    for step in path:
        value = value[int(step)] if isinstance(value, list) else value[step]
    return resolved(value, names) if value is names.get(path[0]) else value


def _with(argument: Any, names: Mapping[str, Any]) -> Any:
    base, members = resolved(argument, names)
    return {**base, **members}


def _without(argument: Any, names: Mapping[str, Any]) -> Any:
    base, left_out = resolved(argument, names)
    return {name: value for name, value in base.items() if name not in left_out}


def _repeat(argument: Any, names: Mapping[str, Any]) -> str:
    text, times = resolved(argument, names)
    return str(text) * int(times)


def _join(argument: Any, names: Mapping[str, Any]) -> str:
    return "".join(map(str, resolved(argument, names)))


def _nested(argument: Any, names: Mapping[str, Any]) -> Any:
    value: list[Any] = []
    for _ in range(argument - 1):
        value = [value]
    return value


def _times(argument: Any, names: Mapping[str, Any]) -> list[Any]:
    times, value = argument
    return [resolved(value, {**names, "index": index}) for index in range(times)]


GENERATORS: dict[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "$with": _with,
    "$without": _without,
    "$repeat": _repeat,
    "$join": _join,
    "$nested": _nested,
    "$times": _times,
}


def differences(expected: Any, actual: Any, at: str = "", *, whole: bool = False) -> list[str]:
    """Where they differ; none: it holds. `whole`: nothing may be there that is not expected."""
    if isinstance(expected, dict):
        if len(expected) == 1:
            [(name, argument)] = expected.items()
            if name in MATCHERS:
                return MATCHERS[name](argument, actual, at)
        return _object_differences(expected, actual, at, whole)
    if isinstance(expected, list):
        if not isinstance(actual, list) or len(actual) != len(expected):
            return [f"{at}: expected {len(expected)} elements, got {_shown(actual)}"]
        pairs = enumerate(zip(expected, actual, strict=True))
        return [
            found for index, (one, other) in pairs for found in differences(one, other, f"{at}/{index}", whole=whole)
        ]
    if type(expected) is bool or type(actual) is bool:
        return [] if expected is actual else [f"{at}: expected {_shown(expected)}, got {_shown(actual)}"]
    return [] if expected == actual else [f"{at}: expected {_shown(expected)}, got {_shown(actual)}"]


def _object_differences(expected: dict[str, Any], actual: Any, at: str, whole: bool) -> list[str]:
    if not isinstance(actual, dict):
        return [f"{at}: expected an object, got {_shown(actual)}"]
    found = [f"{at}/{name}: not expected" for name in actual if whole and name not in expected]
    for name, value in expected.items():
        if whole and name not in actual:
            found.append(f"{at}/{name}: missing")
        else:
            found += differences(value, actual.get(name), f"{at}/{name}", whole=whole)
    return found


def _any(_: Any, actual: Any, at: str) -> list[str]:
    return [f"{at}: expected something"] if actual is None else []


def _match(pattern: str, actual: Any, at: str) -> list[str]:
    holds = isinstance(actual, str) and re.fullmatch(pattern, actual)
    return [] if holds else [f"{at}: expected {pattern}, got {_shown(actual)}"]


def _between(bounds: list[float], actual: Any, at: str) -> list[str]:
    holds = isinstance(actual, int | float) and bounds[0] <= actual <= bounds[1]
    return [] if holds else [f"{at}: expected from {bounds[0]} to {bounds[1]}, got {_shown(actual)}"]


def _length(length: int, actual: Any, at: str) -> list[str]:
    holds = isinstance(actual, list) and len(actual) == length
    return [] if holds else [f"{at}: expected {length} elements, got {_shown(actual)}"]


def _unordered(expected: list[Any], actual: Any, at: str) -> list[str]:
    if not isinstance(actual, list) or len(actual) != len(expected):
        return [f"{at}: expected {len(expected)} elements, got {_shown(actual)}"]
    left = list(actual)
    for one in expected:
        place = next((index for index, other in enumerate(left) if not differences(one, other)), None)
        if place is None:
            return [f"{at}: expected {_shown(one)} in {_shown(left)}"]
        del left[place]
    return []


MATCHERS: dict[str, Callable[[Any, Any, str], list[str]]] = {
    "$any": _any,
    "$match": _match,
    "$between": _between,
    "$length": _length,
    "$unordered": _unordered,
}


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 600 else f"{text[:600]}... ({len(text)} characters)"
