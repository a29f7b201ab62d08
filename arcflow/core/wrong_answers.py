"""Plausible wrong answers, made from a test pair's right one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from arcflow.core.errors import DataError
from arcflow.core.grid import MAX_SIDE, N_COLORS, Grid, freeze
from arcflow.core.task import Task

MOST_CELLS = 5
"""The largest number of single cells that are changed."""

WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "cells": 10.0,
        "unfinished": 6.0,
        "colors": 2.0,
        "shift": 2.0,
        "turn": 2.0,
        "line": 2.0,
        "other output": 1.0,
        "input": 1.0,
    }
)
"""How often each error is tried first; the first two, near misses, are more than half.

``cells`` changes one to five cells; ``unfinished`` leaves a part as it is in the input;
``colors`` exchanges two colours; ``shift`` moves everything by one cell; ``turn`` mirrors or
rotates; ``line`` has a row or column more or less; ``other output`` is the output of a train pair;
``input`` is the test input.
"""


@dataclass(frozen=True, slots=True, eq=False)
class WrongAnswer:
    """A wrong answer.

    Attributes:
        grid: The grid, shape (H, W), which differs from the right answer.
        error: What is wrong with it, one of the names in :data:`WEIGHTS`.
    """

    grid: Grid
    error: str


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """What errors are made from: the right answer and the task around it."""

    right: Grid
    input: Grid
    outputs: tuple[Grid, ...]


def wrong_answer(task: Task, test_index: int, rng: np.random.Generator) -> WrongAnswer:
    """Return a wrong answer to a test input.

    Errors are tried in an order that is drawn by their weights, and the first that changes the
    right answer is made. Errors that seldom apply are therefore rarer than their weight says.

    Args:
        task: The task, with the output of that test pair.
        test_index: The index of the test pair.
        rng: The only source of randomness.

    Returns:
        The answer and its error. The grid is never equal to the right one.

    Raises:
        DataError: The output of the test pair is not known.
    """
    asked = task.test[test_index]
    if asked.output is None:
        raise DataError(
            f"task {task.id}, test pair {test_index}: a wrong answer needs the right one",
            value=None,
            expected="a test pair with its output",
            next_step="Make wrong answers for training tasks alone.",
        )
    outputs = tuple(pair.output for pair in task.train if pair.output is not None)
    case = _Case(asked.output, asked.input, outputs)
    shares = np.array(list(WEIGHTS.values())) / sum(WEIGHTS.values())
    for number in rng.choice(len(shares), len(shares), replace=False, p=shares).tolist():
        error = list(WEIGHTS)[number]
        grid = _ERRORS[error](case, rng)
        if grid is not None and not np.array_equal(grid, case.right):
            return WrongAnswer(freeze(np.array(grid, dtype=np.int8)), error)
    raise AssertionError("changed cells always make another grid")


def _cells(case: _Case, rng: np.random.Generator) -> Grid:
    """Change one cell in half the cases, otherwise a few, to colours of the task where it can."""
    grid = case.right.copy()
    n = 1 if rng.random() < 0.5 else int(rng.integers(2, MOST_CELLS + 1))
    palette = np.union1d(case.right, case.input)
    for place in rng.choice(grid.size, min(n, grid.size), replace=False).tolist():
        others = palette[palette != grid.flat[place]]
        if not len(others):
            others = np.delete(np.arange(N_COLORS), grid.flat[place])
        grid.flat[place] = rng.choice(others)
    return grid


def _unfinished(case: _Case, rng: np.random.Generator) -> Grid | None:
    """Take rows or columns, or each changed cell by chance, back to what they are in the input."""
    if case.input.shape != case.right.shape:
        return None
    changed = np.argwhere(case.input != case.right)  # (cells, 2)
    if len(changed) < 2:
        return None
    way = int(rng.integers(3))
    if way == 2:
        back = changed[rng.random(len(changed)) < 0.5]
    else:
        edge = rng.choice(changed[:, way])
        line = changed[:, way]
        back = changed[line <= edge if rng.random() < 0.5 else line >= edge]
    if len(back) in (0, len(changed)):
        return None
    grid = case.right.copy()
    grid[tuple(back.T)] = case.input[tuple(back.T)]
    return grid


def _colors(case: _Case, rng: np.random.Generator) -> Grid | None:
    """Exchange a colour of the answer with another of the task."""
    first = int(rng.choice(np.unique(case.right)))
    others = np.setdiff1d(np.union1d(case.right, case.input), [first])
    if not len(others):
        return None
    second = int(rng.choice(others))
    table = np.arange(N_COLORS, dtype=np.int8)
    table[[first, second]] = second, first
    exchanged: Grid = table[case.right]
    return exchanged


def _shift(case: _Case, rng: np.random.Generator) -> Grid:
    """Move everything by one cell; what leaves comes in at the other side, or is left empty."""
    axis, step = int(rng.integers(2)), 1 if rng.random() < 0.5 else -1
    grid: Grid = np.roll(case.right, step, axis)
    if rng.random() < 0.5:
        edge: list[int | slice] = [slice(None), slice(None)]
        edge[axis] = 0 if step == 1 else -1
        grid[tuple(edge)] = np.bincount(case.right.ravel()).argmax()  # the commonest colour
    return grid


def _turn(case: _Case, rng: np.random.Generator) -> Grid | None:
    """Mirror or rotate the answer."""
    right = case.right
    turned = [np.rot90(side, k) for side in (right, right[:, ::-1]) for k in range(4)]
    others = [grid for grid in turned if not np.array_equal(grid, right)]
    return others[int(rng.integers(len(others)))] if others else None


def _line(case: _Case, rng: np.random.Generator) -> Grid | None:
    """Leave out a row or column, or write one twice."""
    axis = int(rng.integers(2))
    side = case.right.shape[axis]
    place = int(rng.integers(side))
    more = side == 1 or (side < MAX_SIDE and rng.random() < 0.5)
    grid: Grid = (
        np.insert(case.right, place, case.right.take(place, axis), axis)
        if more
        else np.delete(case.right, place, axis)
    )
    return grid


def _other_output(case: _Case, rng: np.random.Generator) -> Grid | None:
    """Give the output of a train pair."""
    others = [grid for grid in case.outputs if not np.array_equal(grid, case.right)]
    return others[int(rng.integers(len(others)))] if others else None


def _input(case: _Case, rng: np.random.Generator) -> Grid:
    """Give the test input back."""
    return case.input


_ERRORS: Mapping[str, Callable[[_Case, np.random.Generator], Grid | None]] = MappingProxyType(
    {
        "cells": _cells,
        "unfinished": _unfinished,
        "colors": _colors,
        "shift": _shift,
        "turn": _turn,
        "line": _line,
        "other output": _other_output,
        "input": _input,
    }
)
