"""What came out of a program: the grid in it, what is wrong with it, where it failed."""

from types import TracebackType
from typing import Any

import numpy as np

from arcflow.core.grid import MAX_SIDE, N_COLORS, Grid

FILE = "<program>"
"""The file name that a program's frames carry."""


class NotAGridError(Exception):
    """Args: what is wrong ("type", "shape" or "values"), and what was found."""


def check_output(output: Any) -> Grid:
    """What a program returned, as contiguous int8; it may be the array itself.

    Raises:
        NotAGridError: it is no array of integers, or has other sides or cells than a grid.
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
    """The last line of the program itself that an exception went through; 0 for none."""
    line = 0
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
