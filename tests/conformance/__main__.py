"""Runs all vectors in all SDKs against one server, prints what passed, and writes the parity table.

`python -m tests.conformance`. The server is killed and started again when a driver asks the control URL for it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from examples.local_server import LocalServer
from tests.conformance.parity import Result, page, summary

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "parity.md"


@dataclass(frozen=True)
class Driver:
    """A program that runs the vectors on one SDK."""

    language: str
    folder: str
    command: tuple[str, ...]


DRIVERS = (
    Driver("Python", ".", (sys.executable, "-m", "pytest", "-q", "tests/conformance")),
    Driver("TypeScript", "sdk/typescript", ("node", "build/conformance/main.js")),
    Driver("Go", "sdk/go", ("go", "test", "./queues", "-count=1", "-run", "TestConformance")),
)


@contextmanager
def control_of(server: LocalServer) -> Iterator[str]:
    """A URL; POST to it kills the server and starts it again."""

    class Control(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            server.kill()
            server.start()
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    listening = HTTPServer(("127.0.0.1", 0), Control)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}/kill"
    finally:
        listening.shutdown()
        listening.server_close()


def run(driver: Driver, server: LocalServer, control: str, report: Path) -> list[Result]:
    """What became of each vector. Raises RuntimeError when the driver itself failed."""
    environment = {
        **os.environ,
        "CONFORMANCE_URL": server.url,
        "CONFORMANCE_KEY": server.api_key,
        "CONFORMANCE_CONTROL": control,
        "CONFORMANCE_REPORT": str(report),
    }
    ran = subprocess.run(driver.command, cwd=ROOT / driver.folder, env=environment, capture_output=True, text=True)
    lines = report.read_text().splitlines() if report.exists() else []
    results = [Result(**json.loads(line)) for line in lines]
    failed = any(result.result == "failed" for result in results)
    if failed or ran.returncode != 0 or not results:
        print(ran.stdout[-8000:], ran.stderr[-8000:], sep="\n", file=sys.stderr)
        if not failed:
            raise RuntimeError(f"the {driver.language} driver ended with {ran.returncode}")
    return results


def main() -> int:
    """The exit code: 0 when no vector failed."""
    found: dict[str, list[Result]] = {}
    server = LocalServer(environment={"MAX_BATCH_SIZE": "10"})  # the SDKs learn it; their own tests have servers of 100
    with tempfile.TemporaryDirectory() as folder, server, control_of(server) as control:
        for driver in DRIVERS:
            if shutil.which(driver.command[0]) is None:
                print(f"{driver.language}: skipped, there is no {driver.command[0]} on this machine")
                continue
            found[driver.language] = run(driver, server, control, Path(folder) / driver.language)
            print(summary(driver.language, found[driver.language]))
    failed = sum(result.result == "failed" for results in found.values() for result in results)
    if not failed and len(found) == len(DRIVERS):
        PAGE.write_text(page(found))
    passed = sum(result.result == "passed" for results in found.values() for result in results)
    print(f"conformance: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
