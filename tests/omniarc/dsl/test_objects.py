"""The DSL's objects: how they are found, moved, turned, grouped and drawn again."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcflow.omniarc.dsl import (
    ALL_DIRECTIONS,
    ORTHOGONAL,
    Grid,
    Object,
    count_holes,
    draw,
    enclosed,
    erase,
    fill_holes,
    find_objects,
    flip_left_right,
    flip_up_down,
    group_objects,
    is_rectangle,
    is_square,
    most_common,
    new_grid,
    object_from,
    object_grid,
    recolor,
    rotate,
    to_grid,
)
from tests.helpers.dsl import cells_of, grids, laws, parts, steps


@laws
@given(grids(), st.booleans(), st.booleans(), st.sampled_from([0, 1, (0, 2), None, ()]))
def test_objects_drawn_again_are_the_grid(
    grid: Grid, diagonal: bool, by_color: bool, background: Any
) -> None:
    objects = find_objects(grid, background, diagonal, by_color)
    ignored = {background} if isinstance(background, int) else set(background or ())
    again = new_grid(*grid.shape, color=9)
    for obj in objects:
        assert not (draw(new_grid(*grid.shape), obj, 1) & (again != 9)).any()
        again = draw(again, obj)
    assert np.array_equal(again, np.where(np.isin(grid, list(ignored)), 9, grid))


@laws
@given(grids(), st.booleans())
def test_objects_are_the_parts_of_each_color(grid: Grid, diagonal: bool) -> None:
    found = find_objects(grid, diagonal=diagonal)
    expected = [(color, part) for color in (1, 2, 3) for part in parts(grid == color, diagonal)]
    assert sorted((obj.color, sorted(obj.cells)) for obj in found) == sorted(
        (color, sorted(part)) for color, part in expected
    )
    assert [(obj.top, obj.left) for obj in found] == sorted((obj.top, obj.left) for obj in found)
    for obj in found:
        rows, columns = zip(*obj.cells, strict=True)
        assert (obj.top, obj.bottom) == (min(rows), max(rows))
        assert (obj.left, obj.right) == (min(columns), max(columns))
        assert (obj.height, obj.width) == obj.mask.shape == obj.patch.shape
        assert obj.size == len(obj.cells)
        assert (obj.patch[~obj.mask] == 0).all()


@laws
@given(grids(), st.booleans())
def test_objects_of_many_colors_are_the_parts_of_the_foreground(grid: Grid, diagonal: bool) -> None:
    found = find_objects(grid, diagonal=diagonal, by_color=False)
    assert sorted(sorted(obj.cells) for obj in found) == sorted(
        sorted(part) for part in parts(grid != 0, diagonal)
    )


@laws
@given(grids(), steps, steps)
def test_moved_back_is_the_same(grid: Grid, d_row: int, d_col: int) -> None:
    for obj in find_objects(grid):
        moved = obj.moved(d_row, d_col)
        assert moved.moved(-d_row, -d_col) == obj == moved.moved_to(obj.top, obj.left)
        assert hash(moved.moved_to(obj.top, obj.left)) == hash(obj)
        assert (moved == obj) == (d_row == d_col == 0)
        assert moved.cells == [(row + d_row, col + d_col) for row, col in obj.cells]
        inside = {
            (row, col)
            for row, col in moved.cells
            if 0 <= row < grid.shape[0] and 0 <= col < grid.shape[1]
        }
        assert cells_of(draw(new_grid(*grid.shape), moved)) == inside


@laws
@given(grids())
def test_erased_and_drawn_is_the_grid(grid: Grid) -> None:
    for obj in find_objects(grid, by_color=False):
        without = erase(grid, obj)
        assert cells_of(without != grid) == set(obj.cells)
        assert np.array_equal(draw(without, obj), grid)
        assert np.array_equal(object_grid(grid, obj)[obj.mask], obj.patch[obj.mask])
        assert object_from(grid, draw(new_grid(*grid.shape), obj) > 0) == obj


@laws
@given(grids())
def test_turns_keep_the_shape_up_to_turns(grid: Grid) -> None:
    for obj in find_objects(grid, by_color=False):
        for turn in (flip_left_right, flip_up_down, rotate):
            other = obj.turned(turn)
            assert np.array_equal(other.patch, turn(obj.patch))
            assert obj.same_shape(other.moved(1, 2).recolored(7), turns=True)
            assert obj.same_shape(other) == (obj.shape_key == other.shape_key)
        assert obj.turned(flip_up_down).turned(flip_up_down) == obj
        swap = {1: 2, 2: 1}
        assert np.array_equal(obj.recolored(swap).patch, recolor(obj.patch, swap))


@laws
@given(grids(), st.booleans())
def test_touching_is_to_be_side_by_side(grid: Grid, diagonal: bool) -> None:
    objects = find_objects(grid)
    ways = ALL_DIRECTIONS if diagonal else ORTHOGONAL
    for a in objects:
        around = {(row + r, col + c) for row, col in a.cells for r, c in ways}
        for b in objects:
            beside = a == b or bool(around & set(b.cells))
            assert a.touches(b, diagonal) == b.touches(a, diagonal) == beside


@laws
@given(grids(), st.integers(0, 3))
def test_groups_are_parts_of_the_grown_objects(grid: Grid, distance: int) -> None:
    objects = find_objects(grid)
    groups = group_objects(objects, distance)
    assert sorted(map(id, objects)) == sorted(id(obj) for group in groups for obj in group)
    assert [objects.index(group[0]) for group in groups] == sorted(
        objects.index(group[0]) for group in groups
    )

    def gap(a: Object, b: Object) -> int:
        return min(max(abs(r - s), abs(c - d)) for r, c in a.cells for s, d in b.cells)

    for one in groups:
        for other in groups:
            if one is not other:
                assert all(gap(a, b) > distance for a in one for b in other)
        reached = [one[0]]
        for obj in reached:
            reached += [b for b in one if b not in reached and gap(obj, b) <= distance]
        assert len(reached) == len(one)


@laws
@given(grids(1))
def test_holes_are_closed_parts(grid: Grid) -> None:
    for obj in find_objects(grid):
        closed = parts(enclosed(obj.mask), diagonal=False)
        assert count_holes(obj) == len(closed)
        filled = fill_holes(obj, 8)
        assert count_holes(filled) == 0
        assert np.array_equal(filled.patch == 8, enclosed(obj.mask))
        assert fill_holes(obj).recolored(8) == filled.recolored(8)
        assert is_rectangle(obj) == (obj.size == obj.height * obj.width)
        assert is_square(obj) == (is_rectangle(obj) and obj.height == obj.width)


def test_objects_tell_what_they_are() -> None:
    grid = to_grid([[0, 0, 0, 0], [0, 2, 3, 3], [0, 2, 0, 0]])
    obj = find_objects(grid, by_color=False)[0]
    assert repr(obj) == "Object(2x3 at (1, 1), 4 cells, colors [2, 3])"
    assert (obj.color, obj.colors, obj.center) == (2, [2, 3], (1.5, 2.0))
    assert obj.cells == [(1, 1), (1, 2), (1, 3), (2, 1)]
    assert obj == Object(obj.patch + 5 * ~obj.mask, obj.mask, 1, 1)
    assert len({obj, obj.moved(0, 0), obj.moved(1, 0)}) == 2
    with pytest.raises(ValueError, match="read-only"):
        obj.patch[0, 0] = 1
    shapes = find_objects(to_grid([[1, 0, 2, 0, 3, 3]]))
    assert most_common(shapes, key=lambda one: one.shape_key).color == 1


def test_objects_come_by_the_corners_of_their_boxes() -> None:
    grid = to_grid([[0, 2, 0, 1], [0, 0, 0, 1], [1, 1, 1, 1]])
    assert [(obj.color, obj.top, obj.left) for obj in find_objects(grid)] == [(1, 0, 0), (2, 0, 1)]


def test_an_object_owns_its_arrays() -> None:
    grid = to_grid([[1, 1], [1, 0]])
    patch, mask = np.ones((1, 2), np.int8), np.ones((1, 2), np.bool_)
    objects = [find_objects(grid)[0], object_from(grid, grid > 0), Object(patch, mask, 0, 0)]
    before = [obj.cells for obj in objects]
    grid[:], patch[:], mask[:] = 0, 0, False
    assert [obj.cells for obj in objects] == before
    assert [obj.color for obj in objects] == [1, 1, 1]
