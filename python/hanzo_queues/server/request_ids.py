"""Every answer names its request: by the client's X-Request-Id when that is short and plain, else by one made here.

Ids made here are unique among restarts (eight random bytes) and cost an increment.
"""

from __future__ import annotations

import itertools
import re
import secrets

PLAIN = re.compile(rb"[A-Za-z0-9._:=+/-]{1,128}")

_prefix = secrets.token_hex(8).encode() + b"-"
_numbers = itertools.count(1)


def request_id(sent: bytes | None) -> bytes:
    """The id of a request whose X-Request-Id header is `sent`."""
    if sent is not None and PLAIN.fullmatch(sent):
        return sent
    return _prefix + b"%d" % next(_numbers)
