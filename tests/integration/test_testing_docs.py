"""docs/howto/testing.md does what it says: its blocks are a test module that pytest runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.tidy.sources import ROOT
from tests.tidy.test_docs import code_blocks

PAGE = ROOT / "docs/howto/testing.md"


def test_the_page_runs(tmp_path: Path) -> None:
    (tmp_path / "test_page.py").write_text("\n".join(code_blocks(PAGE, "python")))
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    arguments = ["-q", "-p", "no:cacheprovider", str(tmp_path)]
    ran = subprocess.run([sys.executable, "-m", "pytest", *arguments], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "6 passed" in ran.stdout
