"""``arcflow study selection`` on real journals, and what it refuses."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from arcflow.core.grid import make_grid
from arcflow.scoring.journal import write_journal
from arcflow.scoring.voting import Candidate, candidate_to_dict
from arcflow.studies.command import main

RIGHT, WRONG, OTHER = make_grid([[1, 2]]), make_grid([[3]]), make_grid([[4, 4]])


def candidates(task: str, grids: list[Any], values: list[float | None]) -> list[dict[str, Any]]:
    return [
        candidate_to_dict(
            Candidate(task, 0, grid, -1.0, 3, f"v{i}", rescored=value, rescore_views=4)
        )
        for i, (grid, value) in enumerate(zip(grids, values, strict=True))
    ]


def journal(path: Path, tasks: dict[str, list[dict[str, Any]]]) -> str:
    entries = [
        {"task": task, "variant": "ttft", "candidates": found} for task, found in tasks.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_journal(path, {"tasks": len(tasks)}, entries)
    return str(path)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the solutions of four tasks."""
    monkeypatch.chdir(tmp_path)
    Path("solutions.json").write_text(json.dumps({name: [RIGHT.tolist()] for name in "abcd"}))
    return tmp_path


def usual() -> dict[str, list[dict[str, Any]]]:
    """Votes solve a; re-scoring b too; c has a right answer that no rule prefers; d has none."""
    third = make_grid([[5]])
    of_b = [WRONG, WRONG, OTHER, OTHER, RIGHT]
    return {
        "a": candidates("a", [RIGHT, RIGHT, WRONG], [-1.0, -1.0, -2.0]),
        "b": candidates("b", of_b, [-9.0, -9.0, -8.0, -8.0, -2.0]),
        "c": candidates("c", [WRONG, WRONG, OTHER, OTHER, RIGHT], [-1.0, -1.0, -2.0, -2.0, -3.0]),
        "d": candidates("d", [None, third], [None, -1.0]),
    }


def rows(folder: str = "out") -> dict[tuple[str, str], dict[str, str]]:
    with open(f"{folder}/selection.csv") as lines:
        return {(row["journal"], row["rule"]): row for row in csv.DictReader(lines)}


def run(*words: str) -> int:
    return main(["selection", *words, "--tasks", "solutions.json", "--output", "out"])


def test_the_table_the_csv_and_the_picture(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(journal(here / "run" / "validate.journal.jsonl", usual())) == 0
    found = rows()
    assert [rule for _, rule in found] == [
        "votes",
        "votes_sum",
        "votes_token",
        "log_prob",
        "votes_rescored",
        "rescored",
        "oracle",
    ]
    scores = {rule: (float(r["vote_1"]), float(r["vote_2"])) for (_, rule), r in found.items()}
    assert scores["votes_token"] == (0.25, 0.25)
    assert scores["rescored"] == (0.5, 0.5)
    assert scores["oracle"] == (0.75, 0.75)
    rescored = found["run/validate", "rescored"]
    assert float(rescored["share"]) == pytest.approx(2 / 3)
    assert (float(rescored["gain"]), float(rescored["gain_low"])) == (0.25, 0.0)
    assert float(rescored["vote_2_low"]) < 0.5 < float(rescored["vote_2_high"])
    text = Path("out/selection.md").read_text()
    assert text.startswith("4 tasks, 4 test inputs; per cent, with 95 % intervals over the tasks.")
    assert "| run/validate | re-scoring, ties by votes | 50.0 (" in text
    assert Path("out/selection.png").read_bytes().startswith(b"\x89PNG")
    assert "a perfect choice (pass_n)" in capsys.readouterr().out


def test_two_numbers_of_views_of_one_journal(here: Path) -> None:
    path = journal(here / "run.journal.jsonl", usual())
    assert run(path, path, "--first", "0,4", "--labels", "all,four") == 0
    found = rows()
    assert float(found["all", "oracle"]["vote_2"]) == 0.75
    assert float(found["four", "oracle"]["vote_2"]) == 0.25
    assert float(found["four", "oracle"]["gain"]) == 0.0  # from the first journal's default rule
    assert run(path, path) == 0
    assert {label for label, _ in rows()} == {f"{here.name}/run (1)", f"{here.name}/run (2)"}


def test_what_a_journal_lacks_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = usual()
    for found in plain.values():
        for one in found:
            one.pop("rescored", None)
    plain["a"][0]["log_prob"] = None
    path = journal(here / "run.journal.jsonl", plain)
    assert run(path) == 0
    assert [rule for _, rule in rows()] == ["votes", "oracle"]
    said = capsys.readouterr().out
    assert f"{path}: 1 answers have no log-probability, so no rule that needs them" in said
    assert f"{path}: no answer was scored again (pass_n.rescore.views)" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["one", "fewer"], "the journals answer different tasks: got "),
        (["none"], "no tasks: the journals have no answers: got "),
        (["one", "--variant", "baseline"], "no tasks: the journals have no answers"),
        (["unknown"], "solutions.json lacks tasks of the journals: got ['z']"),
        (["one", "--labels", "a,b"], "--labels: not one name for each journal: got 'a,b'"),
        (["one", "one", "--labels", "a,a"], "--labels: not one name for each journal"),
        (["one", "--first", "x"], "--first: not one number for each journal: got 'x'"),
        (["one", "--seed", "-1"], "--seed is too small: got -1"),
        (["missing"], "missing.journal.jsonl"),
    ],
)
def test_mistakes_end_in_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    tasks = usual()
    journal(here / "one.journal.jsonl", tasks)
    journal(here / "fewer.journal.jsonl", {name: tasks[name] for name in "abc"})
    journal(here / "none.journal.jsonl", {})
    journal(here / "unknown.journal.jsonl", {"z": candidates("z", [RIGHT], [-1.0])})
    known = {"one", "fewer", "none", "unknown", "missing"}
    assert run(*(f"{w}.journal.jsonl" if w in known else w for w in words)) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not Path("out").exists()
