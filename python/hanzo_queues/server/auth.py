"""API keys: which requests are let in.

Keys are compared by their hashes, all of them, in constant time. A header that was let in once is remembered as it
came, so a busy client costs one set look-up. A server that is given no keys makes one: it lies in the data directory,
readable by its owner alone, for the SDK and the command line on this machine.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from hashlib import sha256

from hanzo_queues.data_path import API_KEY_FILE
from hanzo_queues.server.data_directory import DataDirectory
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


def local_key(directory: DataDirectory) -> tuple[str, bool]:
    """The generated key of the server that owns `directory`, and whether this call made it."""
    fresh = "hq_" + secrets.token_urlsafe(32)
    key = directory.remember(API_KEY_FILE, fresh)
    return key, key == fresh
