"""The DSL's physics: what has fallen lies, and what slides ends before an obstacle."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from arcflow.omniarc.dsl import Direction, Grid, erase, fall, find_objects, ray, slide
from tests.helpers.dsl import cells_of, directions, grids, laws


@laws
@given(grids(), directions)
def test_what_has_fallen_lies(grid: Grid, direction: Direction) -> None:
    fallen = fall(grid, direction, fixed=3)
    assert np.array_equal(fallen == 3, grid == 3)
    assert sorted(fallen.ravel().tolist()) == sorted(grid.ravel().tolist())
    for row, col in cells_of((fallen != 0) & (fallen != 3)):
        ahead = ray(fallen, (row, col), direction)
        assert not ahead or fallen[ahead[0]] != 0
    assert np.array_equal(fall(fallen, direction, fixed=(3,)), fallen)


@laws
@given(grids(), directions)
def test_falling_keeps_the_order_of_each_line(grid: Grid, direction: Direction) -> None:
    fallen = fall(grid, direction)
    back = (-direction[0], -direction[1])
    for start in cells_of(grid >= 0):
        if not ray(grid, start, direction):
            line = [start, *ray(grid, start, back)]
            held = [int(grid[cell]) for cell in line if grid[cell]]
            assert [int(fallen[cell]) for cell in line] == held + [0] * (len(line) - len(held))


@laws
@given(grids(), directions, st.booleans())
def test_slides_end_before_what_is_in_the_way(
    grid: Grid, direction: Direction, by_color: bool
) -> None:
    for obj in find_objects(grid, by_color=by_color):
        others = erase(grid, obj)
        moved = slide(grid, obj, direction)
        assert slide(others, obj, direction) == moved
        way = [(moved.top - obj.top) * direction[0], (moved.left - obj.left) * direction[1]]
        steps_made = max(way)
        for k in range(steps_made + 1):
            at = obj.moved(k * direction[0], k * direction[1])
            assert all(others[cell] == 0 for cell in at.cells)
        assert at == moved
        beyond = moved.moved(*direction)
        inside = beyond.top >= 0 and beyond.left >= 0
        inside = inside and beyond.bottom < grid.shape[0] and beyond.right < grid.shape[1]
        assert not inside or any(others[cell] != 0 for cell in beyond.cells)
