"""What benchmarks found is what the pages show."""

from __future__ import annotations

import json
import re

import pytest

from bench.report import PARTS, ROOT, RUNS, outputs

RESULTS = sorted((ROOT / "bench/results").glob("*.json"))


def test_generated_parts_are_fresh() -> None:
    """Renew them with `python -m bench.report`."""
    files = {ROOT / path: text for path, text in outputs().items()}
    assert [path.name for path, text in files.items() if not path.exists() or path.read_text() != text] == []


def test_every_part_is_shown() -> None:
    page = (ROOT / "bench/README.md").read_text() + (ROOT / "README.md").read_text()
    shown = re.findall(r"<!-- generated: ([a-z0-9-]+) -->", page)
    assert sorted(shown) == sorted(PARTS)


@pytest.mark.parametrize("name", RUNS)
def test_a_run_says_where_it_comes_from(name: str) -> None:
    found = [path for path in RESULTS if path.stem == name]
    for path in found:
        written = json.loads(path.read_text())
        assert {"measured", "machine", "versions", "seed", "figures", "contestants", "skipped"} <= set(written)
        assert {"cores", "processor", "fsync_ms"} <= set(written["machine"])
