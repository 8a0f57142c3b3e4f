"""Where things lie while mutants are tried: all of it under `target/mutants`, nothing of it in the sources."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

ENGINE = "rust_core/engine"
PROFILE = """
[profile.test]
opt-level = 1
debug = 0
incremental = false
codegen-units = 16
"""


@dataclass(frozen=True)
class Place:
    """Directories, all below `root`, which is the repository's."""

    root: Path

    @property
    def base(self) -> Path:
        return self.root / "target/mutants"

    @property
    def cargo_mutants(self) -> Path:
        return self.base / "tools/bin/cargo-mutants"

    @property
    def original(self) -> Path:
        """A workspace of the engine alone, as it is."""
        return self.base / "original"

    @property
    def woven(self) -> Path:
        """The same, with all mutants in it."""
        return self.base / "woven"

    @property
    def built(self) -> Path:
        return self.base / "built"

    @property
    def scratch(self) -> Path:
        """The directory that tests run in."""
        return self.base / "scratch"

    def renew(self) -> None:
        """Copies the engine. What it has beside its library takes no part, and is not built."""
        for workspace in (self.original, self.woven):
            write(workspace / "Cargo.toml", _workspace_manifest((self.root / "Cargo.toml").read_text()))
            write(workspace / ENGINE / "Cargo.toml", _engine_manifest((self.root / ENGINE / "Cargo.toml").read_text()))
            if not (workspace / "Cargo.lock").exists():
                shutil.copy(self.root / "Cargo.lock", workspace / "Cargo.lock")
        self.scratch.mkdir(parents=True, exist_ok=True)
        sources = {path.relative_to(self.root) for path in (self.root / ENGINE / "src").rglob("*.rs")}
        for path in (self.original / ENGINE / "src").rglob("*.rs"):
            if path.relative_to(self.original) not in sources:
                path.unlink()
                (self.woven / path.relative_to(self.original)).unlink(missing_ok=True)
        for path in sources:
            write(self.original / path, (self.root / path).read_text())
            if not (self.woven / path).exists():
                write(self.woven / path, (self.root / path).read_text())


def write(path: Path, text: str) -> None:
    """Leaves a file alone that holds `text` already, so that cargo has nothing to build for it."""
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _workspace_manifest(text: str) -> str:
    alone = re.sub(r"^members = .*$", f'members = ["{ENGINE}"]', text, flags=re.MULTILINE)
    return alone[: alone.index("[profile.")] + PROFILE


def _engine_manifest(text: str) -> str:
    without_benches = re.sub(r"^\[\[bench\]\]\n(?:\w.*\n)*", "", text, flags=re.MULTILINE)
    return re.sub(r"^criterion = .*\n", "", without_benches, flags=re.MULTILINE)
