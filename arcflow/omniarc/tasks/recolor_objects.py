"""Objects change colour by what they are."""

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("d2abd087")
def shapes_of_six_cells(grid):
    """Shapes of six cells become red, all others blue."""
    result = grid
    for shape in find_objects(grid, diagonal=False):
        result = draw(result, shape, 2 if shape.size == 6 else 1)
    return result
