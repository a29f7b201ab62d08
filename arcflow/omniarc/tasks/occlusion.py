"""Something hides a part of a pattern."""

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("dc0a314f")
def crop_what_green_hides(grid):
    """Green hides a part of a pattern that is the same in all mirrors: that part is cropped."""
    whole = complete_symmetry(grid, 3, "left_right", "up_down", "diagonal")
    return crop(whole, *bounding_box(grid == 3))


@program("b8825c91")
def mend_the_mirrored_pattern(grid):
    """Yellow hides parts of a pattern that is mirrored both ways."""
    return complete_symmetry(grid, 4, "left_right", "up_down")
