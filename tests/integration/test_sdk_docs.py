"""docs/howto/python.md does what it says: its blocks run in order, against a real server."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest

from examples.local_server import LocalServer
from hanzo_queues import Queues
from tests.tidy.sources import ROOT

PAGE = ROOT / "docs/howto/python.md"
WAITING = ("ready", "blocked", "delayed", "leased")


def blocks() -> list[str]:
    """The page's code, each block at its own line numbers."""
    text = PAGE.read_text()
    found = re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return ["\n" * (text[: block.start(1)].count("\n")) + block[1] for block in found]


def stop_when_empty(queues: Queues, over: threading.Event) -> None:
    """In place of the reader's Ctrl-C: what its consumers read is all done."""
    while not over.wait(0.05):
        runs = bool(queues._runs)  # before the look: what it reads is not declared before it runs
        read = [queues.get(name).counts for name in {declared.queue for declared in queues._registrations}]
        if runs and not any(getattr(counts, state) for counts in read for state in WAITING):
            queues.stop()


def test_the_page_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {}
    with LocalServer() as server:
        monkeypatch.setenv("HANZO_URL", server.url)
        monkeypatch.setenv("HANZO_API_KEY", server.api_key)
        for block in blocks():
            over = threading.Event()
            watcher = threading.Thread(target=lambda over=over: stop_when_empty(names["queues"], over))
            if "\nqueues.run()" in block:
                watcher.start()
            try:
                exec(compile(block, str(PAGE), "exec"), names)
            finally:
                over.set()
        names["queues"].close()
    assert len(blocks()) >= 9
