"""Wrong answers: never the right one, always a grid, near misses most of all."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from arcflow.core.errors import DataError
from arcflow.core.grid import MAX_SIDE, Grid, make_grid
from arcflow.core.seeds import rng
from arcflow.core.task import Pair, Task
from arcflow.core.wrong_answers import MOST_CELLS, WEIGHTS, WrongAnswer, wrong_answer
from arcflow.sources.arc import load_split

SIDES = st.one_of(st.integers(1, 4), st.sampled_from([5, 29, MAX_SIDE]))


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    shape = draw(st.tuples(SIDES, SIDES))
    top = draw(st.integers(0, 9))
    return make_grid(draw(npst.arrays(np.int8, shape, elements=st.integers(0, top))))


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    """Tasks among which outputs are often the input, or another output."""
    few = draw(st.lists(grids(), min_size=1, max_size=3))
    pairs = draw(
        st.lists(st.builds(Pair, *[st.sampled_from(few)] * 2), min_size=1, max_size=4),
    )
    return Task("drawn", tuple(pairs[1:]), (pairs[0],))


def right(task: Task) -> Grid:
    output = task.test[0].output
    assert output is not None
    return output


@settings(deadline=None, max_examples=300)
@given(task=tasks(), seed=st.integers(0, 2**32))
def test_it_is_a_grid_and_never_the_right_one(task: Task, seed: int) -> None:
    before = [grid.tobytes() for grid in task.grids()]
    wrong = wrong_answer(task, 0, rng(seed, "wrong"))
    assert not np.array_equal(wrong.grid, right(task))
    assert np.array_equal(make_grid(wrong.grid), wrong.grid)
    assert (wrong.grid.dtype, wrong.grid.flags.writeable) == (np.int8, False)
    again = wrong_answer(task, 0, rng(seed, "wrong"))
    assert again.error == wrong.error
    assert np.array_equal(again.grid, wrong.grid)
    assert [grid.tobytes() for grid in task.grids()] == before
    check(task, wrong)


def check(task: Task, wrong: WrongAnswer) -> None:
    """The grid has the error that it is said to have."""
    grid, output, shown = wrong.grid, right(task), task.test[0].input
    same_size = grid.shape == output.shape
    changed = int((grid != output).sum()) if same_size else -1
    if wrong.error == "cells":
        assert 1 <= changed <= MOST_CELLS
        palette = {*output.flat, *shown.flat}
        if len(palette) > 1:
            assert set(grid.flat) <= palette
    elif wrong.error == "unfinished":
        other = grid != output
        assert np.array_equal(grid[other], shown[other])
        assert 0 < changed < (shown != output).sum()
    elif wrong.error == "colors":
        assert same_size
        assert len(set(zip(output.flat, grid.flat, strict=True))) == len(set(output.flat))
    elif wrong.error == "shift":
        assert same_size
    elif wrong.error == "turn":
        assert sorted(grid.flat) == sorted(output.flat)
        assert sorted(grid.shape) == sorted(output.shape)
    elif wrong.error == "line":
        assert sum(abs(np.subtract(grid.shape, output.shape))) == 1
    elif wrong.error == "other output":
        known = [pair.output for pair in task.train]
        assert any(other is not None and np.array_equal(grid, other) for other in known)
    else:
        assert wrong.error == "input"
        assert np.array_equal(grid, shown)


def test_a_single_cell_has_wrong_answers_too() -> None:
    one = make_grid([[4]])
    task = Task("one", (Pair(one, one),), (Pair(one, one),))
    found = [wrong_answer(task, 0, rng(seed, "wrong")) for seed in range(50)]
    assert {wrong.error for wrong in found} == {"cells", "line"}
    assert {wrong.grid.shape for wrong in found} == {(1, 1), (1, 2), (2, 1)}


def test_every_error_occurs_in_real_tasks_and_near_misses_are_most() -> None:
    errors: Counter[str] = Counter()
    near = 0
    tasks = load_split("arc-agi-1/training")
    for number, task in enumerate(tasks):
        wrong = wrong_answer(task, 0, rng(number, "wrong"))
        check(task, wrong)
        errors[wrong.error] += 1
        output = right(task)
        near += wrong.grid.shape == output.shape and (wrong.grid != output).mean() < 0.2
    assert set(errors) == set(WEIGHTS)
    assert errors.most_common(1)[0][0] == "cells"
    assert near > len(tasks) / 2


def test_a_hidden_answer_has_no_wrong_ones() -> None:
    one: Any = make_grid([[4]])
    task = Task("hidden", (Pair(one, one),), (Pair(one, None),))
    with pytest.raises(DataError, match="task hidden, test pair 0: a wrong answer needs the right"):
        wrong_answer(task, 0, rng(0, "wrong"))
