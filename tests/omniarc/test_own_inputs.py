"""Inputs drawn for the tasks that RE-ARC fits badly: what a program makes of them is its rule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcflow.core.grid import Grid
from arcflow.core.seeds import rng
from arcflow.omniarc.dsl import find_objects
from arcflow.omniarc.own_inputs import OWN_INPUTS, own_input
from arcflow.omniarc.registry import programs


def answered(task_id: str, seed: int) -> tuple[Grid, Grid]:
    grid = own_input(task_id, rng(seed, "test own inputs"))
    return grid, np.asarray(programs()[task_id].function(grid))


def test_the_tasks_that_say_why_re_arc_does_not_fit_have_inputs_of_their_own() -> None:
    assert set(OWN_INPUTS) == {p.task_id for p in programs().values() if p.rearc}


@pytest.mark.parametrize("task_id", OWN_INPUTS)
def test_inputs_are_drawn_by_the_seed(task_id: str) -> None:
    drawn = [own_input(task_id, rng(seed, "test own inputs")).tobytes() for seed in (1, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 3


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_what_programs_make_of_them(seed: int) -> None:
    grid, squares = answered("6cf79266", seed)
    changed = squares != grid
    assert changed.sum() % 9 == 0 < changed.sum()
    assert (grid[changed] == 0).all()

    grid, rectangles = answered("a8d7556c", seed)
    red = (rectangles != grid) & (rectangles == 2)
    assert all(min(part.height, part.width) >= 2 for part in find_objects(red.astype(np.int8)))
    assert red.any()

    grid, square = answered("681b3aeb", seed)
    assert square.shape[0] == square.shape[1] in (3, 4)
    for color in np.unique(square):
        assert (square == color).sum() == (grid == color).sum()

    grid, streets = answered("a64e4611", seed)
    green = streets == 3
    assert green.any()
    assert (grid[green] == 0).all()
    assert (streets[~green] == grid[~green]).all()
