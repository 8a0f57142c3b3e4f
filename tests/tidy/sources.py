"""The project's own files, as git knows them: committed or about to be."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT_SUFFIXES = {
    *(".py", ".pyi", ".rs", ".go", ".mod", ".ts", ".js", ".cjs"),
    *(".toml", ".yaml", ".yml", ".md", ".sh", ".lock", ".json", ".cfg", ""),
}


@cache
def files(*suffixes: str) -> tuple[Path, ...]:
    """Paths with one of `suffixes` (all text files when none is given), in order."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    wanted = suffixes or TEXT_SUFFIXES
    paths = (ROOT / line for line in sorted(set(listed.stdout.splitlines())))
    return tuple(path for path in paths if path.suffix in wanted and path.is_file() and not path.is_symlink())


def name(path: Path) -> str:
    """The path as a person would say it."""
    return path.relative_to(ROOT).as_posix()


def words(identifier: str) -> list[str]:
    """`leaseEnd`, `LEASE_END` and `lease-end` are both `lease`, `end`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", identifier)
    return [word.lower() for word in re.split(r"[^A-Za-z0-9]+", spaced) if word]
