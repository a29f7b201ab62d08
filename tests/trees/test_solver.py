"""TreesSolver: named training tasks, determinism, hidden answers, and tasks of odd shapes."""

from dataclasses import replace

import numpy as np
import pytest

from arcflow.core.errors import ConfigError
from arcflow.core.grid import make_grid
from arcflow.core.solver import Answer, Solver
from arcflow.core.task import Pair, Task
from arcflow.sources.arc import find_task
from arcflow.trees.solver import TreesSolver


def training(task_id: str) -> Task:
    task = find_task(task_id)
    assert task is not None
    assert task.source == "arc-agi-1/training"
    return task


def plain(answers: list[list[Answer]]) -> list[list[tuple[object, ...]]]:
    return [[(a.grid.tolist(), a.confidence, a.rule) for a in found] for found in answers]


@pytest.mark.parametrize("task_id", ["007bbfb7", "67a423a3", "a5f85a15", "25d8a9c8"])
def test_training_tasks_are_solved(task_id: str) -> None:
    task = training(task_id)
    solver: Solver = TreesSolver()
    for pair, answers in zip(task.test, solver.solve(task.without_answers(), 60), strict=True):
        assert np.array_equal(answers[0].grid, pair.output)
        assert answers[0].solver == "trees"
        assert 0.0 < answers[0].confidence < 1.0


def test_answers_are_a_function_of_task_and_seed() -> None:
    task = training("67a423a3").without_answers()
    first = plain(TreesSolver().solve(task, 60))
    assert plain(TreesSolver().solve(task, 60)) == first
    assert plain(TreesSolver(seed=1).solve(task, 60)) != first


def test_test_outputs_are_not_read() -> None:
    task = training("25d8a9c8")
    other = replace(task, test=tuple(Pair(p.input, make_grid([[7]])) for p in task.test))
    assert plain(TreesSolver().solve(task, 60)) == plain(TreesSolver().solve(other, 60))


def test_answers_to_an_input_are_distinct_and_ranked() -> None:
    (answers,) = TreesSolver().solve(training("0ca9ddb6").without_answers(), 60)
    assert len({answer.grid.tobytes() for answer in answers}) == len(answers)
    confidences = [answer.confidence for answer in answers]
    assert confidences == sorted(confidences, reverse=True)


def test_no_seconds_still_give_an_answer() -> None:
    (answers,) = TreesSolver().solve(training("67a423a3").without_answers(), 0)
    assert len(answers) == 1


def _grid(height: int, width: int, seed: int) -> np.ndarray:
    return make_grid(np.random.default_rng(seed).integers(0, 10, (height, width)))


@pytest.mark.parametrize(
    "task",
    [
        Task("one", (Pair(_grid(3, 3, 0), _grid(3, 3, 1)),), (Pair(_grid(3, 3, 2), None),)),
        Task(
            "cells",
            (Pair(_grid(1, 1, 0), _grid(1, 1, 1)), Pair(_grid(1, 1, 2), _grid(1, 1, 3))),
            (Pair(_grid(1, 1, 4), None), Pair(_grid(30, 1, 4), None)),
        ),
        Task(
            "sizes",
            (Pair(_grid(3, 5, 0), _grid(2, 7, 1)), Pair(_grid(9, 4, 2), _grid(5, 3, 3))),
            (Pair(_grid(6, 6, 4), None),),
        ),
        Task(
            "blank",
            (Pair(make_grid([[0] * 5] * 4), make_grid([[0] * 5] * 4)),) * 2,
            (Pair(make_grid([[0] * 30] * 30), None),),
        ),
    ],
    ids=lambda task: task.id,
)
def test_odd_tasks_get_answers_or_none(task: Task) -> None:
    found = TreesSolver(trees=5).solve(task, 5)
    assert len(found) == len(task.test)
    for answers in found:
        for answer in answers:
            make_grid(answer.grid.tolist())


@pytest.mark.slow
def test_the_largest_grids_are_answered() -> None:
    pairs = tuple(Pair(_grid(30, 30, i), _grid(30, 30, i + 50)) for i in range(3))
    (answers,) = TreesSolver().solve(Task("large", pairs, (Pair(_grid(30, 30, 9), None),)), 1)
    assert answers[0].grid.shape == (30, 30)


@pytest.mark.parametrize("options", [{"seed": -1}, {"trees": 0}])
def test_bad_options_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="TreesSolver: bad option: got"):
        TreesSolver(**options)
