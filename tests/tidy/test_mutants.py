"""Mutants that may survive: each is of a file that there is, once, with a reason."""

from __future__ import annotations

import tomllib

from tests.tidy.sources import ROOT

GROUPS = tomllib.loads((ROOT / "scripts/mutants/explained.toml").read_text())["survivors"]
NAMES = [name for group in GROUPS for name in group["mutants"]]


def test_each_is_named_once_and_has_its_reason() -> None:
    assert len(NAMES) == len(set(NAMES))
    assert all(group["why"].strip() and group["mutants"] for group in GROUPS)


def test_each_is_of_a_function_that_there_is() -> None:
    """A name is `file.rs Type::function: change`; an implementation's `<impl Trait for Type>::function`."""
    missing = []
    for name in NAMES:
        file, _, rest = name.partition(" ")
        source = ROOT / "rust_core/engine/src" / file
        function = rest.partition(": ")[0].rpartition("::")[2]
        is_there = source.exists() and (function.startswith("(") or f"fn {function}" in source.read_text())
        missing += [] if is_there else [name]
    assert missing == []
