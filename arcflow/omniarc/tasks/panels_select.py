"""One panel is chosen, or panels tell what to do."""

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("0b148d64")
def block_of_another_color(grid):
    """Of four blocks, the one whose colour differs from the other three is cut out."""
    blocks = [block for row in split_panels(grid, color=0) for block in row]
    return odd_one_out(blocks, key=lambda block: most_common_color(block, ignore=0))


@program("5bd6f4ac")
def top_right_corner(grid):
    """The 3x3 cells in the top right corner are cut out."""
    return grid[:3, -3:].copy()
