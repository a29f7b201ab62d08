"""Rules of several steps."""

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("d4469b4b")
def sign_of_the_color(grid):
    """Red stands for a T, blue for a plus, green for a corner at the bottom right."""
    lines = {2: (0, 1), 1: (1, 1), 3: (2, 2)}
    row, column = next(lines[color] for color in lines if color in grid)
    result = new_grid(3, 3)
    result[row, :] = 5
    result[:, column] = 5
    return result
