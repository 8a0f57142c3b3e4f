"""The data directory: one server's at a time. Owns its claim and the node's identity; other modules keep files in it.

The claim is an advisory lock that the kernel drops with the process, so nothing is left behind by a kill -9.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path
from types import TracebackType

CLAIM_FILE = "server.pid"
NODE_FILE = "node-id"


class DataDirectoryTaken(Exception):
    """Another server uses the directory. The text names its process."""


class DataDirectoryUnusable(Exception):
    """The directory, or a file in it, can't be made, read or written. The text says which, why and what would help."""


def sync_directory(path: Path) -> None:
    """Which files it has is durable on return. Raises OSError."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


class DataDirectory:
    """A claimed data directory (mode 700). Released by `release` or with the process. Raises DataDirectoryTaken and
    DataDirectoryUnusable."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._claim = os.open(self.path / CLAIM_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(Path(error.filename or self.path), error) from error
        try:
            fcntl.flock(self._claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._claim, 32, 0).decode(errors="replace").strip()
            os.close(self._claim)
            raise DataDirectoryTaken(
                f"the data directory {self.path} is used by the server with process id {holder or 'unknown'}. "
                "Stop that server, or choose another directory with HANZO_DATA_DIR (--data-dir)."
            ) from error
        with suppress(OSError):  # it is for people: a full disk must not keep a server from what it has
            os.ftruncate(self._claim, 0)
            os.pwrite(self._claim, f"{os.getpid()}\n".encode(), 0)

    @property
    def node_id(self) -> str:
        """This node's name, made once: the same node takes its partitions back without waiting."""
        return self.remember(NODE_FILE, secrets.token_hex(8))

    def remember(self, name: str, text: str) -> str:
        """What the file `name` (mode 600) holds; `text` when it did not exist yet, or was empty. Raises
        DataDirectoryUnusable."""
        path = self.path / name
        try:
            known = path.read_text(errors="replace").strip() if path.exists() else ""
        except OSError as error:
            raise _unusable(path, error) from error
        if known:
            return known
        self.write(name, text)
        return text

    def write(self, name: str, text: str) -> None:
        """Replaces the file `name` (mode 600): the new text on return, the old or the new after a crash within. Raises
        DataDirectoryUnusable."""
        try:
            self._write(name, text)
        except OSError as error:
            raise _unusable(self.path / name, error) from error

    def _write(self, name: str, text: str) -> None:
        fresh = self.path / f"{name}.new"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path / name)
        sync_directory(self.path)

    def release(self) -> None:
        """Lets another server have it."""
        if self._claim >= 0:
            os.close(self._claim)
            self._claim = -1

    def __enter__(self) -> DataDirectory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _unusable(path: Path, error: OSError) -> DataDirectoryUnusable:
    return DataDirectoryUnusable(
        f"the data directory can't be used: {path}: {error.strerror or error}. Put that right, or choose a directory "
        "that can be read and written with HANZO_DATA_DIR (--data-dir)."
    )
