"""One catalogue of errors: every code that is raised is in spec/errors.toml, and every code there is raised."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.tidy.sources import ROOT, files, name

CATALOGUE = tomllib.loads((ROOT / "spec/errors.toml").read_text())
FIELDS = {"status": int, "title": str, "cause": str, "fix": str, "retryable": bool, "outcome": str}


def engine_codes() -> set[str]:
    text = (ROOT / "rust_core/engine/src/rejection.rs").read_text()
    return set(re.findall(r'=> "([a-z_]+)"', text))


def fault_codes() -> set[str]:
    text = (ROOT / "python/hanzo_queues/server/faults.py").read_text()
    return set(re.findall(r'^    code = "([a-z_]+)"', text, re.MULTILINE))


def mentions(path: Path) -> set[str]:
    return set(re.findall(r'"([a-z_]+)"', path.read_text()))


def test_engine_rejections_are_in_the_catalogue() -> None:
    assert len(engine_codes()) >= 9
    assert engine_codes() - set(CATALOGUE) == set()


def test_faults_are_in_the_catalogue() -> None:
    assert len(fault_codes()) >= 5
    assert fault_codes() - set(CATALOGUE) == set()


def test_no_code_is_there_for_nobody() -> None:
    sources = [path for path in files(".py", ".rs") if name(path).startswith(("python/", "rust_core/"))]
    raised = {code for path in sources for code in mentions(path)}
    assert set(CATALOGUE) - raised == set()


def test_every_code_is_raised_by_a_test() -> None:
    """tests/contract/test_every_code.py raises what refusals.py says how to."""
    text = (ROOT / "tests/contract/refusals.py").read_text()
    assert set(CATALOGUE) == set(re.findall(r'^    "([a-z_]+)": ', text, re.MULTILINE))


@pytest.mark.parametrize("code", CATALOGUE)
def test_an_entry_is_complete(code: str) -> None:
    entry = CATALOGUE[code]
    assert {field for field, kind in FIELDS.items() if not isinstance(entry.get(field), kind)} == set()
    assert set(entry) <= {*FIELDS, "retry_after"}
    assert entry["outcome"] in ("none", "unknown")
    assert 400 <= entry["status"] <= 599
    assert entry["status"] != 503 or entry["retryable"]
