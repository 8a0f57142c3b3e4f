"""What is installed is what is written down: the lock covers every dependency, and the changelog every version."""

from __future__ import annotations

import re
import tomllib

from tests.tidy.sources import ROOT


def requirement_names(lines: list[str]) -> set[str]:
    names = (re.match(r"[A-Za-z0-9._-]+", line) for line in lines if not line.startswith("#"))
    return {re.sub(r"[._-]+", "-", found[0]).lower() for found in names if found}


def test_the_lock_covers_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = requirement_names(project["project"]["dependencies"] + project["dependency-groups"]["dev"])
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert wanted <= requirement_names(lines)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+|#.*", line) for line in lines)


def test_the_changelog_has_this_version() -> None:
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    assert re.search(rf"^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))


def test_make_runs_every_folder_of_tests_once() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = " ".join(re.findall(r"^\t\$\(BIN\)/pytest (tests/.*) 2>&1", makefile, re.MULTILINE)).split()
    folders = {f"tests/{path.parent.name}" for path in (ROOT / "tests").glob("*/test_*.py")}
    assert sorted([*named, "tests/conformance"]) == sorted(folders), "`make conformance` runs its own"
