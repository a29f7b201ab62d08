"""The outputs of programs: the check that an output is a grid, and the line of an error."""

from types import TracebackType
from typing import Any

import numpy as np

from arcflow.core.grid import MAX_SIDE, N_COLORS, Grid

FILE = "<program>"
"""The file name in the stack frames of a program."""


class NotAGridError(Exception):
    """An output that is not a grid.

    Its arguments are what is wrong ("type", "shape" or "values"), and what was found.
    """


def check_output(output: Any) -> Grid:
    """Check that the output of a program is a grid.

    Args:
        output: The value that the program returned.

    Returns:
        The grid as a contiguous int8 array of shape (H, W); it may be the output itself.

    Raises:
        NotAGridError: If the output is not an array of integers, or if its sides or cells are not
            those of a grid.
    """
    if not isinstance(output, np.ndarray) or output.dtype.kind not in "iu":
        found = type(output).__name__
        raise NotAGridError("type", f"ndarray of {output.dtype}" if found == "ndarray" else found)
    if output.ndim != 2 or not all(1 <= side <= MAX_SIDE for side in output.shape):
        raise NotAGridError("shape", str(output.shape))
    low, high = int(output.min()), int(output.max())
    if low < 0 or high >= N_COLORS:
        raise NotAGridError("values", f"{low} to {high}")
    return np.ascontiguousarray(output, dtype=np.int8)


def last_line(error: BaseException) -> int:
    """Return the last line of the program that an exception passed through.

    Args:
        error: The exception, with its traceback.

    Returns:
        The number of the line in the program's text, from 1; 0 if it passed through none.
    """
    line = 0
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
