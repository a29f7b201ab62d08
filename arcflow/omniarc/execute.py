"""Running arcflow's own programs, and texts made of them, quickly in this process.

A made text may loop without end, or grow its grids. Work is counted, not timed, so that the
result of a text is the same on every machine.
"""

import ast
import functools
import importlib
import signal
import threading
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np

from arcflow.core.errors import DataError
from arcflow.core.grid import MAX_SIDE, N_COLORS, Grid, freeze
from arcflow.omniarc import dsl
from arcflow.sandbox.outputs import FILE

WORDS = dsl.__name__
"""The module whose words programs use, unless another one is named."""

MAX_WORK = 1_000_000
"""The largest amount of work of one run, about 0.2 s.

A turn of a loop or a call of the program's own functions counts 1; a call of a primitive counts
10 and more, by the number of cells that it is given. The program that needs most for its own task
needs half of this; all but three need less than a tenth of that.
"""

MADE_WORK = 50_000
"""The largest amount of work of a text that was made of a program.

It is smaller than :data:`MAX_WORK` because making another text is faster than waiting.
"""

MAX_CELLS = 500_000
"""The largest number of cells of an array that a primitive is given or returns."""

MAX_SECONDS = 30.0
"""The CPU time of this process for one run, in seconds: a safety net behind the counted work."""

_KEPT = 1024
_STEP = "_step"
_state = threading.local()


class EndlessError(BaseException):
    """More work than a program may do; no ``except`` of a program catches it."""


class _HangsError(BaseException):
    """More CPU time than a task may take."""


def run(text: str, grid: Grid, work: int = MAX_WORK, words: str = WORDS) -> Grid | None:
    """Return a program's output for one grid.

    Args:
        text: A text of arcflow's own that defines ``task(grid)``; it is not restricted in any way.
        grid: The input, shape (H, W); it is read-only, so a program that writes into it raises.
        work: The largest amount of work that the program may do.
        words: The module whose words it uses.

    Returns:
        The output, int8 of shape (H, W), or None if the program raises, does too much work or
        returns something other than a grid.
    """
    try:
        found = np.asarray(call(text, grid, work, words))
    except (Exception, EndlessError):  # noqa: BLE001 (a generated program may raise anything)
        return None
    return _as_grid(found)


def call(text: str, grid: Grid, work: int = MAX_WORK, words: str = WORDS) -> Any:
    """Return whatever a program returns; exceptions of the program are passed on.

    Args:
        text: A text as in :func:`run`.
        grid: The input, shape (H, W).
        work: The largest amount of work that the program may do.
        words: The module whose words it uses.

    Returns:
        The value that ``task(grid)`` returns.

    Raises:
        EndlessError: If the program would do more work.
    """
    _state.left = work
    if getattr(_state, "net", False):  # RE-ARC's generators set the same timer and end ours
        signal.setitimer(signal.ITIMER_VIRTUAL, MAX_SECONDS)
    return compiled(text, words)(grid)


@functools.lru_cache(maxsize=_KEPT)
def compiled(text: str, words: str = WORDS) -> Callable[[Grid], Any]:
    """Return the function ``task`` of a text, with its work counted."""
    tree = ast.fix_missing_locations(_Counted().visit(ast.parse(text)))
    space = dict(_names(words))
    exec(compile(tree, FILE, "exec"), space)
    function: Callable[[Grid], Any] = space["task"]
    return function


@contextmanager
def limits(where: str) -> Iterator[None]:
    """Run the programs of one task with warnings as errors and a limit of CPU time.

    Python code is stopped at the limit; a single call of numpy or of a builtin is waited for.

    Args:
        where: The name of the task, for the message.

    Raises:
        DataError: If more than :data:`MAX_SECONDS` of CPU time are used. This ends the run instead
            of starting another try, since tasks that depended on a clock would differ between
            machines. Only the main thread gets signals; other threads have no such limit.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGVTALRM, _stop)
        signal.setitimer(signal.ITIMER_VIRTUAL, MAX_SECONDS)
        _state.net = True
        try:
            yield
        except _HangsError:
            raise DataError(
                f"{where}: its program hangs",
                value=f"more than {MAX_SECONDS:g} s of computing",
                expected="an output within seconds",
                next_step="Leave the task out (exclude).",
            ) from None
        finally:
            _state.net = False
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, before)


def _stop(_signal: int, _frame: object) -> NoReturn:
    raise _HangsError


def _as_grid(found: Any) -> Grid | None:
    """Return a frozen copy of an array, or None if it is not a grid."""
    if found.ndim != 2 or found.dtype.kind not in "iu" or not found.size:
        return None
    if max(found.shape) > MAX_SIDE or found.min() < 0 or found.max() >= N_COLORS:
        return None
    return freeze(np.array(found, dtype=np.int8, order="C"))


def _step(work: int = 1) -> bool:
    _state.left -= work
    if _state.left < 0:
        raise EndlessError
    return True


class _Counted(ast.NodeTransformer):
    """A transformer that puts a step before every turn of a loop and into every function.

    Loops within comprehensions are counted too.
    """

    def visit_For(self, node: ast.For) -> ast.AST:
        return self._body(node)

    def visit_While(self, node: ast.While) -> ast.AST:
        return self._body(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._body(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self.generic_visit(node)
        node.body = ast.IfExp(_call(), node.body, ast.Constant(None))
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        node.ifs.insert(0, _call())
        return node

    def _body(self, node: ast.For | ast.While | ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.body.insert(0, ast.Expr(_call()))
        return node


def _call() -> ast.Call:
    return ast.Call(ast.Name(_STEP, ast.Load()), [], [])


@functools.cache
def _names(words: str) -> dict[str, Any]:
    """Return the names that a program may use: numpy and a module's, whose calls are counted."""
    names: dict[str, Any] = {"np": np, _STEP: _step}
    module = importlib.import_module(words)
    for name in module.__all__:
        of = getattr(module, name)
        names[name] = _counted(of) if isinstance(of, types.FunctionType) else of
    return names


def _counted(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        first = args[0] if args else None
        # The first argument is mostly an array, and work grows with its cells.
        _step(10 + _cells(first) // 20)
        result = function(*args, **kwargs)
        _cells(result)
        return result

    return call


def _cells(value: Any) -> int:
    if type(value) is not np.ndarray:
        return 0
    if value.size > MAX_CELLS:
        raise EndlessError
    return value.size
