"""Texts of durations and sizes, as people write them in settings: `30s`, `1.5h`, `1MiB`.

Pure. A text that can't be read raises ValueError with what would be right.
"""

from __future__ import annotations

import re
from decimal import Decimal

MS_PER_UNIT = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
BYTES_PER_UNIT = {
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
}
NUMBER_AND_UNIT = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*([A-Za-z]*)", re.ASCII)

DURATION_FORM = "a duration like 500ms, 30s, 5m or 1h, or a number of seconds"
SIZE_FORM = "a size like 512KiB, 1MiB or 2GiB, or a number of bytes"


def parse_duration_ms(text: str) -> int:
    """Milliseconds of `text`; a number alone is seconds. Finer than a millisecond is refused."""
    return _whole(text, MS_PER_UNIT, "s", DURATION_FORM)


def parse_size_bytes(text: str) -> int:
    """Bytes of `text`; a number alone is bytes."""
    return _whole(text, BYTES_PER_UNIT, "b", SIZE_FORM)


def format_duration(duration_ms: int) -> str:
    """The shortest text that `parse_duration_ms` reads as `duration_ms`."""
    unit = next((unit for unit in ("h", "m", "s") if duration_ms and duration_ms % MS_PER_UNIT[unit] == 0), "ms")
    return f"{duration_ms // MS_PER_UNIT[unit]}{unit}"


def format_size(size_bytes: int) -> str:
    """The shortest text that `parse_size_bytes` reads as `size_bytes`."""
    for unit in ("GiB", "MiB", "KiB"):
        if size_bytes and size_bytes % BYTES_PER_UNIT[unit.lower()] == 0:
            return f"{size_bytes // BYTES_PER_UNIT[unit.lower()]}{unit}"
    return f"{size_bytes} bytes"


def _whole(text: str, units: dict[str, int], unit_default: str, form: str) -> int:
    found = NUMBER_AND_UNIT.fullmatch(text.strip())
    unit = found[2].lower() or unit_default if found else ""
    if found is None or unit not in units:
        raise ValueError(form)
    value = Decimal(found[1]) * units[unit]
    if value != int(value):
        raise ValueError(form)
    return int(value)
