"""The DSL's lines, shots, outlines and shortest paths, beside plain counterparts."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from arcflow.omniarc.dsl import (
    ALL_DIRECTIONS,
    ORTHOGONAL,
    Direction,
    Grid,
    Mask,
    connect,
    draw_line,
    draw_rectangle,
    edge_mask,
    full_columns,
    full_rows,
    new_grid,
    ray,
    recolor,
    shoot,
    shortest_path,
)
from tests.helpers.dsl import Cell, cells_of, directions, grids, laws, masks, sides, steps, walk


@laws
@given(st.tuples(steps, steps), directions, st.integers(0, 9))
def test_lines_have_both_ends(start: Cell, direction: Direction, length: int) -> None:
    end = (start[0] + length * direction[0], start[1] + length * direction[1])
    wanted = {(start[0] + k * direction[0], start[1] + k * direction[1]) for k in range(length + 1)}
    drawn = draw_line(new_grid(6, 7), start, end, 3)
    assert cells_of(drawn) == {(r, c) for r, c in wanted if 0 <= r < 6 and 0 <= c < 7}
    assert np.array_equal(drawn, draw_line(new_grid(6, 7), end, start, 3))


@laws
@given(grids(), directions, st.data())
def test_shots_go_on_until_something_is_in_the_way(
    grid: Grid, direction: Direction, data: st.DataObject
) -> None:
    start = data.draw(st.sampled_from(sorted(cells_of(grid >= 0))))
    path = ray(grid, start, direction)
    assert np.array_equal(
        shoot(grid, start, direction, 9, over=range(10)) == 9,
        np.isin(np.arange(grid.size).reshape(grid.shape), [r * grid.shape[1] + c for r, c in path]),
    )
    free = 0
    while free < len(path) and grid[path[free]] in (0, 2):
        free += 1
    assert cells_of(shoot(grid, start, direction, 9, over=(0, 2)) == 9) == set(path[:free])
    assert np.array_equal(
        shoot(grid, start, direction, 9, over=0), shoot(grid, start, direction, 9)
    )


@laws
@given(grids(2), st.booleans())
def test_connecting_again_changes_nothing(grid: Grid, diagonal: bool) -> None:
    once = connect(grid, 1, with_color=5, diagonal=diagonal)
    assert np.array_equal(connect(once, 1, with_color=5, diagonal=diagonal), once)
    own = connect(grid, 1, diagonal=diagonal)
    assert np.array_equal(own, recolor(once, {5: 1}))


@laws
@given(grids(2), st.booleans())
def test_lines_join_neighbors_that_face_each_other(grid: Grid, diagonal: bool) -> None:
    painted: set[Cell] = set()
    for row, col in cells_of(grid == 1):
        for direction in ALL_DIRECTIONS if diagonal else ORTHOGONAL:
            path = ray(grid, (row, col), direction)
            for k, cell in enumerate(path):
                if grid[cell] == 1:
                    painted |= set(path[:k])
                if grid[cell] != 0:
                    break
    assert cells_of(connect(grid, 1, with_color=5, diagonal=diagonal) == 5) == painted


@laws
@given(grids(1))
def test_full_lines_have_one_color(grid: Grid) -> None:
    assert full_rows(grid) == [r for r, row in enumerate(grid.tolist()) if len(set(row)) == 1]
    assert full_rows(grid, 1) == [r for r, row in enumerate(grid.tolist()) if set(row) == {1}]
    assert full_columns(grid) == full_rows(grid.T)
    assert full_columns(grid, 1) == full_rows(grid.T, 1)


@laws
@given(grids(), steps, steps, sides, sides)
def test_rectangles_are_outlines(grid: Grid, top: int, left: int, height: int, width: int) -> None:
    canvas = np.zeros((40, 40), dtype=np.int8)
    area = (slice(10, 10 + grid.shape[0]), slice(10, 10 + grid.shape[1]))
    canvas[area] = grid
    box = canvas[10 + top : 10 + top + height, 10 + left : 10 + left + width]
    edge = edge_mask(height, width)
    box[edge] = 7
    assert np.array_equal(draw_rectangle(grid, top, left, height, width, 7), canvas[area])
    box[~edge] = 8
    assert np.array_equal(draw_rectangle(grid, top, left, height, width, 7, fill=8), canvas[area])


@laws
@given(masks(), st.booleans(), st.data())
def test_shortest_paths_are_as_long_as_a_plain_search_says(
    mask: Mask, diagonal: bool, data: st.DataObject
) -> None:
    places = st.sampled_from(sorted(cells_of(mask | True)))
    start, goal = data.draw(places), data.draw(places)
    path = shortest_path(mask, start, goal, diagonal)
    passable = mask.copy()
    passable[start] = passable[goal] = True
    reached = walk(passable, start, diagonal)
    if goal not in reached:
        assert path == []
        return
    assert len(path) == reached[goal] + 1
    assert (path[0], path[-1]) == (start, goal)
    for (row, col), (next_row, next_col) in pairwise(path):
        step = (next_row - row, next_col - col)
        assert step in (ALL_DIRECTIONS if diagonal else ORTHOGONAL)
        assert passable[next_row, next_col]


def test_paths_over_open_ground_go_straight() -> None:
    open_ground = np.ones((6, 7), dtype=np.bool_)
    assert len(shortest_path(open_ground, (0, 0), (5, 6))) == 12
    assert len(shortest_path(open_ground, (0, 0), (5, 6), diagonal=True)) == 7
