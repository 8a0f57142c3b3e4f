"""Where a server on this machine keeps its data, and where its generated API key lies.

The one thing the server and the SDK must agree on without talking: the server writes the key there (mode 600), a
client on the same machine reads it. Must not know either of them, and touches no file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

API_KEY_FILE = "api-key"


def data_directory(environ: Mapping[str, str] | None = None) -> Path:
    """The data directory: `$HANZO_DATA_DIR`, else `$XDG_DATA_HOME/hanzo-queues`, else
    `~/.local/share/hanzo-queues`. Empty variables count as unset. The directory may not exist."""
    env = os.environ if environ is None else environ
    if chosen := env.get("HANZO_DATA_DIR"):
        return Path(chosen).expanduser()
    if shared := env.get("XDG_DATA_HOME"):
        return Path(shared) / "hanzo-queues"
    return Path.home() / ".local" / "share" / "hanzo-queues"


def api_key_path(environ: Mapping[str, str] | None = None) -> Path:
    """The file that holds the key a server generated when it was given none. It may not exist."""
    return data_directory(environ) / API_KEY_FILE
