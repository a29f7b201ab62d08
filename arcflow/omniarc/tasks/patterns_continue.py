"""Patterns run on."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("97999447")
def alternate_with_gray(grid):
    """Each cell grows a line to the right edge in which its colour and gray alternate."""
    result = grid.copy()
    for row, col in positions(grid):
        result[row, col::2] = grid[row, col]
        result[row, col + 1 :: 2] = 5
    return result


@program("0a938d79")
def alternating_stripes(grid):
    """The two cells become stripes across the grid, which go on in turn at the same distance
    to the end of its longer side."""
    upright = grid.shape[1] > grid.shape[0]
    result = transpose(grid) if upright else grid.copy()
    (first, first_col), (second, second_col) = positions(result)
    colors = result[first, first_col], result[second, second_col]
    distance = second - first
    for start, color in zip((first, second), colors, strict=True):
        result[start :: 2 * distance] = color
    return transpose(result) if upright else result


@program("bbc9ae5d")
def bar_grows_row_by_row(grid):
    """Every row is the one above moved right by a cell, the first colour following."""
    rows = [grid]
    while len(rows) < grid.shape[1] // 2:
        rows.append(shift(rows[-1], 0, 1, fill=grid[0, 0]))
    return np.vstack(rows)


@program("8403a5d5")
def columns_with_gray_links(grid):
    """From the dot on to the right every second column gets its colour.
    Gray cells link neighbouring columns, at the top and at the bottom in turn."""
    (row, start), color = positions(grid)[0], colors_of(grid, ignore=0)[0]
    result = grid.copy()
    result[:, start::2] = color
    far, near = (0, -1) if row else (-1, 0)
    result[far, start + 1 :: 4] = 5
    result[near, start + 3 :: 4] = 5
    return result


@program("017c7c7b")
def continue_half_as_long_again(grid):
    """The pattern runs on downwards by half its length, and becomes red."""
    height = len(grid)
    rows = np.arange(height + height // 2) % find_period(grid, axis=0)
    return np.where(grid[rows] != 0, 2, 0)


@program("90f3ed37")
def continue_like_fullest(grid):
    """The fullest pattern shows how the others, maybe a bit further left or right, go on to the
    edge; the cells to add are blue."""
    bands = components(np.tile((grid != 0).any(axis=1, keepdims=True), grid.shape[1]))
    shapes = [grid[band.any(axis=1)] for band in bands]
    model = max(shapes, key=lambda shape: np.count_nonzero(shape))
    height, width = model.shape
    wide = np.pad(model, ((0, 0), (width, width)), mode="edge")
    result = np.concatenate([grid, np.zeros_like(model)])
    for band in bands:
        top = bounding_box(band)[0]
        piece = result[top : top + height]
        known = int(np.nonzero(piece.any(axis=0))[0][-1]) + 1
        for moved in sorted(range(1 - width, width), key=abs):
            whole = wide[:, width - moved : 2 * width - moved]
            if same(whole[:, :known], piece[:, :known]):
                piece[:, known:][whole[:, known:] != 0] = 1
                break
    return result[: grid.shape[0]]


@program("caa06a1f")
def continue_the_pattern_one_step_on(grid):
    """The pattern spreads over the border at two sides, and moves on by one cell."""
    corners = [(0, 0), (-1, 0), (-1, -1), (0, -1)]
    border = most_common([int(grid[corner]) for corner in corners])
    turns = next(n for n in range(4) if rotate(grid, n)[0, 0] != border)
    turned = rotate(grid, turns)
    whole = complete_tiling(pad(turned, (0, 0, 0, 1), border), border)
    return rotate(whole[:, 1:], -turns)


@program("963e52fc")
def continue_to_twice_the_width(grid):
    """The pattern runs on to the right, to twice the width."""
    period = find_period(grid, axis=1)
    return grid[:, np.arange(2 * grid.shape[1]) % period]


@program("e21d9049")
def cross_of_repeating_colors(grid):
    """A row and a column of colours repeat their pattern in both directions to the edges."""
    result = grid.copy()
    row = np.argmax((grid != 0).sum(axis=1))
    column = np.argmax((grid != 0).sum(axis=0))
    for line, filled in ((grid[row], result[row]), (grid[:, column], result[:, column])):
        places = components(line[None] != 0)
        _, start, _, length = bounding_box(max(places, key=np.sum))
        for place in range(len(line)):
            filled[place] = line[start + (place - start) % length]
    return result


@program("05269061")
def fill_with_stripes(grid):
    """The stripes, mostly diagonal ones, are repeated over the whole grid."""
    rows, cols = np.indices(grid.shape)
    for period in range(2, sum(grid.shape)):
        for lines in (rows + cols, rows - cols, rows, cols):
            stripes = lines % period
            shown = [colors_of(grid[stripes == stripe], ignore=0) for stripe in range(period)]
            if all(len(found) == 1 for found in shown):
                return np.array([found[0] for found in shown])[stripes]
    raise DslError("fill_with_stripes: no direction fits")


@program("2dee498d")
def first_of_three_tiles(grid):
    """The grid shows the same tile three times side by side: one of them is kept."""
    return split_evenly(grid, 1, 3)[0][0]


@program("d10ecb37")
def first_tile(grid):
    """Only the 2x2 cells in the top left corner are kept."""
    return crop(grid, 0, 0, 2, 2)


@program("3bdb4ada")
def hollow_out_every_second_cell(grid):
    """Along the middle of each bar every second cell turns black."""
    result = grid.copy()
    for bar in find_objects(grid):
        result[bar.top + 1 : bar.bottom : 2, bar.left + 1 : bar.right : 2] = 0
    return result


@program("82819916")
def lines_follow_the_full_one(grid):
    """One line is complete; the others begin the same way in other colours, and go on so."""
    turn = not grid.all(axis=1).any()
    field = transpose(grid) if turn else grid
    model = field[field.all(axis=1)][0]
    result = field.copy()
    for row in result:
        known = {int(a): int(b) for a, b in zip(model, row, strict=True) if b}
        if known:
            row[:] = [known[int(color)] for color in model]
    return transpose(result) if turn else result


@program("d8c310e9")
def pattern_runs_along_the_edge(grid):
    """The pattern in the corner runs on along the edge."""

    def is_bottom_left(field):
        free = not field[:, -1].any() and not field[0].any()
        return free and field[:, 0].any() and field[-1].any()

    turns = next((turns for turns in range(4) if is_bottom_left(rotate(grid, turns))), 0)
    turned = rotate(grid, turns)
    width = np.flatnonzero(turned.any(axis=0))[-1] + 1
    period = find_period(turned[:, :width], axis=1)
    return rotate(turned[:, np.arange(turned.shape[1]) % period], -turns)


@program("53b68214")
def pattern_runs_down_to_ten_rows(grid):
    """The pattern, which may step aside as it repeats, runs on to ten rows."""
    height, width = grid.shape

    def repeats(period, step):
        return same(shift(grid[: height - period], 0, step), grid[period:])

    steps = sorted(range(-width, width + 1), key=abs)
    period, step = next(
        (period, step)
        for period in range(1, height + 1)
        for step in steps
        if period == height or repeats(period, step)
    )
    rows = list(grid)
    while len(rows) < 10:
        rows.append(shift(rows[-period][None], 0, step)[0])
    return np.array(rows)


@program("bd4472b8")
def rows_in_the_order_of_the_key(grid):
    """The colours of the first line, in turn, fill the lines behind the bar."""
    for turns in range(4):
        turned = rotate(grid, turns)
        if turned[1].all() and len(colors_of(turned[1:2])) == 1 and not turned[2:].any():
            break
    result = turned.copy()
    for row in range(2, len(turned)):
        result[row] = turned[0, (row - 2) % turned.shape[1]]
    return rotate(result, -turns)


@program("a65b410d")
def staircase_through_the_line(grid):
    """Beside a line from the edge stand longer and longer green ones, and shorter blue ones."""
    for turns in range(4):
        field = rotate(grid, turns)
        line = find_objects(field)[0]
        if line.height == 1 and line.left == 0:
            rows, columns = np.indices(field.shape)
            stairs = columns < line.width + line.top - rows
            field = np.where(stairs & (rows < line.top), 3, field)
            field = np.where(stairs & (rows > line.top), 1, field)
            return rotate(field, -turns)
    raise DslError("no line at the edge")


@program("e9afcf9a")
def turn_every_other_column_over(grid):
    """Every second column is turned upside down."""
    result = grid.copy()
    result[:, 1::2] = flip_up_down(grid)[:, 1::2]
    return result


@program("eb281b96")
def wave_down_twice(grid):
    """The pattern is mirrored downwards three times in turn; seams are not doubled."""
    wave = np.concatenate([grid, flip_up_down(grid)[1:]])
    return np.concatenate([wave, wave[1:]])


@program("3ac3eb23")
def zigzag_of_dots(grid):
    """From every dot at the edge two patterns alternate: the dot itself, and one on either side."""
    for turns in range(4):
        turned = rotate(grid, turns)
        if turned[0].any() and not turned[1:].any():
            break
    beside = overlay([shift(turned[:1], 0, -1), shift(turned[:1], 0, 1)])
    result = np.vstack([turned[:1] if row % 2 == 0 else beside for row in range(len(turned))])
    return rotate(result, -turns)
