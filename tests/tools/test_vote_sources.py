"""``arcflow vote`` over journals and submissions of any systems."""

import json
from pathlib import Path
from typing import Any

import pytest

from arcflow.core.grid import make_grid
from arcflow.scoring.journal import write_journal
from arcflow.scoring.submission import PLACEHOLDER, read_submission, write_submission
from arcflow.scoring.voting import Candidate, candidate_to_dict, candidate_to_json
from arcflow.tools import vote

A, B, C, D = (make_grid([[color]]) for color in range(1, 5))


def said(grid: Any, source: str = "", confidence: float | None = None, fits: bool = False) -> dict:  # type: ignore[type-arg]
    return candidate_to_dict(
        Candidate("x", 0, grid, -1.0, 1, source=source, confidence=confidence, fits=fits)
    )


def entry(variant: str, *candidates: dict) -> dict:  # type: ignore[type-arg]
    return {"task": "x", "variant": variant, "candidates": list(candidates)}


def attempts(path: str, index: int = 0) -> list[int]:
    return [int(grid[0, 0]) for grid in read_submission(path)["x"][index]]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_journal_with_solvers_is_merged(capsys: Any) -> None:
    model = [said(C), said(C), said(D)]
    entries = [
        entry("baseline", said(D)),
        entry("ttft", *model),
        entry("trees", said(A, "trees", 0.9, True)),
    ]
    write_journal("v.journal.jsonl", {}, entries)
    assert vote.main(["v.journal.jsonl", "-o", "s.json"]) == 0
    assert "1 answered, from 4 candidates" in capsys.readouterr().out
    assert attempts("s.json") == [1, 3]


def test_journals_of_solvers_and_models_are_merged() -> None:
    write_journal(
        "solve.journal.jsonl",
        {},
        [entry("search", said(B, "search", 0.1)), entry("trees", said(A, "trees", 0.3))],
    )
    write_journal("model.journal.jsonl", {}, [entry("baseline", said(C), said(D), said(C))])
    assert vote.main(["solve.journal.jsonl", "model.journal.jsonl", "-o", "s.json"]) == 0
    assert attempts("s.json") == [3, 1]  # no rule fits: the model's vote, then the surest


def test_submissions_are_merged(capsys: Any) -> None:
    write_submission("1.json", {"x": [(A, B), (PLACEHOLDER, PLACEHOLDER)]})
    write_submission("2.json", {"x": [(B, C), (D, PLACEHOLDER)]})
    write_submission("3.json", {"x": [(C, B), (PLACEHOLDER, PLACEHOLDER)]})
    assert vote.main(["1.json", "2.json", "3.json", "-o", "s.json"]) == 0
    assert "1 tasks, 2 test inputs, 2 answered" in capsys.readouterr().out
    assert attempts("s.json") == [2, 3]
    assert attempts("s.json", 1) == [4, 0]


def test_one_submission_comes_back_as_it_was() -> None:
    before = {"x": [(A, B), (C, PLACEHOLDER)], "y": [(PLACEHOLDER, PLACEHOLDER)]}
    write_submission("1.json", before)
    assert vote.main(["1.json", "-o", "s.json"]) == 0
    assert Path("s.json").read_bytes() == Path("1.json").read_bytes()


def test_a_submission_and_a_model_count_alike() -> None:
    write_submission("1.json", {"x": [(A, B)]})
    lines = [candidate_to_json(Candidate("x", 0, grid, -1.0, 1)) for grid in (C, C, C, D)]
    Path("c.jsonl").write_text("\n".join(lines) + "\n")
    assert vote.main(["1.json", "c.jsonl", "-o", "s.json"]) == 0
    assert attempts("s.json") == [1, 3]


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ({"x": []}, "b.json, task x: not a list of answers"),
        ({"x": [{"attempt_1": [[1]]}]}, "b.json, task x, test input 0: not two attempts"),
        ({}, "b.json, line 1: missing key"),
    ],
)
def test_bad_submissions_are_named(capsys: Any, obj: object, message: str) -> None:
    Path("b.json").write_text(json.dumps(obj) + "\n")
    assert vote.main(["b.json", "-o", "s.json"]) == 2
    assert message in capsys.readouterr().err
