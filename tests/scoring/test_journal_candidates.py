"""Candidates in a journal, and why one has no answer."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from arcflow.core.errors import DataError
from arcflow.core.grid import make_grid
from arcflow.scoring.journal import Journal, write_journal
from arcflow.scoring.voting import (
    Candidate,
    candidate_from_json,
    candidate_to_dict,
    candidate_to_json,
    read_answers,
    read_candidates,
)
from tests.helpers.journals import (
    RUN,
    journal_path,  # noqa: F401 (a fixture)
)


def answer(task: str, view: str, reason: str = "") -> Candidate:
    grid = None if reason else make_grid([[1, 2]])
    return Candidate(task, 0, grid, -math.inf if reason else -0.5, 3, view, "1 2", reason)


def test_a_candidate_says_why_it_has_no_answer() -> None:
    line = candidate_to_json(answer("a", "v", "the time was up"))
    assert json.loads(line)["reason"] == "the time was up"
    assert candidate_from_json(line).reason == "the time was up"
    assert "reason" not in json.loads(candidate_to_json(answer("a", "v")))
    with pytest.raises(DataError, match=r"candidate: bad reason: got 3\. Expected a string"):
        candidate_from_json(line.replace('"the time was up"', "3"))


def entry(task: str, variant: str, *candidates: Candidate) -> dict[str, Any]:
    found = [candidate_to_dict(c) for c in candidates]
    return {"task": task, "variant": variant, "candidates": found, "loss": None, "steps": 1}


def views(candidates: list[Candidate]) -> list[str]:
    return [c.view for c in candidates]


def test_candidates_are_read_from_journals_and_lines(path: Path, tmp_path: Path) -> None:
    with Journal.open(path, RUN) as journal:
        journal.append([entry("a", "baseline", answer("a", "fa")), entry("b", "baseline")])
        journal.append([entry("a", "ttft", answer("a", "ta"), answer("a", "ta2", "stopped"))])
        journal.append([entry("c", "baseline", answer("c", "fc"))])  # not tuned in time
    with path.open("ab") as file:
        file.write(b'{"crc32":"12')
    assert views(read_candidates(path)) == ["ta", "ta2", "fc"]
    assert views(read_candidates(path, "baseline")) == ["fa", "fc"]
    assert views(read_candidates(path, "ttft")) == ["ta", "ta2"]
    assert {k: views(v) for k, v in read_answers(path).items()} == {
        "a": ["ta", "ta2"],
        "b": [],
        "c": ["fc"],
    }
    assert read_candidates(path)[1].reason == "stopped"
    lines = tmp_path / "lines"
    lines.write_text("".join(candidate_to_json(c) + "\n" for c in read_candidates(path)))
    assert views(read_candidates(lines)) == ["ta", "ta2", "fc"]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"task": "a", "variant": "ttft"}, "line 2: bad candidates: got None. Expected a list of"),
        ({"task": 1, "variant": "ttft", "candidates": []}, "line 2: bad task: got 1. Expected a"),
        (
            {"task": "a", "variant": "ttft", "candidates": [{}]},
            "line 2, candidate 0: missing key 'task_id'",
        ),
        (
            {
                "task": "a",
                "variant": "ttft",
                "candidates": [{**candidate_to_dict(answer("a", "")), "grid": [[77]]}],
            },
            "line 2, candidate 0, grid: bad cell at row 0, column 0: got 77",
        ),
    ],
)
def test_what_is_no_candidate_is_refused(path: Path, bad: dict[str, Any], message: str) -> None:
    write_journal(path, RUN, [bad])
    with pytest.raises(DataError, match=re.escape(message)):
        read_candidates(path)
