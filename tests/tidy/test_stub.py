"""The Rust module's stub says what the module is."""

from __future__ import annotations

import subprocess
import sys

from tests.tidy.sources import ROOT


def test_the_stub_matches_the_module() -> None:
    command = [sys.executable, "-m", "mypy.stubtest", "hanzo_queues._core", "--mypy-config-file", "pyproject.toml"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert found.returncode == 0, found.stdout + found.stderr
