"""The embedded nats-server's port: chosen once, remembered in the data directory, changed only when it is taken."""

from __future__ import annotations

import secrets
import socket

from hanzo_queues.server.data_directory import DataDirectory

PORT_FILE = "nats-port"
# Below the ports systems give to outgoing connections: from there, a connection to a server that is being restarted can
# meet itself, and keep the server's port.
PORT_MIN = 16384
PORT_MAX = 32767
ATTEMPTS_MAX = 100


def remembered_port(directory: DataDirectory) -> int:
    """The port of the last start when it is free; else another one, remembered from now on. Raises OSError."""
    known = directory.remember(PORT_FILE, str(_free_port()))
    if known.isascii() and known.isdigit() and is_free(int(known)):
        return int(known)
    port = _free_port()
    directory.write(PORT_FILE, str(port))
    return port


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except (OSError, OverflowError):
            return False
    return True


def _free_port() -> int:
    for _ in range(ATTEMPTS_MAX):
        port = PORT_MIN + secrets.randbelow(PORT_MAX - PORT_MIN + 1)
        if is_free(port):
            return port
    raise OSError(f"no free port on 127.0.0.1 between {PORT_MIN} and {PORT_MAX}")
