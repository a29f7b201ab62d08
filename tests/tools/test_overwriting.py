"""No tool replaces a file that it reads, whatever name it is given by."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from arcflow.core.errors import ConfigError
from arcflow.core.task import task_from_json
from arcflow.scoring.submission_writer import SubmissionWriter
from arcflow.tools import vote
from tests.tools.test_tools import TASK_JSON, a, journal, write


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with candidates by three names, and tasks in a file, in a folder, and solved."""
    monkeypatch.chdir(tmp_path)
    hidden = {**TASK_JSON, "test": [{"input": pair["input"]} for pair in TASK_JSON["test"]]}
    write("x.json", TASK_JSON)
    write("a_challenges.json", {"x": hidden, "y": hidden})
    write("solutions.json", {"x": [[[4, 3]], [[6, 5]]], "y": [[[4, 3]], [[6, 5]]]})
    journal("c.jsonl", a("x", 0, 4))
    Path("link.jsonl").symlink_to("c.jsonl")
    Path("hard.jsonl").hardlink_to("c.jsonl")
    Path("folder").mkdir()
    for name in ("x", "y"):
        Path(f"folder/{name}.json").write_text(Path("x.json").read_text())
    return tmp_path


POOL = "pool build c.jsonl --source JsonLines --source.path link.jsonl --overwrite"


@pytest.mark.parametrize(
    "words",
    [
        ["vote", "c.jsonl", "-o", "c.jsonl"],
        ["vote", "c.jsonl", "-o", "./folder/../c.jsonl"],
        ["vote", "c.jsonl", "-o", "link.jsonl"],
        ["vote", "link.jsonl", "-o", "c.jsonl"],
        ["vote", "link.jsonl", "-o", "hard.jsonl"],
        ["vote", "c.jsonl", "-o", "a_challenges.json", "--tasks", "a_challenges.json"],
        ["vote", "c.jsonl", "-o", "folder/y.json", "--tasks", "folder"],
        ["curve", "c.jsonl", "--tasks", "solutions.json", "-o", "c.jsonl"],
        ["curve", "c.jsonl", "--tasks", "solutions.json", "--plot", "solutions.json"],
        ["curve", "c.jsonl", "--tasks", "folder", "-o", "folder/x.json"],
        ["curve", "c.jsonl", "--tasks", "solutions.json", "-o", "c.csv", "--plot", "c.csv"],
        POOL.split(),
    ],
    ids=" ".join,
)
def test_an_output_never_replaces_an_input(inputs: Path, capsys: Any, words: list[str]) -> None:
    before = {path: path.read_bytes() for path in inputs.rglob("*.json*")}
    assert import_module(f"arcflow.tools.{words[0]}").main(words[1:]) == 2
    message = capsys.readouterr().err
    assert "the output would replace an input" in message or "the same file as --output" in message
    assert {path: path.read_bytes() for path in inputs.rglob("*.json*")} == before
    assert Path("link.jsonl").is_symlink()


def test_an_output_beside_the_inputs_is_fine(inputs: Path, capsys: Any) -> None:
    for _ in range(2):  # the second time it replaces its own output
        assert vote.main(["c.jsonl", "-o", "folder/out.json", "--tasks", "a_challenges.json"]) == 0


def test_a_run_does_not_replace_its_tasks_by_its_submission(inputs: Path) -> None:
    for source, target in (("x.json", "x.json"), ("folder", "folder/y.json")):
        before = Path(target).read_bytes()
        task = task_from_json("x", TASK_JSON, source)
        with pytest.raises(
            ConfigError, match=r"pass_n\.submission: the output would replace an inp"
        ):
            SubmissionWriter(target).begin([task], ".", {})
        assert Path(target).read_bytes() == before
    published = task_from_json("x", TASK_JSON, "arc-agi-1/evaluation")
    assert SubmissionWriter("s.json").begin([published], ".", {}) == Path("s.json")
