"""The types of the primitives' arguments and results, and the directions."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from arcflow.omniarc.dsl.errors import DslError

Grid = NDArray[np.int8]
"""Shape (height, width); cells are colours 0..9."""

Mask = NDArray[np.bool_]
"""Shape (height, width); True where a cell belongs."""

Cells = TypeVar("Cells", Grid, Mask)
"""A grid or a mask: what is given back is of the same kind."""

Direction = tuple[int, int]
"""A step (d_row, d_col), each -1, 0 or 1."""

UP: Direction = (-1, 0)
DOWN: Direction = (1, 0)
LEFT: Direction = (0, -1)
RIGHT: Direction = (0, 1)
ORTHOGONAL: tuple[Direction, ...] = (UP, DOWN, LEFT, RIGHT)
DIAGONAL: tuple[Direction, ...] = ((-1, -1), (-1, 1), (1, -1), (1, 1))
ALL_DIRECTIONS: tuple[Direction, ...] = ORTHOGONAL + DIAGONAL


def new_cells(where: str, cells: Any) -> Any:
    """A new array of ``cells``: int8, or bool where they are; ``where`` names the primitive.

    Raises:
        DslError: they have not two dimensions.
    """
    array = np.asarray(cells)
    if array.ndim != 2:
        raise DslError(f"{where}: an array of shape {array.shape}, expected a grid")
    return np.array(array, dtype=np.bool_ if array.dtype == np.bool_ else np.int8, order="C")
