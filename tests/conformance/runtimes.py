"""Runs the vectors of the TypeScript SDK in other runtimes than Node, against a live server that is killed in between.

`make runtimes`, which installs them. A runtime that is not on the PATH fails the run: who asks wants to know.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from examples.local_server import LocalServer
from tests.conformance.__main__ import Driver, control_of, run
from tests.conformance.parity import summary

PROGRAM = "build/conformance/main.js"
RUNTIMES = (
    Driver("Deno", "sdk/typescript", ("deno", "run", "--allow-all", PROGRAM)),
    Driver("Bun", "sdk/typescript", ("bun", PROGRAM)),
)


def main() -> int:
    """The exit code: 0 when no vector failed."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder, LocalServer() as server, control_of(server) as control:
        for runtime in RUNTIMES:
            results = run(runtime, server, control, Path(folder) / runtime.language)
            failed += sum(result.result == "failed" for result in results)
            print(summary(runtime.language, results))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
