"""What no linter knows: files are read in one sitting, nothing is left for later, nothing names this machine."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tidy.sources import ROOT, files, name

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
SCENARIO_LINES_MAX = 100
"""Tests, and the generators and models of tests: long where they list cases."""
LATER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")
HERE = re.compile(r"(?<![\w.-])/(?:home|work|Users|root)/")
HOSTS = re.compile(r"pypi\.org|pythonhosted\.org|npmjs\.org|proxy\.golang\.org|static\.crates\.io|maven\.org")
GO_FUNCTION = re.compile(r"^func (?:\([^)]*\) )?(\w+)")
TYPESCRIPT_FUNCTION = re.compile(
    r"^( *)(?:export )?(?:private |protected |static |override )*(?:async )?(?:function )?(\w+)(?:<.*>)?\(.*[({]$"
)
RUST_FUNCTION = re.compile(r"^( *)(?:pub(?:\([a-z]+\))? )?(?:const )?(?:async )?fn (\w+)")


def lines_matching(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name(path)}:{number}: {line.strip()}"
        for path in files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


@pytest.mark.parametrize("pattern", [LATER, HERE, HOSTS], ids=["later", "absolute path", "registry host"])
def test_no_line_has(pattern: re.Pattern[str]) -> None:
    assert lines_matching(pattern) == []


def test_files_are_short() -> None:
    lengths = {name(path): len(path.read_text().splitlines()) for path in files(".py", ".pyi", ".rs", ".go", ".ts")}
    assert {path: length for path, length in lengths.items() if length > FILE_LINES_MAX} == {}


def python_functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def rust_functions(path: Path) -> Iterator[tuple[str, int]]:
    """rustfmt's layout makes it simple: a function ends at the first `}` as deep as its `fn`."""
    lines = path.read_text().splitlines()
    for start, line in enumerate(lines):
        found = RUST_FUNCTION.match(line)
        if found and not line.rstrip().endswith((";", "}")):
            ends = (at for at in range(start + 1, len(lines)) if lines[at].startswith(found[1] + "}"))
            yield found[2], next(ends, start) - start + 1


def go_functions(path: Path) -> Iterator[tuple[str, int]]:
    """gofmt's layout makes it simple: a function ends at the first `}` that begins a line."""
    lines = path.read_text().splitlines()
    for start, line in enumerate(lines):
        if (found := GO_FUNCTION.match(line)) and not line.endswith("}"):
            ends = (at for at in range(start + 1, len(lines)) if lines[at] == "}")
            yield found[1], next(ends, start) - start + 1


def typescript_functions(path: Path) -> Iterator[tuple[str, int]]:
    """Biome's layout makes it simple: a function or a method ends at the first `}` as deep as its name."""
    lines = path.read_text().splitlines()
    for start, line in enumerate(lines):
        if found := TYPESCRIPT_FUNCTION.match(line):
            ends = (at for at in range(start + 1, len(lines)) if lines[at].startswith(found[1] + "}"))
            yield found[2], next(ends, start) - start + 1


def function_lines_max(path: Path) -> int:
    is_test = {"tests", "twin", "test", "conformance"} & set(path.relative_to(ROOT).parts) or path.name.endswith(
        "_test.go"
    )
    return SCENARIO_LINES_MAX if is_test else FUNCTION_LINES_MAX


FUNCTIONS = {
    ".py": python_functions,
    ".rs": rust_functions,
    ".go": go_functions,
    ".ts": typescript_functions,
}


def test_functions_are_short() -> None:
    found = [
        f"{name(path)}: {function} has {length} lines"
        for suffix, functions in FUNCTIONS.items()
        for path in files(suffix)
        for function, length in functions(path)
        if length > function_lines_max(path)
    ]
    assert not found


def test_modules_say_what_they_own() -> None:
    """Every module of the server, the clients and the engine begins with a head comment."""
    silent = [
        name(path)
        for path in files(".py", ".rs", ".ts")
        if name(path).startswith(("python/", "rust_core/", "sdk/")) and path.read_text().strip()
        if "examples" not in path.parts  # they begin as a user would
        if not path.read_text().lstrip().startswith(('"""', "//", "/**", "#!"))
    ]
    assert not silent
