"""The DSL's patterns, largest rectangles and frames, beside plain searches."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from arcflow.omniarc.dsl import (
    DslError,
    Grid,
    Mask,
    draw_rectangle,
    find_frames,
    find_pattern,
    largest_rectangle,
    new_grid,
    ring_index,
    to_grid,
)
from tests.helpers.dsl import grids, laws, masks, sides, steps


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
