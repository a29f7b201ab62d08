"""The DSL's masks: laws, and plain searches beside them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcflow.omniarc.dsl import (
    ALL_DIRECTIONS,
    ORTHOGONAL,
    Grid,
    Mask,
    components,
    count_neighbors,
    edge_mask,
    enclosed,
    flood_fill,
    grow,
    pad,
    ring_index,
    rotate,
    to_grid,
    trim,
)
from tests.helpers.dsl import cells_of, grids, laws, masks, parts, sides, walk


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
