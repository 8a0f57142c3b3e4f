"""The SDK's version, as installed. Read from the package's metadata, so that it is written down once."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("hanzo-queues")
except PackageNotFoundError:  # run from a source tree that is not installed
    VERSION = "0"

USER_AGENT = f"hanzo-queues-python/{VERSION} python/{sys.version_info[0]}.{sys.version_info[1]}"
