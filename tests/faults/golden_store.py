"""A journal and its checkpoints in one file: the entries of both, each behind a line that says what it is."""

from __future__ import annotations

from pathlib import Path

from hanzo_queues.server.checkpoints.memory import MemoryCheckpoints
from hanzo_queues.server.journal.memory import MemoryJournal, MemoryStore


def write(path: Path, journal: MemoryStore, checkpoints: MemoryCheckpoints) -> None:
    """All that is there."""
    entries = [("batch", sequence, batch) for sequence, batch in sorted(journal.batches.items())]
    for sequence, part in sorted(checkpoints.parts.items()):
        entries.append(("manifest" if sequence in checkpoints.manifests else "block", sequence, part))
    with path.open("xb") as file:
        for kind, sequence, data in entries:
            file.write(f"{kind} {sequence} {len(data)}\n".encode() + data)


def read(path: Path) -> tuple[MemoryJournal, MemoryCheckpoints]:
    """As they were written."""
    store, checkpoints = MemoryStore(), MemoryCheckpoints()
    with path.open("rb") as file:
        while line := file.readline():
            kind, sequence, length = line.decode().split()
            data = file.read(int(length))
            if kind == "batch":
                store.batches[int(sequence)] = data
            else:
                checkpoints.parts[int(sequence)] = data
                checkpoints.manifests |= {int(sequence)} if kind == "manifest" else set()
    store.first_sequence, store.last_sequence = min(store.batches), max(store.batches)
    checkpoints._first, checkpoints._last = min(checkpoints.parts), max(checkpoints.parts)
    return MemoryJournal(store), checkpoints
