"""Programs of our own, run in this process: fast, and without any protection.

For texts that arcflow wrote: programs of the registry and what is made of them. What a model or a
user wrote belongs into the sandbox. What comes of a program is told as the sandbox tells it.
"""

import builtins
import functools
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType, TracebackType
from typing import Any

import numpy as np

from arcflow.core.grid import MAX_SIDE, N_COLORS, Grid, freeze
from arcflow.omniarc import dsl
from arcflow.sandbox.results import (
    BadOutput,
    Grids,
    Limits,
    Raised,
    Result,
    SyntaxProblem,
    TimedOut,
)

MAX_STEPS = 500_000
"""Lines that a program and the primitives that it calls may run for one grid.

Counted in place of time, so that what comes of a program is the same on every
machine. The programs of the registry need less. A loop within one line is not counted."""

_FILE = "<program>"
_DSL = dsl.__file__.rpartition("/")[0]
_NAMES = {name: getattr(dsl, name) for name in dsl.__all__} | {"np": np}


class _TooManyStepsError(BaseException):
    """Not an Exception, so that no program catches it."""


def run_in_process(text: str, grid: Grid) -> Result:
    """What comes of a program on one grid: its grid, or how it fails.

    Args:
        text: defines ``task(grid)``; by arcflow's own hand.
        grid: the input; the program gets a copy.
    """
    task = _load(text)
    if isinstance(task, SyntaxProblem | Raised):
        return task
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"), _limit():
            warnings.simplefilter("ignore")
            output = task(np.array(grid))
    except _TooManyStepsError:
        return TimedOut(Limits().seconds)
    except Exception as error:  # noqa: BLE001 - whatever a program raises is its answer
        return Raised(type(error).__name__, str(error), _line(error))
    return _result(output)


@functools.lru_cache(maxsize=2048)
def _load(text: str) -> Callable[[Grid], Any] | SyntaxProblem | Raised:
    """The program's function, compiled once."""
    namespace: dict[str, Any] = {**_NAMES, "__builtins__": builtins, "__name__": "program"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            code: CodeType = compile(text, _FILE, "exec")
        except SyntaxError as error:
            return SyntaxProblem(error.msg, error.lineno or 0)
    try:
        exec(code, namespace)
    except Exception as error:  # noqa: BLE001 - as above
        return Raised(type(error).__name__, str(error), _line(error))
    function: Callable[[Grid], Any] = namespace["task"]
    return function


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
        if trace.tb_frame.f_code.co_filename == _FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


@contextmanager
def _limit() -> Iterator[None]:
    """End a program that runs too many lines, its own and the primitives'."""
    left = MAX_STEPS

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise _TooManyStepsError
        return count

    def enter(frame: FrameType, event: str, argument: Any) -> Any:
        name = frame.f_code.co_filename
        return count if name == _FILE or name.startswith(_DSL) else None

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        yield
    finally:
        sys.settrace(before)
