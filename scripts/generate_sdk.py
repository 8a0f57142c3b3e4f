"""Makes the part of each SDK that is a table: codes, limits and enums, from spec/*.toml and openapi.yaml.

Run by `make docs`; a test compares the files with what is generated here. The clients themselves are written by hand.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
NOTICE = "Generated from spec/ by `make docs`. Change it there."

LIMITS = (
    "batch_entries_max",
    "payload_bytes_max",
    "request_bytes_max",
    "metadata_bytes_max",
    "key_bytes_max",
    "error_bytes_max",
    "wait_time_ms_max",
    "visibility_timeout_ms_max",
    "delay_ms_max",
    "list_limit_max",
)
"""Those that a client meets. The values are the server's defaults: the server decides."""

ENUMS: dict[str, tuple[str, str]] = {
    "State": ("The state of a message.", "components/schemas/Message/allOf/1/properties/state"),
    "Stage": ("The state of a message, or that it is done.", "components/schemas/Accepted/properties/state"),
    "DeathReason": ("Why a message died.", "paths//v1/queues/{queue}/peek/get/parameters/3/schema"),
    "DedupUntil": ("How long a dedup id is held.", "components/schemas/NewMessage/properties/dedupUntil"),
    "LimitedBy": ("What holds messages back.", "components/schemas/Received/properties/limitedBy"),
    "Period": ("The period of a rate.", "components/schemas/RateLimit/properties/per"),
    "SchedulingMode": ("How priorities are weighed.", "components/schemas/Scheduling/properties/mode"),
    "NackState": ("Where a nacked message went.", "components/schemas/Nacked/properties/state"),
    "ReleaseState": ("Where a released message went.", "components/schemas/Released/properties/state"),
    "SweepState": ("How far a sweep is.", "components/schemas/Sweep/properties/state"),
    "ReasonCode": ("What stands in a message's way.", "components/schemas/Reason/properties/code"),
}


def _operations() -> dict[str, str]:
    """Of each request that an SDK makes, `METHOD path` with `*` for what it names: its operation."""
    paths = _openapi()["paths"]
    return {
        f"{method.upper()} {re.sub('{[^}]*}', '*', path.removeprefix('/v1/'))}": operation["operationId"]
        for path, methods in paths.items()
        if path.startswith("/v1/")
        for method, operation in methods.items()
        if method in ("get", "post", "put", "patch", "delete")
    }


def python_file() -> str:
    """The Python SDK's."""
    lines = [f'"""Codes, limits and enums. {NOTICE}"""', "", "from typing import Literal", ""]
    lines += [f"{name.upper()} = {value}\n" + f'"""{_capital(unit)}."""' for name, value, unit in _limits()]
    lines += ["", *_python_type("Code", _errors(), "A code of spec/errors.toml.")]
    for name, (about, _) in ENUMS.items():
        lines += ["", *_python_type(name, _enum(name), about)]
    lines += ["", "OPERATIONS = {", *(f'    "{request}": "{name}",' for request, name in _operations().items()), "}"]
    lines += ['"""Of each request, `METHOD path` with `*` for what it names: its operation in spec/openapi.yaml."""']
    return "\n".join(lines) + "\n"


def _python_type(name: str, values: Iterable[str], about: str) -> list[str]:
    return [f"{name} = Literal[", *(f'    "{value}",' for value in values), "]", f'"""{about}"""']


def typescript_file() -> str:
    """The TypeScript SDK's."""
    lines = [f"// Codes, limits and enums. {NOTICE}", ""]
    lines += ["/** What the server's limits are unless its settings say otherwise; the server decides. */"]
    lines += ["export const LIMITS = {"]
    lines += [f"  /** {_capital(unit)}. */\n  {_camel(name)}: {value}," for name, value, unit in _limits()]
    lines += ["} as const;", ""]
    lines += ["/** Of every code: its status, whether the same request can succeed later, and what became of it. */"]
    lines += ["export const ERRORS = {"]
    for code, entry in _errors().items():
        retryable = str(entry["retryable"]).lower()
        lines += [f"  /** {entry['title']}. {entry['fix']} */"]
        lines += [f"  {code}: {{ status: {entry['status']}, retryable: {retryable}, outcome: '{entry['outcome']}' }},"]
    lines += ["} as const;", "", "/** A code of the API. */", "export type ErrorCode = keyof typeof ERRORS;"]
    for name, (about, _) in ENUMS.items():
        values = " | ".join(f"'{value}'" for value in _enum(name))
        lines += ["", f"/** {about} */", f"export type {name} = {values};"]
    lines += ["", "/** Of each request, `METHOD path` with `*` for what it names: its operation. */"]
    lines += ["export const OPERATIONS = {"]
    lines += [f"  '{request}': '{name}'," for request, name in _operations().items()]
    lines += ["} as const;", "", "/** An operation of the API, by its id in openapi.yaml. */"]
    lines += ["export type Operation = (typeof OPERATIONS)[keyof typeof OPERATIONS];"]
    return "\n".join(lines) + "\n"


GO_ENUMS = {"State": "", "Stage": "State", "NackState": "ReturnedState", "ReleaseState": ""}
"""Go has no unions, so that one type has all the values of two; "": no type of its own."""


def go_file() -> str:
    """The Go SDK's, as gofmt would have it."""
    lines = ["// Code generated from spec/ by `make docs`. DO NOT EDIT.", "", "package queues", ""]
    lines += ["// What the server's limits are unless its settings say otherwise; the server decides.", "const ("]
    for name, value, unit in _limits():
        lines += [f"\t// Limit{_pascal(name)} is in {unit}.", f"\tLimit{_pascal(name)} = {value}"]
    lines += [")", "", "// The codes of the API.", "const ("]
    for code, entry in _errors().items():
        lines += [f"\t// {_go_error(code)}: {entry['title']}. {entry['fix']}"]
        lines += [f'\t{_go_error(code)} Code = "{code}"']
    lines += [")", "", "// codeFacts is what is known of every error of one code.", "type codeFacts struct {"]
    lines += ["\tstatus    int", "\tretryable bool", "\toutcome   Outcome", "}", ""]
    lines += ["var codeTable = map[Code]codeFacts{"]
    width = max(len(_go_error(code)) for code in _errors()) + 1
    for code, entry in _errors().items():
        retryable, outcome = str(entry["retryable"]).lower(), f"Outcome{_capital(entry['outcome'])}"
        lines += [f"\t{_go_error(code) + ':':<{width}} {{{entry['status']}, {retryable}, {outcome}}},"]
    lines += ["}"]
    for enum, (about, _) in ENUMS.items():
        if kind := GO_ENUMS.get(enum, enum):
            lines += _go_enum(kind, about, _enum(enum))
    lines += ["", "// operations: of each request, METHOD and path with * for what it names, its operation."]
    lines += ["var operations = map[string]string{"]
    width = max(map(len, _operations())) + 3
    quoted = {f'"{request}":': name for request, name in _operations().items()}
    lines += [f'\t{request:<{width}} "{name}",' for request, name in quoted.items()]
    lines += ["}"]
    return "\n".join(lines) + "\n"


def _go_enum(kind: str, about: str, values: list[str]) -> list[str]:
    names = {value: kind + _pascal(value) for value in values}
    width = max(map(len, names.values()))
    lines = ["", f"// {kind}: {about[0].lower()}{about[1:]}", f"type {kind} string", ""]
    lines += [f"// Values of {kind}.", "const ("]
    lines += [f'\t{constant:<{width}} {kind} = "{value}"' for value, constant in names.items()]
    return [*lines, ")"]


def _go_error(code: str) -> str:
    """Go writes initialisms in capitals."""
    words = (word.upper() if word in ("id", "json", "http") else _capital(word) for word in code.split("_"))
    return "Err" + "".join(words)


def _errors() -> dict[str, Any]:
    return tomllib.loads((ROOT / "spec/errors.toml").read_text())


def _limits() -> list[tuple[str, int, str]]:
    table = tomllib.loads((ROOT / "spec/limits.toml").read_text())
    return [(name, table[name]["value"], table[name]["unit"]) for name in LIMITS]


@cache
def _openapi() -> Any:
    return yaml.safe_load((ROOT / "spec/openapi.yaml").read_text())


def _enum(name: str) -> list[str]:
    """The values that openapi.yaml lists at the place of this enum."""
    node = _openapi()
    kind, _, rest = ENUMS[name][1].partition("/")
    node = node[kind]
    if kind == "paths":
        path = max((path for path in node if rest.startswith(path + "/")), key=len)
        node, rest = node[path], rest[len(path) + 1 :]
    for step in rest.split("/"):
        node = node[int(step) if isinstance(node, list) else step]
    values: list[str] = node["enum"]
    return values


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _pascal(name: str) -> str:
    return "".join(map(_capital, name.split("_")))


def _camel(name: str) -> str:
    pascal = _pascal(name)
    return pascal[0].lower() + pascal[1:]


FILES: dict[str, Callable[[], str]] = {
    "python/hanzo_queues/client/spec.py": python_file,
    "sdk/typescript/src/spec.ts": typescript_file,
    "sdk/go/queues/spec.go": go_file,
}


def main() -> None:
    """Writes every file."""
    for path, generate in FILES.items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(generate())


if __name__ == "__main__":
    main()
