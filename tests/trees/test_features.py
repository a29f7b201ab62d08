"""The features of cells: known values on small grids, and the same number of them on all."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from arcflow.trees.features import N_GLOBALS, cell_features, grid_features, shifted
from arcflow.trees.regions import box_planes, enclosed, regions_of_any_color, regions_of_color

RING = np.array(
    [
        [0, 0, 0, 0, 0],
        [0, 2, 2, 2, 0],
        [0, 2, 0, 2, 0],
        [0, 2, 2, 2, 0],
        [0, 0, 0, 0, 3],
    ],
    dtype=np.int16,
)

grids = st.tuples(st.integers(1, 12), st.integers(1, 30), st.integers(0, 10**6)).map(
    lambda n: np.random.default_rng(n[2]).integers(0, 1 + n[2] % 10, n[:2]).astype(np.int16)
)


@settings(max_examples=15, deadline=None)
@given(grids)
def test_every_grid_has_the_same_features(grid: np.ndarray) -> None:
    table = cell_features(grid)
    assert table.shape == (*grid.shape, cell_features(RING).shape[2])
    assert (table[..., 0] == grid).all()
    assert grid_features(grid).shape == (N_GLOBALS,)


@settings(max_examples=5, deadline=None)
@given(grids)
def test_the_features_do_not_depend_on_how_the_grid_lies_in_memory(grid: np.ndarray) -> None:
    assert (cell_features(np.asfortranarray(grid)) == cell_features(grid)).all()


def test_regions_are_measured() -> None:
    regions = regions_of_color(RING, diagonal=True, background=0)
    assert regions.sizes.tolist() == [8, 1]
    assert regions.boxes.tolist() == [[1, 1, 3, 3], [4, 4, 4, 4]]
    assert regions.colors.tolist() == [2, 3]
    # Over a corner, the cell of another colour belongs to the same figure.
    assert regions_of_any_color(RING, 0).sizes.tolist() == [9]
    color, size = box_planes(RING, regions)
    assert (color[2, 2], size[2, 2]) == (2, 9)
    assert color[0, 0] == -1


def test_what_is_enclosed_cannot_reach_the_edge() -> None:
    assert np.argwhere(enclosed(RING, 0, diagonal=False)).tolist() == [[2, 2]]
    leaky = RING.copy()
    leaky[1, 1] = 0
    assert np.argwhere(enclosed(leaky, 0, diagonal=False)).tolist() == [[2, 2]]
    assert not enclosed(leaky, 0, diagonal=True).any()


@pytest.mark.parametrize(("down", "right"), [(0, 1), (-2, 2), (1, 0), (7, 0)])
def test_shifted_grids_have_an_outside(down: int, right: int) -> None:
    there = shifted(RING, down, right)
    for r in range(5):
        for c in range(5):
            inside = 0 <= r + down < 5 and 0 <= c + right < 5
            assert there[r, c] == (RING[r + down, c + right] if inside else -1)
