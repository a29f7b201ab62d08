"""The option index is what the real parsers say, and the help page prints it."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from arcflow.cli import option_index
from arcflow.cli.help_page import help_page
from arcflow.cli.main import RUNS, main
from tests.helpers.tiny import LIGHTNING_WARNINGS

pytestmark = [pytest.mark.filterwarnings(warning) for warning in LIGHTNING_WARNINGS]


def words(text: str) -> str:
    return " ".join(text.split())


REAL = """
import json, os
os.environ["COLUMNS"] = "10000"  # so wide that no word is broken at the end of a line
# First: the order of imports is the order in which the help names subclasses.
from arcflow.cli.index_builder import _parsers, build
from arcflow.cli.generate import GenerateCLI
from arcflow.cli.lightning import ArcflowCLI
pages = {name: parser.format_help() for name, parser in _parsers(ArcflowCLI).items()}
pages["generate"] = _parsers(GenerateCLI)["predict"].format_help()
print(json.dumps({"index": build(), "pages": pages}))
"""


@pytest.fixture(scope="module")
def real() -> dict[str, Any]:
    """What the real parsers say, in a process without the tests' own classes."""
    done = subprocess.run([sys.executable, "-c", REAL], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_index_equals_the_real_parsers(real: dict[str, Any]) -> None:
    assert real["index"] == option_index.read_index(), "run python -m arcflow.cli.option_index"
    assert option_index.FILE.read_text("utf-8") == option_index.write_text(real["index"])


@pytest.mark.parametrize("command", RUNS)
def test_the_help_page_has_every_option_and_text(command: str, real: dict[str, Any]) -> None:
    told = words(real["pages"][command])
    page = help_page(command, width=10000)
    index = option_index.read_index()
    for key in index["commands"][command]["sections"]:
        for invocation, text in index["sections"][key]["options"]:
            assert f"{invocation} {text}".strip() in told
            assert f"{invocation} {text}".strip() in words(page)

    def options(text: str) -> set[str]:
        return set(re.findall(r"(?<![\w`-])--\w[\w.+-]*\w", text))

    page = page.partition("Options of classes:")[0]
    # The usage line of the real parser has lists' second form, for adding to them, as well; what
    # asks for a dry run is taken away before that parser reads the words.
    own = {"--group.option", "--dry-run"}
    assert {one.rstrip("+") for one in options(told)} == options(words(page)) - own


def test_the_help_page_is_sectioned_and_says_how_to_ask_for_classes() -> None:
    page = help_page("fit", width=80)
    assert max(map(len, page.partition("Options of classes")[0].splitlines())) <= 100
    for title in ("The model:", "The tasks:", "Linked arguments:", "Options of classes:"):
        assert f"\n{title}\n" in page
    assert "--data.help CLASS" in page
    assert "--model.lora.help" in page


def light(argv: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that must not import what is slow to import."""
    code = (
        "import sys\n"
        "from arcflow.cli.main import main\n"
        f"try:\n    main({argv!r})\nfinally:\n"
        "    heavy = {'torch', 'lightning', 'transformers', 'peft', 'jsonargparse'}\n"
        "    print('heavy:', sorted(heavy & set(sys.modules)))\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", [["fit"], ["predict"], ["generate"], ["generate", "inputs"]])
def test_help_imports_nothing_heavy(command: list[str], tmp_path: Path) -> None:
    files = ["-c", "none.yaml"] if command != ["generate"] else []
    done = light([*command, *files, "--help"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: arcflow ")
    assert done.stdout.endswith("heavy: []\n")


@pytest.mark.parametrize(
    "wrong",
    [
        ["--trainer.max_stepz=3"],
        ["-c", "nowhere.yaml"],
        ["-c", "wrong.yaml"],
        ["--trainer.default_root_dir=wrong.yaml/below"],
        ["--test_time.steps", "many"],
    ],
)
def test_a_refusal_imports_nothing_heavy(wrong: list[str], tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("trainer: {max_stepz: 1}")
    done = light(["fit", *wrong], tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("arcflow: ")
    assert done.stdout == "heavy: []\n"


def test_another_version_of_lightning_is_asked_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    index: dict[str, Any] = dict(option_index.read_index())
    monkeypatch.setattr(
        option_index, "read_index", lambda: index | {"versions": {"lightning": "0.1"}}
    )
    assert not option_index.is_current()
    with pytest.raises(SystemExit) as stop:
        main(["fit", "--help"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("usage: arcflow [options] fit")
