"""docs/kaggle.md is true as far as it can be told without a GPU: its commands parse."""

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from string import Template

import pytest
import yaml

from arcflow.evaluation.time_budget import read_deadline
from tests.cli.test_main import call
from tests.helpers.paths import ROOT

GUIDE = (ROOT / "docs" / "kaggle.md").read_text()
UNTIL = "2100-01-01T12:00"
TOOLS = ("curve", "score", "vote")


def commands() -> Iterator[list[str]]:
    """Every ``arcflow`` command, the shell's variables in place; the dataset is ``bundle``."""
    variables: dict[str, str] = {}
    for block in re.findall(r"```bash\n(.*?)```", GUIDE, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            text = line.strip().replace("$(cat until)", UNTIL)
            assigned = re.fullmatch(r"([A-Z]+)=(.*)", text)
            if assigned:
                [value] = shlex.split(assigned[2])
                variables[assigned[1]] = Template(value).substitute(variables)
                variables["D"] = "bundle"
            found = re.fullmatch(r"(?:unshare -rn )?arcflow (.*?)(?: && break)?", text)
            if found:
                yield shlex.split(Template(found[1]).substitute(variables))


COMMANDS = list(commands())


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands are typed: the repository's configs and a bundle that holds them."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_guide_has_these_commands() -> None:
    assert [words[0] for words in COMMANDS] == [
        *("fit", "predict", "score"),
        *["predict"] * 5,
        *["predict", "predict", "vote", "score", "curve"],
    ]
    # None is missed: every line that runs arcflow is one of them.
    typed = re.findall(r"^(?:\s*|unshare -rn )arcflow (\w+)", GUIDE, re.MULTILINE)
    assert typed == [words[0] for words in COMMANDS]


@pytest.mark.parametrize(
    "words", [words for words in COMMANDS if words[0] not in TOOLS], ids=" ".join
)
def test_runs_parse(words: list[str], bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call([*words, "--print_config"]) == 0
    config = yaml.safe_load(capsys.readouterr().out)
    # A folder: nothing is looked up on a hub.
    backbone = config["model"]["init_args"]["backbone"]
    assert backbone["model"].startswith("bundle/base")
    if words[0] == "fit":
        assert config["checkpoint"]["export"] == "trained"
        return
    assert config["model"]["init_args"]["adapter"].startswith("bundle/adapter")
    assert config["test_time"]["steps"] > 0
    assert not config["pass_n"]["compare"]
    assert read_deadline(config["pass_n"]["deadline"], started=0.0)
    assert config["pass_n"]["submission"].endswith("submission.json")
    small = "bundle/configs/devices/t4.yaml" in words
    assert (config["trainer"]["precision"] == "16-mixed") == small
    assert (backbone["dtype"] == config["pass_n"]["vllm"]["dtype"] == "float16") == small


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] in TOOLS], ids=" ".join)
def test_tools_parse(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []
    monkeypatch.setattr(
        importlib.import_module(f"arcflow.tools.{words[0]}"), "_work", parsed.append
    )
    assert call(words) == 0
    assert len(parsed) == 1
