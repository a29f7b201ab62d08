"""The DSL's masks, objects, lines, patterns and physics: laws, plain counterparts, messages."""

from collections import deque
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from arcflow.omniarc.dsl import (
    ALL_DIRECTIONS,
    DOWN,
    ORTHOGONAL,
    RIGHT,
    UP,
    Direction,
    DslError,
    Grid,
    Mask,
    Object,
    components,
    connect,
    count_holes,
    count_neighbors,
    draw,
    draw_line,
    draw_rectangle,
    edge_mask,
    enclosed,
    erase,
    fall,
    fill_holes,
    find_frames,
    find_objects,
    find_pattern,
    flip_left_right,
    flip_up_down,
    flood_fill,
    full_columns,
    full_rows,
    group_objects,
    grow,
    is_rectangle,
    is_square,
    largest_rectangle,
    most_common,
    new_grid,
    object_from,
    object_grid,
    pad,
    ray,
    recolor,
    ring_index,
    rotate,
    shoot,
    shortest_path,
    slide,
    to_grid,
    trim,
)

Cell = tuple[int, int]
laws = settings(max_examples=60, deadline=None)
sides = st.integers(1, 7)
steps = st.integers(-9, 9)
directions = st.sampled_from(ALL_DIRECTIONS)


@st.composite
def grids(draw_from: st.DrawFn, colors: int = 3) -> Grid:
    """Small grids; most have more background than anything else, as tasks have."""
    height, width = draw_from(sides), draw_from(sides)
    cell = st.sampled_from([0, 0, *range(1, colors + 1)])
    cells = draw_from(st.lists(cell, min_size=height * width, max_size=height * width))
    return np.array(cells, dtype=np.int8).reshape(height, width)


def masks() -> st.SearchStrategy[Mask]:
    """Sparse ones and dense ones."""
    return st.one_of(grids(1).map(lambda grid: grid == 1), grids(1).map(lambda grid: grid == 0))


def walk(mask: Mask, start: Cell, diagonal: bool) -> dict[Cell, int]:
    """A plain search: the True cells that can be reached, and in how many steps."""
    reached = {start: 0}
    waiting = deque([start])
    while waiting:
        row, col = waiting.popleft()
        for d_row, d_col in ALL_DIRECTIONS if diagonal else ORTHOGONAL:
            cell = (row + d_row, col + d_col)
            inside = 0 <= cell[0] < mask.shape[0] and 0 <= cell[1] < mask.shape[1]
            if inside and mask[cell] and cell not in reached:
                reached[cell] = reached[(row, col)] + 1
                waiting.append(cell)
    return reached


def parts(mask: Mask, diagonal: bool) -> list[set[Cell]]:
    """A plain search for connected parts, by their first cells."""
    found: list[set[Cell]] = []
    for row, col in np.argwhere(mask).tolist():
        if not any((row, col) in part for part in found):
            found.append(set(walk(mask, (row, col), diagonal)))
    return found


def cells_of(mask: NDArray[Any]) -> set[Cell]:
    return {(row, col) for row, col in np.argwhere(mask).tolist()}


# --- masks


@laws
@given(masks(), st.booleans())
def test_components_are_the_parts_of_a_mask(mask: Mask, diagonal: bool) -> None:
    found = components(mask, diagonal)
    assert [cells_of(part) for part in found] == parts(mask, diagonal)
    assert np.array_equal(sum((part.astype(int) for part in found), np.zeros(mask.shape)), mask)


@laws
@given(grids(), st.booleans(), st.data())
def test_flood_fill_fills_what_a_walk_reaches(
    grid: Grid, diagonal: bool, data: st.DataObject
) -> None:
    row, col = data.draw(st.sampled_from(sorted(cells_of(grid >= 0))))
    filled = flood_fill(grid, row, col, 9, diagonal)
    assert cells_of(filled == 9) == set(walk(grid == grid[row, col], (row, col), diagonal))
    assert np.array_equal(np.where(filled == 9, grid, filled), grid)


@laws
@given(masks(), st.booleans())
def test_enclosed_is_what_no_walk_from_outside_reaches(walls: Mask, diagonal: bool) -> None:
    inside = enclosed(walls, diagonal)
    around = np.zeros((walls.shape[0] + 2, walls.shape[1] + 2), dtype=np.bool_)
    around[1:-1, 1:-1] = walls
    outside = walk(~around, (0, 0), diagonal)
    assert cells_of(inside) == {
        (row, col) for row, col in cells_of(~walls) if (row + 1, col + 1) not in outside
    }
    assert not (inside & (walls | edge_mask(*walls.shape))).any()


@pytest.mark.parametrize("turns", range(4))
def test_a_pocket_at_any_border_is_open(turns: int) -> None:
    walls = rotate(to_grid([[1, 0, 1, 1], [1, 0, 1, 0], [1, 1, 1, 0], [1, 1, 1, 1]]), turns) == 1
    assert not enclosed(walls).any()
    assert np.array_equal(enclosed(pad(walls, 1, 1)), pad(~walls, 1))


@laws
@given(masks(), st.booleans())
def test_neighbors_are_counted_cell_by_cell(mask: Mask, diagonal: bool) -> None:
    counts = count_neighbors(mask, diagonal)
    ways = ALL_DIRECTIONS if diagonal else ORTHOGONAL
    cells = cells_of(mask)
    for row, col in cells_of(counts >= 0):
        assert counts[row, col] == sum((row + r, col + c) in cells for r, c in ways)


@laws
@given(masks(), st.booleans(), st.integers(0, 3))
def test_growing_adds_the_cells_within_so_many_steps(mask: Mask, diagonal: bool, many: int) -> None:
    grown = grow(mask, diagonal, many)
    again = mask
    for _ in range(many):
        again = grow(again, diagonal)
    assert np.array_equal(grown, again)
    near = mask | (count_neighbors(mask, diagonal) > 0)
    assert np.array_equal(grow(mask, diagonal), near)


@given(sides, sides)
def test_rings_count_from_the_border(height: int, width: int) -> None:
    rings = ring_index(height, width)
    assert np.array_equal(rings == 0, edge_mask(height, width))
    assert np.array_equal(trim(pad(rings + 1, 1)), rings + 1)
    assert np.array_equal(pad(rings + 1, 1), ring_index(height + 2, width + 2))


# --- objects


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


# --- lines


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


# --- patterns


@laws
@given(grids(1), grids(1).map(lambda grid: grid[:3, :3]), st.sampled_from([None, 0]))
def test_patterns_are_found_wherever_they_are(grid: Grid, patch: Grid, ignore: Any) -> None:
    height, width = patch.shape
    places = [
        (top, left)
        for top in range(grid.shape[0] - height + 1)
        for left in range(grid.shape[1] - width + 1)
        if (
            (grid[top : top + height, left : left + width] == patch)
            | (np.zeros_like(patch) if ignore is None else patch == ignore)
        ).all()
    ]
    assert find_pattern(grid, patch, ignore) == places


def boxes(grid: NDArray[Any]) -> list[tuple[int, int, int, int]]:
    rows, columns = grid.shape
    return [
        (top, left, height, width)
        for top in range(rows)
        for left in range(columns)
        for height in range(1, rows - top + 1)
        for width in range(1, columns - left + 1)
    ]


@laws
@given(masks())
def test_the_largest_rectangle_is_the_largest(mask: Mask) -> None:
    full = [(t, le, h, w) for t, le, h, w in boxes(mask) if mask[t : t + h, le : le + w].all()]
    if not full:
        with pytest.raises(DslError, match=r"largest_rectangle: no True cell in shape \(.*\)"):
            largest_rectangle(mask)
        return
    best = min(full, key=lambda box: (-box[2] * box[3], box[0], box[1], -box[3]))
    assert largest_rectangle(mask) == best


@laws
@given(grids(1), st.lists(st.tuples(steps, steps, sides, sides), max_size=3), st.booleans())
def test_frames_are_hollow_outlines(
    grid: Grid, drawn: list[tuple[int, int, int, int]], empty: bool
) -> None:
    grid = new_grid(7, 8) if empty else grid
    for box in drawn:
        grid = draw_rectangle(grid, *box, color=2)

    def framed(top: int, left: int, height: int, width: int, color: int) -> bool:
        same = grid[top : top + height, left : left + width] == color
        ring = ring_index(height, width)
        return bool(same[ring == 0].all() and not same[ring == 1].any())

    large = [box for box in boxes(grid) if min(box[2:]) >= 3]
    for color in (1, 2):
        wanted = [box for box in large if framed(*box, color)]
        assert find_frames(grid, color) == wanted
        assert find_frames(grid, color, 4) == [box for box in wanted if min(box[2:]) >= 4]
    found = find_frames(grid)
    assert sorted(found) == sorted(find_frames(grid, 1) + find_frames(grid, 2))
    assert [box[:2] for box in found] == sorted(box[:2] for box in found)


def test_background_makes_no_frames_unless_it_is_asked_for() -> None:
    grid = to_grid([[1, 1, 1, 0, 0, 0], [1, 0, 1, 0, 2, 0], [1, 1, 1, 0, 0, 0]])
    assert find_frames(grid) == [(0, 0, 3, 3)]
    assert find_frames(grid, 0) == [(0, 3, 3, 3)]


# --- physics


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


# --- messages

GRID = to_grid([[0, 1, 1], [0, 0, 0]])
OBJECT = find_objects(GRID)[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: flood_fill(GRID, 2, 0, 1),
            "flood_fill: cell (2, 0), expected one inside the grid of 2x3",
        ),
        (lambda: flood_fill(GRID, 0, 0, 10), "flood_fill: colour 10, expected 0 to 9"),
        (lambda: grow(GRID > 0, steps=-1), "grow: -1 steps, expected 0 or more"),
        (
            lambda: edge_mask(0, 2),
            "edge_mask: 0x2 cells, expected a height and a width of 1 or more",
        ),
        (
            lambda: ring_index(3, 0),
            "ring_index: 3x0 cells, expected a height and a width of 1 or more",
        ),
        (
            lambda: components(np.zeros(3, np.bool_)),
            "components: an array of shape (3,), expected a mask",
        ),
        (
            lambda: find_objects(np.zeros(3, np.int8)),
            "find_objects: an array of shape (3,), expected a grid",
        ),
        (
            lambda: Object(GRID, GRID[:1] > 0, 0, 0),
            "Object: patch (2, 3) and mask (1, 3), expected one shape",
        ),
        (
            lambda: Object(GRID, GRID > 1, 0, 0),
            "Object: no True cell in a mask of (2, 3), expected one or more",
        ),
        (
            lambda: object_from(GRID, GRID[:1] > 0),
            "object_from: a mask of shape (1, 3), expected (2, 3)",
        ),
        (
            lambda: object_from(GRID, GRID > 1),
            "object_from: no True cell in shape (2, 3), expected one or more",
        ),
        (lambda: OBJECT.recolored(-1), "recolored: colour -1, expected 0 to 9"),
        (lambda: draw(GRID, OBJECT, 12), "draw: colour 12, expected 0 to 9"),
        (lambda: erase(GRID, OBJECT, 12), "erase: colour 12, expected 0 to 9"),
        (lambda: fill_holes(OBJECT, 12), "fill_holes: colour 12, expected 0 to 9"),
        (
            lambda: object_grid(GRID, OBJECT.moved(0, 1)),
            "object_grid: Object(1x2 at (0, 2), 2 cells, colors [1]), "
            "expected one inside the grid of 2x3",
        ),
        (
            lambda: group_objects([OBJECT], -1),
            "group_objects: distance -1, expected 0 or more",
        ),
        (
            lambda: draw_line(GRID, (0, 0), (1, 2), 1),
            "draw_line: (0, 0) to (1, 2), expected one row, column or diagonal",
        ),
        (
            lambda: shoot(GRID, (0, 0), (0, 0), 1),
            "shoot: direction (0, 0), expected one of ALL_DIRECTIONS",
        ),
        (
            lambda: ray(GRID, (0, 0), (0, 2)),
            "ray: direction (0, 2), expected one of ALL_DIRECTIONS",
        ),
        (lambda: connect(GRID, 1, 11), "connect: colour 11, expected 0 to 9"),
        (
            lambda: draw_rectangle(GRID, 0, 0, 0, 2, 1),
            "draw_rectangle: 0x2 cells, expected sides of 1 or more",
        ),
        (
            lambda: shortest_path(GRID == 0, (0, 0), (0, 3)),
            "shortest_path: cell (0, 3), expected one inside the grid of 2x3",
        ),
        (lambda: find_frames(GRID, min_side=2), "find_frames: min_side 2, expected 3 or more"),
        (
            lambda: fall(GRID, (2, 0)),
            "fall: direction (2, 0), expected one of ALL_DIRECTIONS",
        ),
        (
            lambda: slide(GRID, OBJECT.moved(0, 1), RIGHT),
            "slide: Object(1x2 at (0, 2), 2 cells, colors [1]), "
            "expected one inside the grid of 2x3",
        ),
        (
            lambda: slide(GRID, OBJECT, (0, 0)),
            "slide: direction (0, 0), expected one of ALL_DIRECTIONS",
        ),
    ],
)
def test_messages_name_the_value_and_what_is_expected(
    call: Callable[[], Any], message: str
) -> None:
    with pytest.raises(DslError) as error:
        call()
    assert str(error.value) == message


def test_odd_sizes_are_no_trouble() -> None:
    assert find_objects(np.zeros((0, 4), np.int8)) == []
    assert find_objects(np.zeros((3, 0), np.int8)) == []
    assert find_objects(GRID.astype(np.int64))[0] == OBJECT
    assert find_pattern(GRID[:1], GRID) == []
    assert find_frames(GRID) == []
    assert ray(GRID, (-1, 0), DOWN) == [(0, 0), (1, 0)]
    assert ray(GRID, (0, 0), UP) == []
    wide = np.ones((40, 50), dtype=np.int8)
    assert [obj.size for obj in find_objects(wide)] == [2000]
