"""Things are put in order."""

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("f8ff0b80")
def colors_from_large_to_small(grid):
    """The shapes' colours stand below each other, the largest shape's first."""
    shapes = sorted(find_objects(grid), key=lambda shape: -shape.size)
    return to_grid([[shape.color] for shape in shapes])


@program("a61f2674")
def mark_longest_and_shortest_bar(grid):
    """The longest bar becomes blue, the shortest red, the others go."""
    bars = sorted(find_objects(grid, diagonal=False), key=lambda bar: bar.size)
    result = new_grid(*grid.shape)
    return draw(draw(result, bars[0], 2), bars[-1], 1)


@program("ea32f347")
def rank_bars_by_length(grid):
    """The longest bar becomes blue, the middle one yellow, the shortest red."""
    bars = sorted(find_objects(grid, diagonal=False), key=lambda bar: -bar.size)
    result = grid
    for bar, color in zip(bars, (1, 4, 2), strict=True):
        result = draw(result, bar, color)
    return result
