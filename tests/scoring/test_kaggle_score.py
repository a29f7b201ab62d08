"""The score of a submission: Kaggle's number and ARC Prize's."""

import pytest
from hypothesis import given, settings

from arcflow.core.errors import DataError
from arcflow.core.grid import make_grid
from arcflow.scoring.kaggle_score import score_submission
from arcflow.scoring.submission import Submission
from tests.scoring.test_submission import ONE, THREE, TWO, submissions

RIGHT, WRONG = (ONE, TWO), (TWO, TWO)


def test_one_of_two_attempts_must_be_exactly_right() -> None:
    submission: Submission = {
        "half": [(ONE, TWO), (ONE, make_grid([[3, 3]]))],
        "second": [(ONE, THREE)],
        "none": [(ONE, TWO)],
    }
    solutions = {"half": [ONE, THREE], "none": [THREE], "second": [THREE]}
    score = score_submission(submission, solutions)
    assert [(t.task_id, t.solved, t.score) for t in score.tasks] == [
        ("half", (True, False), 0.5),
        ("none", (False,), 0.0),
        ("second", (True,), 1.0),
    ]
    assert (score.tasks_solved, score.inputs_solved, score.inputs) == (1, 2, 4)


def test_kaggle_counts_test_inputs_and_arc_prize_averages_tasks() -> None:
    submission: Submission = {"a": [RIGHT, RIGHT], "b": [WRONG], "c": [RIGHT, WRONG]}
    score = score_submission(submission, {"a": [ONE, ONE], "b": [ONE], "c": [ONE, ONE]})
    assert score.kaggle == pytest.approx(0.6)
    assert score.arc_prize == pytest.approx(0.5)


def test_the_numbers_are_equal_if_every_task_has_one_test_input() -> None:
    score = score_submission({"a": [RIGHT], "b": [WRONG]}, {"a": [ONE], "b": [ONE]})
    assert score.kaggle == score.arc_prize == 0.5


def test_it_wants_exactly_the_tasks() -> None:
    with pytest.raises(DataError, match=r"1 missing task: got \['y'\]"):
        score_submission({"x": [(ONE, TWO)]}, {"x": [ONE], "y": [ONE]})
    with pytest.raises(DataError, match=r"a\.json, task x: wrong number of test inputs: got 1"):
        score_submission({"x": [(ONE, TWO)]}, {"x": [ONE, ONE]}, "a.json")


@settings(deadline=None, max_examples=50)
@given(submissions)
def test_any_attempt_repeated_as_the_solution_scores_full(submission: Submission) -> None:
    for which in (0, 1):
        solutions = {t: [both[which] for both in inputs] for t, inputs in submission.items()}
        score = score_submission(submission, solutions)
        assert score.kaggle == score.arc_prize == 1.0
