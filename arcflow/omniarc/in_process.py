"""Running arcflow's own programs in this process, with the results that the sandbox would give.

This is fast and unprotected. It is for texts that arcflow wrote: programs of the registry and what
is made of them. What a model or a user wrote must run in the sandbox.
"""

import warnings

import numpy as np

from arcflow.core.grid import Grid, freeze
from arcflow.omniarc.execute import WORDS, EndlessError, call
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


def run_in_process(text: str, grid: Grid, words: str = WORDS) -> Result:
    """Run a program on one grid in this process.

    Work is counted instead of time, so that the result is the same on every machine.

    Args:
        text: A text that arcflow itself wrote and that defines ``task(grid)``.
        grid: The input, shape (H, W); the program gets a copy.
        words: The module whose words it uses.

    Returns:
        The result, with one grid or the way in which the program failed.
    """
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            output = call(text, np.array(grid), words=words)
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
