"""API keys: which requests are let in.

Keys are compared by their hashes, all of them, in constant time. A header that was let in once is remembered as it
came, so a busy client costs one set look-up. A server that is given no keys makes one: it lies in the data directory,
readable by its owner alone, for the SDK and the command line on this machine.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from hanzo_queues.data_path import API_KEY_FILE
from hanzo_queues.server.problems import Refused

REMEMBERED_MAX = 1024
CHALLENGE = ((b"www-authenticate", b'Bearer realm="hanzo-queues"'),)


class ApiKeys:
    """The keys of this server. `admitted` holds the Authorization headers let in lately."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = [sha256(key.encode()).digest() for key in keys]
        assert self._digests, "a server without keys would let nobody in"
        self.admitted: set[bytes] = set()

    def admit(self, authorization: bytes | None) -> None:
        """Returns when the header's key is one of the server's. Raises Refused (`unauthorized`)."""
        if authorization in self.admitted:
            return
        if authorization is None:
            raise Refused("unauthorized", "The Authorization header is missing.", headers=CHALLENGE)
        scheme, _, key = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or not key.strip():
            raise Refused("unauthorized", "The Authorization header is not `Bearer KEY`.", headers=CHALLENGE)
        if not self._knows(key.strip()):
            raise Refused("unauthorized", "The API key is not one of this server's.", headers=CHALLENGE)
        if len(self.admitted) >= REMEMBERED_MAX:
            self.admitted.clear()
        self.admitted.add(authorization)

    def _knows(self, key: bytes) -> bool:
        digest = sha256(key).digest()
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        return any(matches)


def local_key(data_dir: Path) -> tuple[str, bool]:
    """The generated key of the server in `data_dir`, and whether this call made it."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data_dir / API_KEY_FILE
    try:
        return path.read_text().strip(), False
    except FileNotFoundError:
        key = "hq_" + secrets.token_urlsafe(32)
        _write_private(path, key + "\n")
        return key, True


def _write_private(path: Path, text: str) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    os.replace(unfinished, path)
