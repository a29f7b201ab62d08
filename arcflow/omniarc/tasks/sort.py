"""Things are put in order."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("f8ff0b80")
def colors_from_large_to_small(grid):
    """The shapes' colours stand below each other, the largest shape's first."""
    shapes = sorted(find_objects(grid), key=lambda shape: -shape.size)
    return to_grid([[shape.color] for shape in shapes])


@program("cdecee7f")
def dots_along_a_snake(grid):
    """The dots from left to right, along a snake: there, back and there again."""
    dots = sorted(positions(grid != 0), key=lambda cell: cell[1])
    result = new_grid(3, 3)
    for number, dot in enumerate(dots):
        row, column = divmod(number, 3)
        result[row, column if row != 1 else 2 - column] = grid[dot]
    return result


@program("4be741c5")
def list_the_bands(grid):
    """The grid is divided into bands of one colour, which are listed in their order."""
    upright = len(np.unique(grid[0])) > 1
    axis = 1 if upright else 0
    bands = sorted(colors_of(grid), key=lambda color: np.nonzero(grid == color)[axis].mean())
    return to_grid([bands]) if upright else to_grid([[band] for band in bands])


@program("8e1813be")
def list_the_lines(grid):
    """The colours of the lines in their order, as lines across a square."""
    block = max(find_objects(grid), key=lambda found: min(found.height, found.width))
    colors = colors_of(grid, ignore=(0, block.color))
    boxes = {color: bounding_box(grid == color) for color in colors}
    level = all(height == 1 for _, _, height, _ in boxes.values())
    colors.sort(key=lambda color: boxes[color][0 if level else 1])
    result = to_grid([colors] * len(colors))
    return transpose(result) if level else result


@program("a61f2674")
def mark_longest_and_shortest_bar(grid):
    """The longest bar becomes blue, the shortest red, the others go."""
    bars = sorted(find_objects(grid, diagonal=False), key=lambda bar: bar.size)
    result = new_grid(*grid.shape)
    return draw(draw(result, bars[0], 2), bars[-1], 1)


@program("08ed6ac7")
def number_bars_by_height(grid):
    """The bars are coloured by rank: the highest blue, then red, green and yellow."""
    heights = (grid != 0).sum(axis=0)
    ranks = sorted(set(heights) - {0}, reverse=True)
    colors = np.array([ranks.index(height) + 1 if height else 0 for height in heights])
    return np.where((grid != 0) & (colors <= 4), colors, grid)


@program("ea32f347")
def rank_bars_by_length(grid):
    """The longest bar becomes blue, the middle one yellow, the shortest red."""
    bars = sorted(find_objects(grid, diagonal=False), key=lambda bar: -bar.size)
    result = grid
    for bar, color in zip(bars, (1, 4, 2), strict=True):
        result = draw(result, bar, color)
    return result


@program("beb8660c")
def stack_bars_by_length(grid):
    """The bars are stacked on the floor, the longest lowest, flush with the right edge."""
    turns = next(turns for turns in range(4) if rotate(grid, turns)[-1].all())
    turned = rotate(grid, turns)
    height, width = turned.shape
    bars = sorted(find_objects(turned[:-1], diagonal=False), key=lambda bar: -bar.size)
    result = new_grid(height, width)
    result[-1] = turned[-1]
    for number, bar in enumerate(bars):
        result[height - 2 - number, width - bar.size :] = bar.color
    return rotate(result, -turns)
