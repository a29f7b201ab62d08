"""What comes of our own programs in this process, told as the sandbox tells it: fast, unprotected.

For texts that arcflow wrote: programs of the registry and what is made of them. What a model or a
user wrote belongs into the sandbox.
"""

import warnings

import numpy as np

from arcflow.core.grid import Grid, freeze
from arcflow.omniarc.execute import EndlessError, call
from arcflow.sandbox.outputs import NotAGridError, check_output, last_line
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
        return Raised(type(error).__name__, str(error), last_line(error))
    try:
        return Grids((freeze(np.array(check_output(output), order="C")),))
    except NotAGridError as bad:
        return BadOutput(*bad.args)
