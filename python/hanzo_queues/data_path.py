"""Where a server on this machine keeps its data, and where its generated API key lies.

The one thing the server and the SDK must agree on without talking: the server writes the key there (mode 600), a
client on the same machine reads it. Must not know either of them, and touches no file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

API_KEY_FILE = "api-key"


class HomeUnknown(ValueError):
    """There is no home directory to find it in. The text says what to set."""


def data_directory(environ: Mapping[str, str] | None = None) -> Path:
    """The data directory: `$HANZO_DATA_DIR`, else `$XDG_DATA_HOME/hanzo-queues`, else
    `~/.local/share/hanzo-queues`. Empty variables count as unset. The directory may not exist. Raises HomeUnknown."""
    env = os.environ if environ is None else environ
    chosen, shared = env.get("HANZO_DATA_DIR"), env.get("XDG_DATA_HOME")
    if shared and not chosen:
        return Path(shared) / "hanzo-queues"
    try:
        return Path(chosen or "~/.local/share/hanzo-queues").expanduser()
    except RuntimeError as error:
        raise HomeUnknown(
            f"HANZO_DATA_DIR: the home directory of {chosen or 'who runs this'} is not known; set it to the whole path "
            "of a directory."
        ) from error


def api_key_path(environ: Mapping[str, str] | None = None) -> Path:
    """The file that holds the key a server generated when it was given none. It may not exist. Raises HomeUnknown."""
    return data_directory(environ) / API_KEY_FILE
