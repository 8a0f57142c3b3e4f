"""Horizontal bars as SVG: a label, a bar as long as the median, a line from the least to the most of all rounds.

Text alone, so that a plot is the same on every machine and a test can tell that it is fresh.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LABELS, VALUES = 860, 300, 110
ROW, HEAD, BAR = 24, 52, 14
COLOURS = {("own", "fsync"): "#1d4ed8", ("own", "page cache"): "#93b4f5", ("peer", "fsync"): "#525252"}
OTHER = "#a8a8a8"


@dataclass(frozen=True)
class Bar:
    """`whose` is `own` or `peer`."""

    label: str
    whose: str
    durability: str
    low: float
    median: float
    high: float


def bars(title: str, unit: str, rows: Sequence[Bar]) -> str:
    """The picture; the longest bar fills the width."""
    room = WIDTH - LABELS - VALUES
    most = max((row.high for row in rows), default=1.0)
    height = HEAD + ROW * len(rows) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
        ' font-family="system-ui, sans-serif" font-size="13" fill="#1c1c1c">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="10" y="22" font-size="15" font-weight="600">{escape(title)}</text>',
        f'<text x="10" y="41" fill="#5c5c5c">{escape(unit)}: median, and from least to most of all rounds</text>',
    ]
    for number, row in enumerate(rows):
        top = HEAD + ROW * number
        middle = top + BAR / 2 + 2
        low, median, high = (LABELS + room * value / most for value in (row.low, row.median, row.high))
        colour = COLOURS.get((row.whose, row.durability), OTHER)
        parts += [
            f'<text x="{LABELS - 8}" y="{middle + 4:.1f}" text-anchor="end">{escape(row.label)}</text>',
            f'<rect x="{LABELS}" y="{top + 2}" width="{median - LABELS:.1f}" height="{BAR}" fill="{colour}"/>',
            f'<path d="M{low:.1f} {middle:.1f}H{high:.1f}" stroke="#f97316" stroke-width="2"/>',
            f'<text x="{max(median, high) + 6:.1f}" y="{middle + 4:.1f}">{row.median:,.0f}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
