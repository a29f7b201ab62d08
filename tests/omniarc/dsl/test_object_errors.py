"""The error messages of the DSL's masks, objects, lines and physics, and odd sizes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from arcflow.omniarc.dsl import (
    DOWN,
    RIGHT,
    UP,
    DslError,
    Object,
    components,
    connect,
    draw,
    draw_line,
    draw_rectangle,
    edge_mask,
    erase,
    fall,
    fill_holes,
    find_frames,
    find_objects,
    find_pattern,
    flood_fill,
    group_objects,
    grow,
    object_from,
    object_grid,
    ray,
    ring_index,
    shoot,
    shortest_path,
    slide,
    to_grid,
)

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
