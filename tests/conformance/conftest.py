"""Writes the report that a driver writes (spec/vectors/README.md), when the environment asks for one."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest


def pytest_sessionstart(session: pytest.Session) -> None:
    if path := os.environ.get("CONFORMANCE_REPORT"):
        Path(path).write_text("")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    path = os.environ.get("CONFORMANCE_REPORT")
    named = re.search(r"\[(.*)\]$", report.nodeid, re.DOTALL)
    if path is None or named is None or (report.when != "call" and report.outcome == "passed"):
        return
    line = {"vector": named[1], "result": report.outcome, "reason": report.longreprtext}
    with Path(path).open("a") as file:
        file.write(json.dumps(line) + "\n")
