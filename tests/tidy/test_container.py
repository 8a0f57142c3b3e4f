"""The image and the compose file: what can be known without a container engine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import yaml

from tests.tidy.sources import ROOT, files, name

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_the_dockerfile_passes_its_linter() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    checked = subprocess.run([linter, "Dockerfile"], cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_dockerfile_copies_what_there_is() -> None:
    copied = [words.split()[:-1] for words in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)]
    missing = [source for sources in copied for source in sources if not (ROOT / source).exists()]
    assert not missing


def test_the_image_holds_every_source_of_the_wheel() -> None:
    """Folders with files that the build reads, against the ones that are copied."""
    manifests = {Path(name(path)).parent.as_posix() for path in files(".toml") if path.name == "Cargo.toml"} - {"."}
    uncovered = [folder for folder in manifests if not re.search(rf"^COPY {folder.split('/')[0]}\b", DOCKERFILE, re.M)]
    assert not uncovered


def test_the_compose_file_builds_this_image_and_knows_the_settings() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert {name for name, service in services.items() if service.get("build") == "."} == {
        "queues",
        "queues-on-cluster",
    }
    page = (ROOT / "docs/reference/configuration.md").read_text()
    variables = {variable for service in services.values() for variable in service.get("environment", {})}
    assert {variable for variable in variables if f"`{variable}`" not in page} == set()
