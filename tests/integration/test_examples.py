"""The examples do what the README says, against a real server."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from examples.local_server import LocalServer
from hanzo_queues import Message, Queues
from tests.tidy.sources import ROOT


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


def test_webhooks() -> None:
    ran = subprocess.run([sys.executable, "-m", "examples.webhooks"], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "equal: 329 deliveries" in ran.stdout


def test_quickstart_with_python(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's block, to the letter; then its message comes due and its consumer gets it."""
    monkeypatch.setenv("HANZO_URL", server.url)
    sent: list[Any] = []
    code = (ROOT / "examples/quickstart.py").read_text()
    names: dict[str, Any] = {"process": print}
    exec(compile(code, "quickstart.py", "exec"), names)
    queues: Queues = names["queues"]
    assert queues.get("email-notifications").counts.delayed == 1
    assert queues.get("email-dlq").counts.ready == 0
    assert names["messages"] == []

    arrived = threading.Event()

    async def send_email(payload: Any) -> None:
        sent.append(payload)
        arrived.set()

    names["send_email"] = send_email
    queues.enqueue("email-notifications", {"to": "now@example.com"})
    running = threading.Thread(target=queues.run)
    running.start()
    assert arrived.wait(10)
    queues.stop()
    running.join(10)
    assert sent == [{"to": "now@example.com"}]
    queues.close()


def test_quickstart_receives_and_acks(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a message that is ready, the block's loop gets it and acks it; one that fails is nacked."""
    monkeypatch.setenv("HANZO_URL", server.url)
    with Queues("your-api-key") as queues:
        queues.create("loop", {"backoff": {"initial": 0}})
        queues.enqueue("loop", {"n": 1})
        queues.enqueue("loop", {"n": 2})

        def process(message: Message) -> None:
            if message.payload["n"] == 2:
                raise RuntimeError

        code = (ROOT / "examples/quickstart.py").read_text()
        loop = code[code.index("messages = ") :].replace("email-notifications", "loop")
        exec(compile(loop, "quickstart.py", "exec"), {"queues": queues, "process": process})
        assert [message.payload for message in queues.receive("loop", max_messages=10)] == [{"n": 2}]


def test_quickstart_with_curl(server: LocalServer) -> None:
    script = (ROOT / "examples/quickstart.sh").read_text().replace("http://localhost:8080", server.url)
    environment = {**os.environ, "HANZO_API_KEY": server.api_key}
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert '"name":"my-queue"' in ran.stdout
    assert '"payload":{"key": "value"}' in ran.stdout
