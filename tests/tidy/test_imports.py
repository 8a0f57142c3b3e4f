"""Imports point one way. The contracts are in pyproject.toml; here is what import-linter can't see."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.tidy.sources import ROOT, files, name


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield from (f"{module}.{alias.name}" for alias in names)


def importers_of(module: str, under: str) -> list[str]:
    return [
        name(path)
        for path in files(".py")
        if name(path).startswith(under)
        if any(found == module or found.startswith(module + ".") for found in imported_modules(path))
    ]


def test_contracts_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    checked = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_journals_know_no_engine() -> None:
    """A journal stores bytes: were it to know what is in them, the memory twin would be another journal."""
    assert importers_of("hanzo_queues._core", "python/hanzo_queues/server/journal/") == []


def test_routes_know_no_journal() -> None:
    assert importers_of("hanzo_queues.server.journal", "python/hanzo_queues/server/routes/") == []


def test_the_client_knows_no_core() -> None:
    assert importers_of("hanzo_queues._core", "python/hanzo_queues/client/") == []


def test_only_the_binding_knows_pyo3() -> None:
    for crate in ("engine", "codec"):
        assert "pyo3" not in (ROOT / "rust_core" / crate / "Cargo.toml").read_text()
