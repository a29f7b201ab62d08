"""What comes of our own programs in this process, told as the sandbox tells it: fast, unprotected.

For texts that arcflow wrote: programs of the registry and what is made of them. What a model or a
user wrote belongs into the sandbox.
"""

import warnings
from types import TracebackType
from typing import Any

import numpy as np

from arcflow.core.grid import MAX_SIDE, N_COLORS, Grid, freeze
from arcflow.omniarc.execute import FILE, EndlessError, call
from arcflow.sandbox.results import (
    BadOutput,
    Grids,
    Limits,
    Raised,
    Result,
    SyntaxProblem,
    TimedOut,
)


def run_in_process(text: str, grid: Grid) -> Result:
    """What comes of a program on one grid: its grid, or how it fails.

    Work is counted in place of time, so that the answer is the same on every machine.

    Args:
        text: defines ``task(grid)``; by arcflow's own hand.
        grid: the input; the program gets a copy.
    """
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            output = call(text, np.array(grid))
    except EndlessError:
        return TimedOut(Limits().seconds)
    except SyntaxError as error:
        return SyntaxProblem(error.msg, error.lineno or 0)
    except Exception as error:  # noqa: BLE001 - whatever a program raises is its answer
        return Raised(type(error).__name__, str(error), _line(error))
    return _result(output)


def _result(output: Any) -> Result:
    if not isinstance(output, np.ndarray) or output.dtype.kind not in "iu":
        found = type(output).__name__
        return BadOutput("type", f"ndarray of {output.dtype}" if found == "ndarray" else found)
    if output.ndim != 2 or not all(1 <= side <= MAX_SIDE for side in output.shape):
        return BadOutput("shape", str(output.shape))
    low, high = int(output.min()), int(output.max())
    if low < 0 or high >= N_COLORS:
        return BadOutput("values", f"{low} to {high}")
    return Grids((freeze(np.array(output, dtype=np.int8, order="C")),))


def _line(error: BaseException) -> int:
    """The last line of the program itself that the exception went through."""
    line = 0
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
