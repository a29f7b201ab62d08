"""Runs of solvers: jobs, deadline, journal and submission, and processes that fail."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcflow.core.errors import CheckpointError, ConfigError
from arcflow.core.grid import make_grid
from arcflow.core.solver import Answer
from arcflow.core.task import Task
from arcflow.scoring.journal import read_journal
from arcflow.scoring.submission import PLACEHOLDER, input_counts, read_submission
from arcflow.scoring.voting import read_answers
from arcflow.solving.pool import SolverPool
from arcflow.solving.run import SolveRun, is_solved
from arcflow.solving.solvers import answer_task, candidate_of, check_solvers, run_record
from tests.solving.conftest import small_task

TASKS = [small_task(number) for number in range(3)]


def finish(run: SolveRun, **options: Any) -> list[str]:
    try:
        return [task.id for task in run.solve(**options)]
    finally:
        run.close()


def test_a_run_answers_and_keeps_everything(tmp_path: Path) -> None:
    output = tmp_path / "out" / "s.json"
    run = SolveRun(TASKS, ("trees",), 30, output)
    assert read_submission(output, input_counts(TASKS))["small0"][0][0].tolist() == (
        PLACEHOLDER.tolist()
    )
    assert sorted(finish(run, jobs=2)) == [task.id for task in TASKS]
    assert run.left == []
    assert all(is_solved(task, run.candidates(task)) for task in TASKS)
    submission = read_submission(output, input_counts(TASKS))
    for task in TASKS:
        assert np.array_equal(submission[task.id][0][0], task.test[0].output)
    header, entries = read_journal(tmp_path / "out" / "s.journal.jsonl")
    assert header["run"] == run_record(TASKS, ("trees",), 30)
    # In the order of the tasks, whoever was finished first.
    assert [(e["task"], e["variant"]) for e in entries] == [(t.id, "trees") for t in TASKS]
    (first, *_) = read_answers(tmp_path / "out" / "s.journal.jsonl")["small0"]
    assert (first.source, first.fits) == ("trees", True)
    assert first.confidence is not None


def test_a_finished_run_is_not_done_again(tmp_path: Path) -> None:
    output = tmp_path / "s.json"
    finish(SolveRun(TASKS[:1], ("trees",), 30, output))
    kept = output.read_bytes(), output.with_suffix(".journal.jsonl").read_bytes()
    assert finish(SolveRun(TASKS[:1], ("trees",), 30, output)) == []
    assert (output.read_bytes(), output.with_suffix(".journal.jsonl").read_bytes()) == kept
    assert finish(SolveRun(TASKS[:1], ("trees",), 30, output, overwrite=True)) == ["small0"]


def test_another_runs_journal_is_refused_with_advice(tmp_path: Path) -> None:
    output = tmp_path / "s.json"
    finish(SolveRun(TASKS[:1], ("trees",), 0, output))
    kept = output.read_bytes()
    with pytest.raises(CheckpointError, match=r"tasks differs.*Name another --output, or start"):
        SolveRun(TASKS[1:], ("trees",), 0, output)
    with pytest.raises(CheckpointError, match="seconds differs"):
        SolveRun(TASKS[:1], ("trees",), 5, output)
    assert output.read_bytes() == kept
    held = SolveRun(TASKS[:1], ("trees",), 0, output)
    with pytest.raises(ConfigError, match="Wait until that run has ended"):
        SolveRun(TASKS[:1], ("trees",), 0, output)
    held.close()


def test_a_deadline_leaves_tasks_and_a_valid_submission(tmp_path: Path) -> None:
    output = tmp_path / "s.json"
    run = SolveRun(TASKS, ("trees",), 30, output)
    assert finish(run, deadline=time.time() + 2.1) == []
    assert len(run.left) == 3
    read_submission(output, input_counts(TASKS))


def test_solved_is_not_known_of_hidden_outputs() -> None:
    assert is_solved(small_task(0, hidden=True), []) is None
    assert is_solved(small_task(0), []) is False


def test_a_process_that_dies_costs_its_task_alone(caplog: pytest.LogCaptureFixture) -> None:
    with SolverPool(("trees",), 1) as pool:
        answers = pool.answer(TASKS, lambda left: 30.0)
        first = next(found for found in answers if found)
        assert first[1]["trees"]
        (worker,) = pool._workers
        os.kill(worker.process.pid or 0, signal.SIGKILL)
        others = [found for found in answers if found]
    assert sorted([first[0], *(number for number, _ in others)]) == [0, 1, 2]
    assert sum(not answers for _, answers in others) == 1
    assert "its process ended (exit code -9); it gets no answer." in caplog.text


class _Slow:
    """A solver that says what time it got."""

    def __init__(self, name: str, uses: float) -> None:
        self.name, self.uses, self.got = name, uses, -1.0

    def solve(self, task: Task, seconds: float) -> list[list[Answer]]:
        assert all(pair.output is None for pair in task.test)
        self.got = seconds
        time.sleep(self.uses)
        return [[Answer(make_grid([[1]]), 0.0, self.name, 1)] for _ in task.test]


def test_the_first_solver_gets_what_the_others_spare() -> None:
    search, trees = _Slow("search", 0.0), _Slow("trees", 0.1)
    found = answer_task([search, trees], TASKS[0], 1.0)
    assert list(found) == ["search", "trees"]
    assert trees.got == pytest.approx(0.5, abs=0.02)
    assert 0.7 < search.got < 0.95
    answer_task([search, trees], TASKS[0], 0.0)
    assert search.got == trees.got == 0.0


def test_an_answer_becomes_a_candidate() -> None:
    answer = Answer(make_grid([[3]]), 0.25, "search", 4, "def task(grid): ...", "flip")
    candidate = candidate_of(TASKS[0], 0, answer)
    assert (candidate.source, candidate.confidence, candidate.fits) == ("search", 0.25, True)
    assert (candidate.view, candidate.text) == ("flip", "def task(grid): ...")
    assert candidate.score == pytest.approx(np.log(0.25))
    assert candidate_of(TASKS[0], 0, Answer(make_grid([[3]]), 0.0, "search", 3)).fits is False


@pytest.mark.parametrize("names", [[], ["tree"], ["trees", "trees"], [""]])
def test_solvers_are_named(names: list[str]) -> None:
    with pytest.raises(ConfigError, match="--solvers: not the names of solvers"):
        check_solvers(names, "--solvers")
    assert check_solvers(["trees", "search"], "--solvers") == ("search", "trees")
