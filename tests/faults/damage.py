"""What can befall the files of a nats-server's store while nobody serves it, chosen by a seed.

Knows JetStream's files only as far as their names: `msgs/*.blk` hold messages, `msgs/index.db` says which, `meta.*`
what the stream is.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

JOURNAL, CHECKPOINTS = "HANZO_P0", "HANZO_P0_CHECKPOINTS"
PAGE_BYTES = 4096


class Store:
    """A data directory, and one that was copied from it some time ago."""

    def __init__(self, directory: Path, older: Path) -> None:
        self.directory = directory
        self.older = older

    def stream(self, name: str) -> Path:
        """Where a stream's files lie."""
        return self._within(self.directory, name)

    def put_back(self, name: str) -> None:
        """The stream becomes what it was some time ago."""
        shutil.rmtree(self.stream(name))
        shutil.copytree(self._within(self.older, name), self.stream(name))

    @staticmethod
    def _within(directory: Path, name: str) -> Path:
        return directory / "jetstream/jetstream/$G/streams" / name


def blocks(stream: Path) -> list[Path]:
    """Its message blocks, the oldest first."""
    return sorted((stream / "msgs").glob("*.blk"), key=lambda path: int(path.stem))


def flip_bits(path: Path, chance: random.Random, count: int = 1) -> str:
    """So many, anywhere."""
    content = bytearray(path.read_bytes())
    at = [chance.randrange(len(content) * 8) for _ in range(count)]
    for bit in at:
        content[bit // 8] ^= 1 << (bit % 8)
    path.write_bytes(content)
    return f"bits {at} of {path.name}, {len(content)} bytes"


def truncate(path: Path, chance: random.Random) -> str:
    """By some bytes, or by most."""
    length = path.stat().st_size
    cut = chance.randint(1, min(length, chance.choice((40, 4000, length))))
    with path.open("r+b") as file:
        file.truncate(length - cut)
    return f"{path.name} is {cut} bytes shorter than {length}"


def zero_a_page(path: Path, chance: random.Random) -> str:
    """As a disk does that lost one."""
    pages = max(1, path.stat().st_size // PAGE_BYTES)
    page = chance.randrange(pages)
    with path.open("r+b") as file:
        file.seek(page * PAGE_BYTES)
        file.write(bytes(min(PAGE_BYTES, path.stat().st_size - page * PAGE_BYTES)))
    return f"page {page} of {path.name} is zero"


def lose_index(stream: Path) -> str:
    """nats-server reads all blocks anew, and drops what it can't read."""
    (stream / "msgs/index.db").unlink(missing_ok=True)
    return "no index; "


Damage = Callable[[Store, random.Random], str]


def of_block(harm: Callable[[Path, random.Random], str]) -> Damage:
    """`harm` to a block of either stream; of two, one has its index still."""

    def damage(store: Store, chance: random.Random) -> str:
        stream = store.stream(chance.choice((JOURNAL, JOURNAL, CHECKPOINTS)))
        without = lose_index(stream) if chance.random() < 0.5 else ""
        return f"{stream.name}: {without}{harm(chance.choice(blocks(stream)), chance)}"

    return damage


def of_file(name: str, harm: Callable[[Path, random.Random], str]) -> Damage:
    """`harm` to the file `name` of either stream."""

    def damage(store: Store, chance: random.Random) -> str:
        stream = store.stream(chance.choice((JOURNAL, CHECKPOINTS)))
        return f"{stream.name}: {harm(stream / name, chance)}"

    return damage


def remove(path: Path, _: random.Random) -> str:
    """It is gone."""
    path.unlink()
    return f"{path.name} is gone"


def last_bits(path: Path, chance: random.Random) -> str:
    """One bit in the last record or near it."""
    content = bytearray(path.read_bytes())
    at = len(content) - 1 - chance.randrange(min(len(content), 300))
    content[at] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    return f"a bit of byte {at} of {path.name}, {len(content)} bytes"


def lose_stream(store: Store, chance: random.Random) -> str:
    """All its files."""
    name = chance.choice((JOURNAL, CHECKPOINTS))
    shutil.rmtree(store.stream(name))
    return f"{name} is gone"


def swap_blocks(store: Store, chance: random.Random) -> str:
    """Two of the journal are in each other's place, if it has two."""
    if len(blocks(store.stream(JOURNAL))) < 2:
        return "there is one block alone"
    first, second = chance.sample(blocks(store.stream(JOURNAL)), 2)
    aside = first.with_suffix(".aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
    return f"{first.name} and {second.name} are swapped"


def append_garbage(path: Path, chance: random.Random) -> str:
    """Bytes that nobody wrote."""
    with path.open("ab") as file:
        file.write(chance.randbytes(chance.randint(1, 5000)))
    return f"garbage behind {path.name}"


def put_back(*names: str) -> Damage:
    """A backup of these streams was restored."""

    def damage(store: Store, _: random.Random) -> str:
        for name in names:
            store.put_back(name)
        return f"{' and '.join(names)} as some time ago"

    return damage


DAMAGES: dict[str, Damage] = {
    "flipped bit": of_block(flip_bits),
    "flipped bits": of_block(lambda path, chance: flip_bits(path, chance, chance.randint(2, 20))),
    "flipped bit at the end": of_block(last_bits),
    "truncated block": of_block(truncate),
    "zeroed page": of_block(zero_a_page),
    "missing block": of_block(remove),
    "garbage behind a block": of_block(append_garbage),
    "swapped blocks": swap_blocks,
    "missing index": of_file("msgs/index.db", remove),
    "damaged index": of_file("msgs/index.db", flip_bits),
    "truncated index": of_file("msgs/index.db", truncate),
    "damaged meta": of_file("meta.inf", flip_bits),
    "damaged meta sum": of_file("meta.sum", flip_bits),
    "missing meta": of_file("meta.inf", remove),
    "missing stream": lose_stream,
    "older journal": put_back(JOURNAL),
    "older checkpoints": put_back(CHECKPOINTS),
    "older backup": put_back(JOURNAL, CHECKPOINTS),
}
