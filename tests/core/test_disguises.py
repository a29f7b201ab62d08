"""The guard against every disguise in the table of docs/data.md, those that it misses included."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from arcflow.core.contamination import find_contamination
from arcflow.core.grid import Grid, freeze, make_grid
from arcflow.core.likeness import MIN_OUTPUT_DETAIL, is_telling
from arcflow.core.task import Pair, Task
from arcflow.sources.arc import load_split
from tests.core.test_contamination import view, view_task
from tests.helpers.paths import ROOT

COLORS = [3, 0, 9, 1, 2, 8, 4, 6, 5, 7]
FILLER = tuple(Pair(make_grid([[i, 5]]), make_grid([[5], [i]])) for i in (1, 2))


def known(grid: Grid | None) -> Grid:
    assert grid is not None
    return grid


def strange(task: Task) -> bool:
    """Whether a task has what the table's rows are about: rich grids that differ."""
    test = task.test[0]
    grids = [test.input, known(test.output)]
    return (
        all(is_telling(grid, MIN_OUTPUT_DETAIL) and max(grid.shape) <= 14 for grid in grids)
        and all(
            known(p.output).shape == p.input.shape
            and set(known(p.output).flat) == set(p.input.flat)
            for p in (*task.train, *task.test)
        )
        and test.input.shape[0] != test.input.shape[1]
    )


EVALUATED = [task for task in load_split("arc-agi-1/evaluation") if strange(task)][:8]


def of(*pairs: Pair) -> Task:
    return Task("mine", (*FILLER, *pairs[:-1]), pairs[-1:])


def each(task: Task, change: Callable[[Grid], Grid], output: bool = True) -> Task:
    return of(
        *(
            Pair(change(p.input), change(known(p.output)) if output else p.output)
            for p in (*task.train, *task.test)
        )
    )


def one_cell(grid: Grid) -> Grid:
    cells = grid.copy()
    cells[0, 0] = (cells[0, 0] + 1) % 10
    return freeze(cells)


def views_of_its_pairs(task: Task) -> Task:
    pairs = [
        Pair(
            view(p.input, (i % 2 == 0, i % 4), colors),
            view(known(p.output), (i % 2 == 0, i % 4), colors),
        )
        for i, p in enumerate((*task.train, *task.test))
        for colors in (np.roll(COLORS, i).tolist(),)
    ]
    return of(*pairs)


def merged(grid: Grid) -> Grid:
    """The grid with its two commonest colours made one."""
    first, second = np.argsort(-np.bincount(grid.ravel(), minlength=10))[:2]
    return freeze(np.where(grid == second, first, grid).astype(np.int8))


DOT = make_grid([[0, 0, 0], [0, 5, 0], [0, 0, 0]])


def frames(task: Task) -> tuple[Task, Task]:
    """An evaluated task whose answer is nested frames, and one of ours with that answer."""
    nested = make_grid([[min(r, c, 9 - r, 9 - c) for c in range(10)] for r in range(10)])
    hidden = replace(task, test=(Pair(task.test[0].input, nested),))
    return of(Pair(nested, make_grid([[1]]))), hidden


Row = Callable[[Task], Task | tuple[Task, Task]]

CAUGHT: dict[str, Row] = {
    "another id": lambda task: replace(task, id="mine"),
    "an id that says so: `ID/3`, `ID_v2`, `re-arc-ID-17`, with new grids": lambda task: replace(
        of(*FILLER), id=f"re-arc-{task.id}-17"
    ),
    "its pairs in another order, its test pair among the train pairs": lambda task: of(
        *task.test, *task.train[::-1]
    ),
    "one of its pairs among those of another task": lambda task: of(task.train[1], FILLER[0]),
    "all grids turned or flipped, colours exchanged": lambda task: view_task(
        task, (True, 1), COLORS, "mine"
    ),
    "each pair turned and recoloured in its own way": views_of_its_pairs,
    "input and output exchanged": lambda task: of(
        *(Pair(known(p.output), p.input) for p in (*task.train, *task.test))
    ),
    "its test input, with another output": lambda task: of(
        Pair(task.test[0].input, make_grid([[1]])), FILLER[0]
    ),
    "its test input as an output": lambda task: of(
        Pair(make_grid([[1]]), view(task.test[0].input, (True, 3), COLORS)), FILLER[0]
    ),
    "its answer as an input": lambda task: of(
        Pair(view(known(task.test[0].output), (False, 1), COLORS), make_grid([[1]])), FILLER[0]
    ),
    "its answer as the output of another input": lambda task: of(
        Pair(one_cell(task.test[0].input), task.test[0].output), FILLER[0]
    ),
}
MISSED: dict[str, Row] = {
    "the same rule with new grids, under a new id": lambda task: of(*FILLER),
    "its train pairs, with the inputs alone turned or recoloured": lambda task: of(
        *(Pair(view(p.input, (False, 1), COLORS), p.output) for p in task.train)
    ),
    "a cell changed in every grid": lambda task: each(task, one_cell),
    "all grids padded, cropped or upscaled": lambda task: each(
        task, lambda grid: freeze(np.pad(grid, 1))
    ),
    "two colours made one": lambda task: each(task, merged),
    "its train inputs, with other outputs": lambda task: of(
        *(Pair(p.input, make_grid([[1]])) for p in task.train)
    ),
    "a test input with under 8 cells off its commonest colour, with another output": lambda task: (
        of(Pair(DOT, make_grid([[1]]))),
        replace(task, test=(Pair(DOT, None),)),
    ),
    "an answer of nested frames or crossed lines, in another place": frames,
}


def found(row: Row, task: Task) -> set[str]:
    made = row(task)
    mine, evaluated = made if isinstance(made, tuple) else (made, task)
    return {conflict.evaluation_id for conflict in find_contamination([mine], [evaluated])}


@pytest.mark.parametrize("name", CAUGHT)
def test_a_disguise_that_is_caught(name: str) -> None:
    assert all(found(CAUGHT[name], task) == {task.id} for task in EVALUATED)


@pytest.mark.parametrize("name", MISSED)
def test_a_disguise_that_is_missed(name: str) -> None:
    assert all(found(MISSED[name], task) == set() for task in EVALUATED)


def test_the_table_of_the_guide_has_these_rows() -> None:
    text = (ROOT / "docs" / "data.md").read_text()
    rows = re.findall(r"^\| (.+) \| (yes|no) \|$", text, re.MULTILINE)
    assert [name for name, caught in rows if caught == "yes"] == list(CAUGHT)
    assert [name for name, caught in rows if caught == "no"] == list(MISSED)


def test_hidden_answers_are_found_by_their_inputs() -> None:
    """Where the guard does not know the answers either, as for Kaggle's challenges."""
    for task in EVALUATED:
        hidden = task.without_answers()
        for name in ("its test input, with another output", "its test input as an output"):
            (conflict,) = find_contamination([CAUGHT[name](task)], [hidden])  # type: ignore[list-item]
            assert "test input" in conflict.reason


def test_small_pairs_are_their_own_exchange() -> None:
    """A pair such as 1 2 -> 2 1 is the same with input and output exchanged: it tells nothing."""
    pair = Pair(make_grid([[1, 1, 2]]), make_grid([[2], [1]]))
    other = Pair(make_grid([[3], [4]]), make_grid([[4, 4, 3]]))
    assert not find_contamination([of(other)], [Task("e", (pair,), (Pair(DOT, None),))])
    rich = EVALUATED[0].train[0]
    assert find_contamination(
        [of(Pair(known(rich.output), rich.input))], [Task("e", (rich,), (Pair(DOT, None),))]
    )
