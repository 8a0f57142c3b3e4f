"""The files of spec/, as they are shipped inside the package. Read here, and nowhere else.

`hanzo_queues/spec/` holds links to spec/, the one source of truth; a wheel holds copies of the files.
"""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any


def read_spec(name: str) -> bytes:
    """The bytes of spec/`name`."""
    return (files("hanzo_queues") / "spec" / name).read_bytes()


def read_spec_table(name: str) -> dict[str, dict[str, Any]]:
    """spec/`name`, a TOML file of tables."""
    return tomllib.loads(read_spec(name).decode())
