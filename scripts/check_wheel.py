"""Installs a wheel alone into a fresh environment, in a directory that knows nothing of the sources, and uses it.

    python scripts/check_wheel.py dist/hanzo_queues-....whl

Serves with the embedded nats-server, then enqueues, receives and acks through the SDK, with the key that the server
generated. Checks a user's program with mypy --strict against the types that the wheel brings, and runs it. Exits
non-zero at the first thing that fails.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

USE = """
import sys, time, urllib.request
from hanzo import Queues

for _ in range(600):
    try:
        urllib.request.urlopen(sys.argv[1] + "/health/ready", timeout=5)
        break
    except OSError:
        time.sleep(0.1)
with Queues(url=sys.argv[1]) as queues:
    queues.create("wheel")
    queues.enqueue("wheel", {"hello": "wheel"})
    (message,) = queues.receive("wheel", wait_time=5)
    assert message.payload == {"hello": "wheel"}, message
    queues.ack(message)
    assert queues.get("wheel").counts.leased == 0
print("installed alone, served, enqueued, received, acked")
"""


def main(wheel: Path) -> None:
    """Raises when anything fails."""
    lock = Path("requirements.lock").resolve()
    with tempfile.TemporaryDirectory(prefix="hanzo-queues-wheel-") as name:
        directory = Path(name)
        venv.create(directory / "venv", with_pip=True)
        python = directory / "venv" / "bin" / "python"
        install = [str(python), "-m", "pip", "install", "--quiet", "--constraint", str(lock), str(wheel.resolve())]
        subprocess.run(install, check=True, cwd=directory)
        serve_and_use(directory, python)
        check_types(directory, python)


def check_types(directory: Path, python: Path) -> None:
    """What a user sees who checks types strictly: the installed package alone, by its py.typed."""
    program = directory / "typed_user.py"
    shutil.copy(Path("scripts/typed_user.py"), program)
    (directory / "mypy.ini").write_text("[mypy]\nstrict = True\nwarn_unreachable = True\n")
    mypy = [sys.executable, "-m", "mypy", "--python-executable", str(python), "--config-file", "mypy.ini", program.name]
    subprocess.run(mypy, check=True, cwd=directory)
    subprocess.run([str(python), program.name], check=True, cwd=directory, timeout=120)


def serve_and_use(directory: Path, python: Path) -> None:
    """One server's life, with what `pip install` gave."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if "HANZO" not in name and "NATS" not in name}
    environment |= {"PORT": str(port), "HANZO_DATA_DIR": str(directory / "data"), "PYTHONPATH": ""}
    server = subprocess.Popen([python.with_name("hanzo-queues"), "serve"], cwd=directory, env=environment)
    try:
        use = [str(python), "-c", USE, f"http://127.0.0.1:{port}"]
        subprocess.run(use, check=True, cwd=directory, env=environment, timeout=120)
    finally:
        server.send_signal(signal.SIGTERM)
        code = server.wait(30)
    if code != 0:
        raise SystemExit(f"the server stopped with {code}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
