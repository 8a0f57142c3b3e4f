"""Which server, and with which key.

The key a server generated for itself is found in its data directory, but only sent to this machine: a local key
must not leak to wherever HANZO_URL points.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from yarl import URL

from hanzo_queues.data_path import api_key_path

DEFAULT_URL = "http://localhost:8080"


@dataclass(frozen=True, slots=True)
class Access:
    """The server's base URL, without a trailing slash, and the API key."""

    url: URL
    api_key: str = field(repr=False)


def find_access(url: str | None, api_key: str | None, environ: Mapping[str, str] | None = None) -> Access:
    """Arguments go before HANZO_URL and HANZO_API_KEY, these before the defaults. Raises ValueError."""
    env = os.environ if environ is None else environ
    base = _parse(url or env.get("HANZO_URL") or DEFAULT_URL)
    key = api_key or env.get("HANZO_API_KEY") or (_generated_key(env) if _is_local(base) else None)
    if not key:
        raise ValueError(
            "no API key: pass api_key=, set HANZO_API_KEY, or run on the machine (and as the user) of a server "
            f"that generated its own; looked in {api_key_path(env)}"
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("the API key has a character that no key has; was it copied whole?")
    return Access(base, key)


def _parse(text: str) -> URL:
    url = URL(text)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"url is {text!r}; it must be like {DEFAULT_URL}")
    return url.with_path(url.path.rstrip("/")).with_query(None).with_fragment(None)


def _is_local(url: URL) -> bool:
    if url.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(url.host or "").is_loopback
    except ValueError:
        return False


def _generated_key(env: Mapping[str, str]) -> str | None:
    try:
        return api_key_path(env).read_text(encoding="ascii").strip()
    except OSError:
        return None
