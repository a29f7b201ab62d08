"""The DSL's grids, colours, symmetry, tiling, panels and choosing: laws."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from arcflow.omniarc.dsl import (
    Grid,
    bounding_box,
    colors_of,
    complete_symmetry,
    complete_tiling,
    count_color,
    crop,
    downscale,
    eight_turns,
    find_period,
    find_separators,
    flip_left_right,
    flip_up_down,
    is_symmetric,
    join_panels,
    least_common_color,
    most_common,
    most_common_color,
    new_grid,
    odd_one_out,
    overlay,
    pad,
    paste,
    positions,
    recolor,
    rotate,
    same,
    shift,
    smallest_tile,
    split_evenly,
    split_panels,
    tile,
    to_grid,
    transpose,
    trim,
    unique,
    upscale,
)

laws = settings(max_examples=60, deadline=None)
FLIPS: dict[str, Callable[[Any], Any]] = {
    "left_right": flip_left_right,
    "up_down": flip_up_down,
    "diagonal": transpose,
    "antidiagonal": lambda grid: transpose(rotate(grid, 2)),
    "half_turn": lambda grid: rotate(grid, 2),
}


def cells(low: int = 0, high: int = 9, side: int = 7) -> st.SearchStrategy[Grid]:
    shapes = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=side)
    return arrays(np.int8, shapes, elements=st.integers(low, high))


grids = cells()


@laws
@given(grids)
def test_colors_are_counted_and_sorted(grid: Grid) -> None:
    colors = colors_of(grid)
    assert sum(count_color(grid, color) for color in colors) == grid.size
    assert colors == sorted(set(grid.ravel().tolist()), key=lambda c: (-(grid == c).sum(), c))
    assert most_common_color(grid) == colors[0]
    rare = least_common_color(grid)
    assert (count_color(grid, rare), rare) == min((count_color(grid, c), c) for c in colors)
    assert colors_of(grid, ignore=(0, 1)) == [c for c in colors if c not in (0, 1)]


@laws
@given(grids, st.permutations(range(10)))
def test_recolor_by_a_permutation_is_undone_by_its_inverse(grid: Grid, order: list[int]) -> None:
    there = dict(enumerate(order))
    back = {new: old for old, new in there.items()}
    turned = recolor(grid, there)
    assert turned.tolist() == [[order[c] for c in row] for row in grid.tolist()]
    assert same(recolor(turned, back), grid)


@laws
@given(grids, st.integers(0, 9))
def test_positions_are_the_cells_in_reading_order(grid: Grid, color: int) -> None:
    found = positions(grid, color)
    assert found == sorted(found)
    assert len(found) == count_color(grid, color)
    assert all(grid[place] == color for place in found)
    assert positions(grid == color) == found
    assert positions(grid) == positions(grid != 0)


@laws
@given(grids, st.tuples(*[st.integers(0, 3)] * 4), st.integers(0, 9))
def test_crop_undoes_pad(grid: Grid, amount: tuple[int, int, int, int], color: int) -> None:
    wide = pad(grid, amount, color)
    height, width = grid.shape
    assert wide.shape == (height + amount[0] + amount[1], width + amount[2] + amount[3])
    assert same(crop(wide, amount[0], amount[2], height, width), grid)
    assert count_color(wide, color) == count_color(grid, color) + wide.size - grid.size


@laws
@given(grids, cells(side=4), st.integers(-5, 8), st.integers(-5, 8), st.sampled_from([None, 0]))
def test_paste_clips(grid: Grid, patch: Grid, top: int, left: int, transparent: int | None) -> None:
    wanted = grid.copy()
    for r, row in enumerate(patch.tolist()):
        for c, color in enumerate(row):
            inside = 0 <= top + r < grid.shape[0] and 0 <= left + c < grid.shape[1]
            if inside and color != transparent:
                wanted[top + r, left + c] = color
    assert same(paste(grid, patch, top, left, transparent), wanted)


@laws
@given(grids, st.integers(-8, 8), st.integers(-8, 8))
def test_shift(grid: Grid, d_row: int, d_col: int) -> None:
    wrapped = shift(grid, d_row, d_col, wrap=True)
    assert same(shift(wrapped, -d_row, -d_col, wrap=True), grid)
    assert same(shift(grid, d_row, d_col, 3), paste(np.full_like(grid, 3), grid, d_row, d_col))


@laws
@given(cells(high=1), st.integers(0, 3))
def test_trim_is_the_crop_at_the_bounding_box(grid: Grid, margin: int) -> None:
    if not grid.any():
        grid = to_grid([[1]])
    wide = pad(grid, margin)
    assert same(trim(wide), crop(wide, *bounding_box(wide == 1)))
    assert same(trim(wide), trim(grid))
    part = trim(grid)
    assert all(line.any() for line in (part[0], part[-1], part[:, 0], part[:, -1]))


@laws
@given(arrays(np.int8, (3, 4, 5), elements=st.integers(0, 2)))
def test_overlay_shows_the_last_that_is_not_transparent(layers: Any) -> None:
    result = overlay(list(layers))
    for place in np.ndindex(4, 5):
        shown = [int(layer[place]) for layer in layers if layer[place]]
        assert result[place] == (shown[-1] if shown else 0)


@laws
@given(grids)
def test_flips_are_involutions_and_four_quarters_are_a_turn(grid: Grid) -> None:
    for flip in FLIPS.values():
        assert same(flip(flip(grid)), grid)
    assert same(rotate(rotate(rotate(rotate(grid)))), grid)
    assert same(rotate(grid, -1), rotate(grid, 3))
    assert same(rotate(grid, 2), flip_up_down(flip_left_right(grid)))
    assert same(rotate(grid), flip_left_right(transpose(grid)))


def test_eight_turns_are_all_there_are() -> None:
    grid = to_grid([[1, 2], [3, 4]])
    turns = eight_turns(grid)
    assert same(turns[0], grid)
    assert len(unique(turns)) == 8
    assert len(unique([*turns, *(flip(one) for flip in FLIPS.values() for one in turns)])) == 8


@laws
@given(grids, st.sampled_from(list(FLIPS)))
def test_is_symmetric_when_the_mirror_image_is_the_same(grid: Grid, axis: Any) -> None:
    assert is_symmetric(grid, axis) == same(FLIPS[axis](grid), grid)
    square = grid[: min(grid.shape), : min(grid.shape)]
    assert is_symmetric(np.maximum(square, FLIPS[axis](square)), axis)


def mirrored(part: Grid, odd: bool) -> Grid:
    """A grid with both mirrors, whose lower right quarter the part is."""
    columns = np.hstack([part[:, ::-1], part[:, odd:]])
    return np.vstack([columns[::-1], columns[odd:]])


@laws
@given(
    st.integers(0, 10**6),
    st.booleans(),
    st.tuples(*[st.integers(0, 3)] * 4),
    st.integers(3, 4),
    st.integers(3, 4),
)
def test_complete_symmetry_restores_a_hole(
    seed: int, odd: bool, cut: tuple[int, int, int, int], top: int, left: int
) -> None:
    # Noise, so that the true middle is the only one.
    part = np.random.default_rng(seed).integers(1, 10, (7, 7)).astype(np.int8)
    whole = mirrored(part, odd)
    height, width = whole.shape
    grid = whole[cut[0] : height - cut[1], cut[2] : width - cut[3]]
    # The hole's mirror images are neither cut away nor holes.
    broken = paste(grid, new_grid(2, 2), top - cut[0], left - cut[2])
    assert same(complete_symmetry(broken, 0), grid)
    assert same(complete_symmetry(broken, 0, "left_right"), grid)
    assert same(complete_symmetry(broken, 0, "up_down"), grid)
    assert same(complete_symmetry(broken, 0, "half_turn"), grid)


@pytest.mark.parametrize("axis", ["diagonal", "antidiagonal"])
@pytest.mark.parametrize("cut", [(0, 0), (2, 0), (0, 3), (1, 2)])
def test_complete_symmetry_along_a_diagonal(axis: Any, cut: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(1, 10, (9, 9)).astype(np.int8)
    whole = np.maximum(noise, FLIPS[axis](noise))
    grid = whole[cut[0] :, : 9 - cut[1]]
    hole = (4 - cut[0], 2)
    broken = paste(grid, new_grid(2, 1), *hole)
    assert not same(broken, grid)
    assert same(complete_symmetry(broken, 0, axis), grid)
    assert same(complete_symmetry(broken, 0), grid)


def test_a_line_that_is_its_own_mirror_image_says_nothing() -> None:
    grid = to_grid([[1, 1], [0, 2], [0, 3]])
    assert complete_symmetry(grid, 0, "left_right").tolist() == [[1, 1], [2, 2], [3, 3]]
    grid = to_grid([[1, 1, 5], [0, 2, 0], [0, 3, 0]])
    assert complete_symmetry(grid, 0, "left_right").tolist() == [[1, 1, 5], [2, 2, 0], [3, 3, 0]]


def test_complete_symmetry_leaves_what_nothing_shows() -> None:
    grid = to_grid([[1, 0, 0, 1], [2, 3, 3, 2]])
    assert same(complete_symmetry(grid, 0, "left_right"), grid)
    line = to_grid([[1, 0, 2]])
    assert same(complete_symmetry(line, 0, "up_down", "diagonal"), line)


# Tiling


@laws
@given(grids, st.integers(1, 3), st.integers(1, 3))
def test_downscale_undoes_upscale(grid: Grid, rows: int, columns: int) -> None:
    large = upscale(grid, (rows, columns))
    assert large.shape == (grid.shape[0] * rows, grid.shape[1] * columns)
    assert same(large, np.kron(grid, np.ones((rows, columns), np.int8)))
    assert same(downscale(large, (rows, columns)), grid)


@laws
@given(cells(high=3, side=3), st.integers(1, 3))
def test_downscale_takes_the_commonest(grid: Grid, factor: int) -> None:
    noise = np.random.default_rng(grid.ravel().tolist()).integers(
        0, 4, (grid.shape[0] * factor, grid.shape[1] * factor)
    )
    small = downscale(noise.astype(np.int8), factor)
    for (r, c), color in np.ndenumerate(small):
        block = noise[r * factor : (r + 1) * factor, c * factor : (c + 1) * factor]
        assert color == most_common_color(block.astype(np.int8))


@laws
@given(cells(high=2, side=4), st.integers(1, 3), st.integers(1, 3))
def test_smallest_tile_makes_the_grid(grid: Grid, rows: int, columns: int) -> None:
    large = tile(grid, rows, columns)
    small = smallest_tile(large)
    assert small.shape == (find_period(large, 0), find_period(large, 1))
    assert small.shape[0] <= grid.shape[0]
    assert small.shape[1] <= grid.shape[1]
    again = tile(small, large.shape[0], large.shape[1])
    assert same(again[: large.shape[0], : large.shape[1]], large)


@laws
@given(cells(high=2, side=6))
def test_find_period_is_the_smallest_shift_that_agrees(grid: Grid) -> None:
    for axis in (0, 1):
        side = grid.shape[axis]
        lines = grid if axis == 0 else grid.T
        wanted = next((p for p in range(1, side) if same(lines[p:], lines[:-p])), side)
        assert find_period(grid, axis) == wanted


def test_find_period_compares_across_holes() -> None:
    # One step apart all agree with a hole; two steps apart 1 is not 2.
    assert find_period(to_grid([[1, 0, 2, 0]]), 1, hole=0) == 3
    assert find_period(to_grid([[1, 0, 1, 0]]), 1, hole=0) == 1


@laws
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 3), st.integers(0, 10**6))
def test_complete_tiling_restores_holes(rows: int, columns: int, slant: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pattern = rng.integers(1, 10, (rows, columns)).astype(np.int8)
    strips = [shift(tile(pattern, 1, 5), 0, slant * n, wrap=True) for n in range(5)]
    whole = np.vstack(strips)[:13, :14]
    broken = paste(whole, new_grid(3, 4), 6, 5)
    broken = paste(broken, new_grid(2, 2), 0, 0)
    filled = complete_tiling(broken, 0)
    assert same(filled, whole)
    if not slant:
        period = smallest_tile(broken, hole=0)
        assert same(tile(period, 13, 14)[: whole.shape[0], : whole.shape[1]], whole)


def test_the_smallest_tile_has_fewest_cells() -> None:
    assert smallest_tile(to_grid([[1, 0, 0], [0, 0, 2]]), hole=0).tolist() == [[1], [2]]


def test_complete_tiling_leaves_what_nothing_shows() -> None:
    grid = to_grid([[1, 2, 3], [4, 0, 6]])
    assert same(complete_tiling(grid, 0), grid)
    whole = to_grid([[1, 2], [1, 2]])
    assert same(complete_tiling(whole, 0), whole)


# Panels


@laws
@given(cells(high=4), st.integers(1, 3), st.integers(1, 3), st.sampled_from([None, 5]))
def test_split_undoes_join(grid: Grid, rows: int, columns: int, line: int | None) -> None:
    large = upscale(grid, (rows, columns))
    panels = split_evenly(large, rows, columns)
    joined = join_panels(panels, separator=line)
    if line is None:
        assert same(joined, large)
        again = split_evenly(joined, rows, columns)
    else:
        again = split_panels(joined, color=line)
        lines = find_separators(joined, color=line)
        assert [len(one) for one in lines] == [rows - 1, columns - 1]
    assert [len(row) for row in again] == [columns] * rows
    for found, wanted in zip(again, panels, strict=True):
        assert all(same(a, b) for a, b in zip(found, wanted, strict=True))


def test_separators() -> None:
    grid = to_grid([[0, 0, 0, 0], [3, 5, 3, 3], [0, 5, 2, 1], [3, 5, 3, 3]])
    assert find_separators(grid) == ([], [])
    grid = to_grid([[1, 5, 2, 2], [5, 5, 5, 5], [0, 5, 2, 1], [3, 3, 3, 3]])
    assert find_separators(grid) == ([3], [])
    assert find_separators(grid, 5) == ([1], [])
    assert find_separators(pad(grid, (0, 0, 1, 0), 5)) == ([1], [0])
    assert find_separators(new_grid(2, 2)) == ([], [])
    assert find_separators(new_grid(2, 2), color=0) == ([0, 1], [0, 1])
    assert split_panels(new_grid(2, 2, 5)) == []
    assert same(split_panels(new_grid(2, 2))[0][0], new_grid(2, 2))


def test_wide_gaps_and_empty_panels() -> None:
    one = to_grid([[1]])
    joined = join_panels([[one, one], [one, one]], separator=5, gap=2)
    assert joined.shape == (4, 4)
    assert [len(row) for row in split_panels(joined)] == [2, 2]
    assert [len(row) for row in split_panels(pad(joined, 1, 5))] == [2, 2]


# Choosing


def test_choosing_compares_content() -> None:
    a, b = to_grid([[1, 2]]), to_grid([[1], [2]])
    assert same(odd_one_out([a, b, a.copy()]), b)
    assert same(most_common([b, a, a.copy()]), a)
    assert [one.shape for one in unique([a, b, a.copy(), b])] == [(1, 2), (2, 1)]
    assert most_common([3, 1, 1, 3]) == 3
    assert odd_one_out([(a, 1), (a.copy(), 2), (a, 1)], key=lambda pair: pair[1])[1] == 2
    assert unique([[1, {2}], [1, {2}], {"a": 1}, {"a": 1}]) == [[1, {2}], {"a": 1}]
    assert unique([]) == []
    assert same(a, a.astype(np.int64))


# Kinds


@pytest.mark.parametrize(
    "function",
    [
        *FLIPS.values(),
        trim,
        lambda mask: crop(mask, 0, 0, 2, 2),
        lambda mask: pad(mask, 1),
        lambda mask: shift(mask, 1, 1),
        lambda mask: shift(mask, 1, 1, wrap=True),
        lambda mask: tile(mask, 2, 2),
        lambda mask: upscale(mask, 2),
        lambda mask: downscale(upscale(mask, 2), 2),
        lambda mask: eight_turns(mask)[5],
    ],
)
def test_a_mask_gives_a_mask(function: Callable[[Any], Any]) -> None:
    grid = to_grid([[0, 1, 0], [1, 1, 0]])
    assert function(grid == 1).dtype == np.bool_
    assert same(function(grid == 1), function(grid) == 1)
    assert function(grid.astype(np.int64)).dtype == np.int8
