"""The documents can be trusted: links lead somewhere, code is code that tests run, generated pages are fresh."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path

import orjson
import pytest

from hanzo_queues.server.routes.openapi import openapi_json
from scripts.generate_reference import PAGES
from scripts.generate_sdk import FILES
from tests.conformance.vectors import KINDS, vectors_of
from tests.tidy.sources import ROOT, files, name

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    headings = HEADING.findall(page.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def is_broken(page: Path, target: str) -> bool:
    if re.match(r"[a-z]+:", target):
        return False
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.exists():
        return True
    return bool(anchor) and anchor not in anchors(file)


def code_blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def test_links_resolve() -> None:
    broken = [
        f"{name(page)}: {target}"
        for page in files(".md")
        for target in LINK.findall(page.read_text())
        if is_broken(page, target)
    ]
    assert not broken


@pytest.mark.parametrize(("language", "example"), [("python", "quickstart.py"), ("bash", "quickstart.sh")])
def test_the_readme_shows_what_the_tests_run(language: str, example: str) -> None:
    assert (ROOT / "examples" / example).read_text() in code_blocks(ROOT / "README.md", language)


@pytest.mark.parametrize("page", PAGES)
def test_generated_pages_are_fresh(page: str) -> None:
    """Renew them with `make docs`."""
    assert (ROOT / page).read_text() == PAGES[page]()


@pytest.mark.parametrize("path", FILES)
def test_what_the_sdks_generate_is_fresh(path: str) -> None:
    """Renew it with `make docs`."""
    assert (ROOT / path).read_text() == FILES[path]()


def test_the_parity_table_has_every_vector() -> None:
    """Renew it with `make conformance`."""
    page = (ROOT / "docs/reference/parity.md").read_text()
    vectors = Counter(vector.id.partition(":")[0] for kind in KINDS for vector in vectors_of(kind))
    rows = dict(re.findall(r"^\| `([\w/.]+)` \|(.*)\|$", page, re.MULTILINE))
    assert set(rows) == set(vectors)
    assert {file for file, row in rows.items() if set(re.findall(r"of (\d+)", row)) != {str(vectors[file])}} == set()


def test_every_setting_is_documented() -> None:
    """Names of environment variables in the server's settings, against the page that explains them."""
    settings = (ROOT / "python/hanzo_queues/server/settings.py").read_text()
    page = (ROOT / "docs/reference/configuration.md").read_text()
    variables = set(re.findall(r'"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|PORT|HOST)"', settings))
    assert {"NATS_URL", "PORT", "MAX_BATCH_SIZE"} <= variables
    assert {variable for variable in variables if f"`{variable}`" not in page} == set()


def test_every_queue_setting_is_documented_with_its_default() -> None:
    """The settings of spec/openapi.yaml, against the same page."""
    settings = orjson.loads(openapi_json())["components"]["schemas"]["QueueConfig"]["properties"]
    page = (ROOT / "docs/reference/configuration.md").read_text().partition("## Queue settings")[2]
    rows = dict(re.findall(r"^\| `(\w+)` \| `?(.*?)`? \|", page, re.MULTILINE))
    assert rows
    assert set(rows) == set(settings)
    plain = {name: setting["default"] for name, setting in settings.items() if "default" in setting}
    assert {name: orjson.loads(rows[name]) for name in plain} == plain


def test_every_adr_is_listed() -> None:
    index = (ROOT / "docs/ARCHITECTURE.md").read_text().partition("\n## Decisions\n")[2].partition("\n## ")[0]
    assert [name(path) for path in sorted((ROOT / "docs/adr").glob("*.md")) if path.name not in index] == []


def test_the_version_is_one() -> None:
    cargo = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    for crate in ("engine", "codec", "pybind"):
        manifest = tomllib.loads((ROOT / "rust_core" / crate / "Cargo.toml").read_text())
        assert manifest["package"]["version"] in (cargo, {"workspace": True})
