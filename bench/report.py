"""Tables and plots from bench/results: `python -m bench.report` renews the generated parts of bench/README.md and of
README.md, and bench/plots. A test (tests/tidy/test_bench.py) tells when they are stale.

    <!-- generated: NAME -->  ...  <!-- end -->         what is between is made of results, and nobody writes there
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from bench.plot import Bar, bars

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"
PART = re.compile(r"(<!-- generated: ([a-z0-9-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
OWN = "Hanzo Queues"
NOTHING = "Not measured yet.\n"

RUNS = [
    *("singles", "batches", "batches-200-bytes", "consumers", "memory"),
    *("latency", "features", "kills", "engine"),
    *("backlog", "recovery", "disk"),
]
"""In the order in which they are shown."""

PLOTS: dict[str, tuple[str, str, str, str]] = {
    "singles": ("singles", "send/s", "Single calls, 64 callers, 1 KB", "messages a second"),
    "batches-in": ("batches", "send/s", "Batches of 100, 8 connections, 1 KB", "messages a second"),
    "batches-out": ("batches", "take/s", "Receive and ack, 100 at a time, 8 connections, 1 KB", "messages a second"),
    "consumers": ("consumers", "handled/s", "Handlers that do nothing, one worker process", "messages a second"),
}
"""By the plot's name: the run, the field, the title and the unit."""

README_FIGURES = [
    "single enqueue over HTTP, to a route that does nothing",
    "single calls through the SDK, to a route that does nothing",
    "single calls through the SDK, to Redis Streams, always",
    "single calls through the SDK, to RabbitMQ quorum",
    "single calls through the SDK, to PGMQ",
    "batch enqueue of 100 x 1 KB, HTTP",
    "receive + ack, 100 x 1 KB at a time, HTTP",
    "batch enqueue of 100, HTTP, to JetStream's atomic batches with fsync",
    "batch enqueue of 100, HTTP, to Redis Streams, always",
    "receive + ack 100, HTTP, to Redis Streams, always",
    "receive + ack 100, HTTP, to PGMQ",
    "no-op handlers, SDK, to taskiq on Redis Streams, page cache",
    "no-op handlers, SDK, to BullMQ's worker in Node, page cache",
    "memory of a queued 1 KB message, to Redis Streams",
    "enqueue to handler, SDK, 2,000/s, p50",
    "enqueue to handler, SDK, 2,000/s, p99",
    "fsync to page cache, HTTP, 64 connections",
    "priority + dedup + rate limit on, to off",
    "lost, or twice unexplained, over kill -9",
    "10,000,000 x 1 KB queued: received in order, to a short queue",
    "10,000,000 x 1 KB queued: in and out, to a short queue",
    "10,000,000 x 1 KB queued: memory of the server",
    "10,000,000 x 1 KB queued: first message after kill -9",
    "10,000,000 x 1 KB queued: p99.9 of an enqueue, on over off",
    "3,600,000 x 1 KB passed beside 2,000,000 delayed: journal beyond twice what waits",
    "engine at a million messages, 1 a step",
]
"""What the README shows, as far as it was measured."""


def run(name: str) -> dict[str, Any] | None:
    """What was written down of a run; None when it was not measured."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def measured() -> dict[str, dict[str, Any]]:
    """Every run there is, in order."""
    return {name: found for name in RUNS if (found := run(name)) is not None}


def number(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def verdict(figure: dict[str, Any]) -> str:
    """What a figure reached."""
    value, floor, aim = figure["value"], figure["floor"], figure["aim"]

    def reaches(bound: float) -> bool:
        return bool(value <= bound if figure["at_most"] else value >= bound)

    if aim is not None and reaches(aim):
        return "aim"
    if floor is not None:
        return "floor" if reaches(floor) else "**missed**"
    return "" if aim is None else "below the aim"


def figure_row(figure: dict[str, Any]) -> str:
    bounds = [("" if bound is None else number(bound)) for bound in (figure["floor"], figure["aim"])]
    value = f"{number(figure['value'])} {figure['unit']}"
    return f"| {figure['name']} | {value} | {bounds[0]} | {bounds[1]} | {verdict(figure)} |\n"


FIGURES_HEAD = "| What | Measured | Floor | Aim | Reached |\n|---|---:|---:|---:|---|\n"


def all_figures() -> str:
    """Every figure of every run."""
    rows = [figure_row(figure) for found in measured().values() for figure in found["figures"]]
    return FIGURES_HEAD + "".join(rows) if rows else NOTHING


def readme_figures() -> str:
    """The ones that the README shows."""
    figures = {figure["name"]: figure for found in measured().values() for figure in found["figures"]}
    rows = [figure_row(figures[name]) for name in README_FIGURES if name in figures]
    return FIGURES_HEAD + "".join(rows) if rows else NOTHING


def cell(value: object) -> str:
    """A list is its median, and its least and most."""
    if isinstance(value, list):
        least, most = min(value), max(value)
        return f"{number(median(value))} ({number(least)} to {number(most)})"
    return number(value) if isinstance(value, int | float) else str(value)


def contestants(name: str) -> str:
    """Who did what in a run, and how it was made."""
    found = run(name)
    if found is None:
        return NOTHING
    rows = found["contestants"]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = ""
    if rows:
        text += "| " + " | ".join(columns) + " |\n|" + "---|" * len(columns) + "\n"
        text += "".join("| " + " | ".join(cell(row.get(column, "")) for column in columns) + " |\n" for row in rows)
    for peer, reason in found["skipped"].items():
        text += f"\n{peer} was left out: {reason}\n"
    minutes = found["machine"].get("load_average")
    load = f", load average at the end {minutes[1]:.0f}" if minutes else ""
    stolen = found["machine"].get("stolen")
    load += "" if stolen is None else f", stolen {stolen:.0%}"
    return text + f"\nMeasured {found['measured']}, in {found['took_seconds']} s, seed {found['seed']}{load}.\n"


OF_A_RUN = {"load_average", "stolen"}
"""What is told of the machine beside each run's table."""


def conditions() -> str:
    """The machine and the versions, of the newest run."""
    newest = max(measured().values(), key=lambda found: found["measured"], default=None)
    if newest is None:
        return NOTHING
    facts = {name: value for name, value in newest["machine"].items() if name not in OF_A_RUN}
    machine = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items())
    versions = ", ".join(f"{name} {version}" for name, version in newest["versions"].items())
    return f"- Machine: {machine}\n- Versions: {versions}\n"


def plot(name: str) -> str:
    """One plot; without bars when its run is missing."""
    source, field, title, unit = PLOTS[name]
    found = run(source)
    rows = [row for row in (found["contestants"] if found else ()) if field in row]
    picture = [
        Bar(
            f"{row['name']}, {row['durability']}",
            "own" if row["name"].startswith(OWN) else "peer",
            row["durability"],
            min(row[field]),
            median(row[field]),
            max(row[field]),
        )
        for row in rows
    ]
    return bars(title, unit, sorted(picture, key=lambda bar: -bar.median))


PARTS: dict[str, Callable[[], str]] = {
    "all-figures": all_figures,
    "readme-figures": readme_figures,
    "conditions": conditions,
    **{name: (lambda name=name: contestants(name)) for name in RUNS},  # type: ignore[misc]
}


def page(path: str) -> str:
    """A page with its generated parts renewed."""
    return PART.sub(lambda part: part[1] + PARTS[part[2]]() + part[3], (ROOT / path).read_text())


def outputs() -> dict[str, str]:
    """What every generated file should be."""
    plots = {f"bench/plots/{name}.svg": plot(name) for name in PLOTS}
    return {"bench/README.md": page("bench/README.md"), "README.md": page("README.md"), **plots}


def main() -> None:
    """Writes what has changed."""
    for path, text in outputs().items():
        (ROOT / path).write_text(text)


if __name__ == "__main__":
    main()
