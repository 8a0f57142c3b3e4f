"""Makes the reference pages that are tables: docs/reference/errors.md and limits.md, from spec/*.toml.

Run by `make docs`; a test compares the pages with what is generated here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NOTICE = "<!-- Generated from spec/{source} by `make docs`. Change it there. -->\n"


def errors_page() -> str:
    """Every code, with its cause and its fix."""
    head = (
        "# Errors\n\n"
        "Every error is `application/problem+json`: `type`, `title`, `status`, `code`, `detail`, `retryable`,\n"
        "`outcome`, `requestId`, and where they apply `retryAfter` (seconds) and `errors` (`pointer`, `detail`).\n"
        "Branch on `code`: codes are never renamed or reused, texts may change.\n\n"
        "`outcome` says what became of the request. `none`: nothing happened. `unknown`: it may have been carried\n"
        "out; repeat it with the same dedup id or receipt and it takes effect once.\n"
    )
    return NOTICE.format(source="errors.toml") + head + "".join(map(_error, *_items("errors.toml")))


def _error(code: str, entry: dict[str, Any]) -> str:
    retry = "yes" if entry["retryable"] else "no"
    if "retry_after" in entry:
        retry += f", after {entry['retry_after']} s"
    return (
        f"\n## {code}\n\n"
        f"{entry['status']} · {entry['title']} · retry: {retry} · outcome: {entry['outcome']}\n\n"
        f"Cause: {entry['cause']}\n\n"
        f"Fix: {entry['fix']}\n"
    )


def limits_page() -> str:
    """Every limit, with its unit and the reason for its value."""
    head = (
        "# Limits\n\n"
        "What the server refuses to exceed. Each limit is there for a reason; where a setting changes it, the\n"
        "reason names it ([configuration](configuration.md)).\n\n"
        "| Limit | Value | Unit | Reason |\n|---|---:|---|---|\n"
    )
    return NOTICE.format(source="limits.toml") + head + "".join(map(_limit, *_items("limits.toml")))


def _limit(name: str, entry: dict[str, Any]) -> str:
    return f"| `{name}` | {entry['value']:,} | {entry['unit']} | {entry['reason']} |\n"


def _items(source: str) -> tuple[list[str], list[dict[str, Any]]]:
    table = tomllib.loads((ROOT / "spec" / source).read_text())
    return list(table), list(table.values())


PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/errors.md": errors_page,
    "docs/reference/limits.md": limits_page,
}


def main() -> None:
    """Writes every page."""
    for page, generate in PAGES.items():
        (ROOT / page).write_text(generate())


if __name__ == "__main__":
    main()
